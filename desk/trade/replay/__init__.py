"""The session on stored candles, and why it earned something else than was expected."""
