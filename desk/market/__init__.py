"""The market as it is: candles, the exchange's client, the cache, and the embedded exchange."""
