"""Signal to order: the room of live trading.

Reading order: ``signals`` (what a model says), ``risk`` (whether and how much), ``execution`` (orders),
``reconcile`` (journal against exchange), ``trader`` (one candle), ``session`` (from start to end).  Beside
them ``journal`` remembers, ``scoreboard`` judges, ``notify`` tells, ``replay`` and ``explain`` look back.
"""
