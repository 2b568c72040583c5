"""The account on Bitget: signing, requests, what its answers and messages say."""
