"""Whether the proxies that the system names can be used, before anything is sent through them.

Place in the house: foundation.  The environment, or the system's own settings, come in; nothing goes out, or
a ``SettingsError`` that names the variable.  No part of a value is in it: a proxy's address may hold a
password, and a library that cannot read it would quote it whole.

Not here: the requests (``desk.market.bitget.transport``, ``desk.trade.notify``).
"""

import os
from urllib.parse import urlsplit
from urllib.request import getproxies

from desk.errors import SettingsError

READ = ("http", "https", "ws", "wss")
"""Kinds of address that may have a proxy of their own; all of them are read for every request."""


def require_usable_proxies() -> None:
    """Refuse a proxy that is none.

    Raises
    ------
    SettingsError
        Naming the variable, or the kind of address where the system itself has it from elsewhere.
    """
    for kind, address in getproxies().items():
        if kind in READ and not _usable(address):
            raise SettingsError(
                f"{_source(kind)} is no address of a proxy: it must be like http://HOST:PORT or "
                "http://NAME:PASSWORD@HOST:PORT, with http:// for addresses of https as well, and with "
                "special characters of a password percent-encoded (what it is now is not shown)"
            )


def _usable(address: str) -> bool:
    try:
        url = urlsplit(address)
        return (
            url.scheme == "http"
            and bool(url.hostname)
            and url.port != 0
            and url.path in {"", "/"}
            and not (url.query or url.fragment)
        )
    except ValueError:
        return False


def _source(kind: str) -> str:
    names = [name for name in os.environ if name.lower() == f"{kind}_proxy"]
    return f"{names[0]} in the environment" if names else f"the system's proxy for {kind}"
