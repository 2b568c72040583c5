"""Series of candles that stand in for an exchange: invented, from files, and what can be read from them."""
