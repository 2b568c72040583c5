"""Candles as they happen: messages, the window of the last candles, when one is closed, the stream."""
