"""Candles, funding rates and contracts of the past: which are missing, their pages, their checks, their cache."""
