"""Looking at the exchange and at an account without changing anything: for ``live_trade.py --check``.

Requests here are GET alone, whatever is asked; answers are taken apart more loosely than trading takes them,
so that what is odd about an account is shown instead of ending the look.
"""
