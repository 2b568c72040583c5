"""Opinion to order.  Today: the decision table of ``live_trade.py --once``."""
