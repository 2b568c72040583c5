"""An exchange on this machine: Bitget's REST endpoints and websockets, served on loopback.

Place in the house: the market, as a double.  Series come in, from parquet files, from
``desk.market.series.synthetic`` or from a test; HTTP and websockets go out.  Users start it with
``python -m desk.market.emulator``; ``--demo`` and tests use ``EmbeddedExchange`` in process.

It shares no parsing with the client (``desk.market.bitget.wire``, ``desk.market.bitget.public``): a double
that shares the client's code shares its mistakes.

Its one account trades against the matching core (``desk.market.matching``); its API key is that of
``keys.Keys``, or any three values given in the options.  The account is a classic one, with the API v2, or
a unified one, with the API v3; it may change its kind while the exchange runs.

Reading order: ``options`` (its settings), ``listings`` and ``forming`` (one symbol); ``endpoints``,
``intervals``, ``peer_endpoints``, ``uta_public`` (public answers); ``keys``, ``venue``, ``account_request``,
``private``, ``private_orders``, ``private_rows`` (the account by the API v2); ``uta_book``, ``uta_private``,
``uta_orders``, ``uta_strategies``, ``uta_rows``, ``uta_account_rows``, ``uta_codes``, ``uta_options`` (by the
API v3); ``channels``, ``uta_channels``, ``sockets`` (websockets); ``limits``, ``faults``, ``brotli``,
``responses``, ``server`` (HTTP); ``control`` (counters and controls for tests), ``__main__`` (the command
line).

What the package offers is imported when it is first asked for: ``python -m`` imports this file before
anything of ours can meet a Ctrl-C.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from desk.market.emulator.control import Stats
    from desk.market.emulator.keys import Keys
    from desk.market.emulator.options import ExchangeOptions
    from desk.market.emulator.server import EmbeddedExchange
    from desk.market.emulator.uta_options import UnifiedOptions
    from desk.market.series.facts import Funding

_MODULES = {
    "EmbeddedExchange": "desk.market.emulator.server",
    "ExchangeOptions": "desk.market.emulator.options",
    "Funding": "desk.market.series.facts",
    "Keys": "desk.market.emulator.keys",
    "Stats": "desk.market.emulator.control",
    "UnifiedOptions": "desk.market.emulator.uta_options",
}

__all__ = ["EmbeddedExchange", "ExchangeOptions", "Funding", "Keys", "Stats", "UnifiedOptions"]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
