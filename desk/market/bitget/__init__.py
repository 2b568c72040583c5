"""The client of Bitget: addresses, pace, what its answers say, and the websocket."""
