"""An exchange on this machine: Bitget's public REST side, served on loopback.

Place in the house: the market, as a double.  Series come in, from parquet files, from
``desk.market.synthetic`` or from a test; HTTP goes out.  Users start it with
``python -m desk.market.emulator``; ``--demo`` and tests use ``EmbeddedExchange`` in process.

It shares no parsing with the client (``desk.market.wire``, ``desk.market.bitget``): a double that shares
the client's code shares its mistakes.

Reading order: ``options`` (what it can be told), ``sources`` (where series come from), ``listings``
(one symbol), ``endpoints`` (what is answered), ``limits``, ``faults``, ``server`` (HTTP),
``__main__`` (the command line).
"""

from desk.market.emulator.listings import Funding
from desk.market.emulator.options import ExchangeOptions
from desk.market.emulator.server import EmbeddedExchange, Stats

__all__ = ["EmbeddedExchange", "ExchangeOptions", "Funding", "Stats"]
