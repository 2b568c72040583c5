"""Series of candles in place of an exchange: synthetic, from files, and what can be inferred from them."""
