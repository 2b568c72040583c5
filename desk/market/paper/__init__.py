"""Simulated fills on real candles: an exchange in process, its account kept in a file."""
