"""An exchange on this machine: Bitget's REST endpoints and websockets, served on loopback.

Place in the house: the market, as a double.  Series come in, from parquet files, from
``desk.market.series.synthetic`` or from a test; HTTP and websockets go out.  Users start it with
``python -m desk.market.emulator``; ``--demo`` and tests use ``EmbeddedExchange`` in process.

It shares no parsing with the client (``desk.market.bitget.wire``, ``desk.market.bitget.public``): a double
that shares the client's code shares its mistakes.

Its one account trades against the matching core (``desk.market.matching``); its API key is that of
``keys.Keys``, or any three values given in the options.

Reading order: ``options`` (its settings), ``listings`` and ``forming`` (one symbol), ``endpoints`` (public
answers); ``keys``, ``venue``, ``account_request``, ``private``, ``private_orders``, ``private_rows`` (the
account); ``channels``, ``sockets`` (websockets); ``limits``, ``faults``, ``brotli``, ``server`` (HTTP),
``control`` (counters and controls for tests), ``__main__`` (the command line).
"""

from desk.market.emulator.control import Stats
from desk.market.emulator.keys import Keys
from desk.market.emulator.options import ExchangeOptions
from desk.market.emulator.server import EmbeddedExchange
from desk.market.series.facts import Funding

__all__ = ["EmbeddedExchange", "ExchangeOptions", "Funding", "Keys", "Stats"]
