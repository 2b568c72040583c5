"""Which requests the embedded exchange answers: those of programs on this machine, not of web pages.

Place in the house: the market, inside the emulator.  A request comes in before anything else looks at it; one
of a web page is refused with 403.

A browser of this machine reaches loopback too.  A page of another site may send requests (it then names
itself as ``Origin``) or have the name of its own host lead to 127.0.0.1 (``Host`` then is that name).  Either
could read the account, trade and move the clock.

Not here: the controls (``control``) and endpoints that are protected (``server``).
"""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

_REFUSED: Final = "this exchange answers programs on this machine: Host and Origin must be its own address"


@web.middleware
async def only_own_clients(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 403 to a request whose ``Host`` is not loopback, or whose ``Origin`` is not that host."""
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or not is_own(hosts[0], request.headers.getall("Origin", [])):
        raise web.HTTPForbidden(text=_REFUSED)
    return await handler(request)


def is_own(host: str, origins: list[str]) -> bool:
    """Whether a request with this ``Host`` and these ``Origin`` headers is of a program on this machine."""
    return _is_loopback(host) and all(origin == f"http://{host}" for origin in origins)


def _is_loopback(host: str) -> bool:
    """Whether ``host``, with or without a port, can only be this machine."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname or ""
        _ = parts.port  # ValueError where it is none
        if parts.netloc != host or "@" in host:
            return False
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
