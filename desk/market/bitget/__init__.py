"""The client of Bitget: requests, rate limits, readers of responses, and the websocket."""
