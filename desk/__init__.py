"""The trading desk: everything the five doors share.

Foundation (``errors frames ports files policy``), services (``artefacts executors clock logs``) and
the rooms: ``indicators`` (pure formulas), ``market`` (the market as it is), ``learn`` (features to
an examined model), ``trade`` (opinion to order).  Who may import whom: ``tests/test_house.py``.
"""
