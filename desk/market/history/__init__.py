"""Candles, funding rates and contracts of the past: what is missing, pages, checks, the cache."""
