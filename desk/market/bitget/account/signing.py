"""How a request proves which key it belongs to.

Place in the house: beside ``desk.market.bitget.account.rest`` and ``desk.market.bitget.account.stream``,
which send what is made here.  Credentials, a time and a request come in; headers or a login message go out.
Pure.

A signature is made over exactly the bytes that are sent: ``query_text`` gives the query as it must stand in
the address, ``body_text`` the body.  One exception: of a query with percent-encoded names the exchange signs
the decoded text.

Not here: the clock (times come in as the exchange counts them), the requests themselves
(``desk.market.bitget.account.requests``).

References
----------
``docs/bitget.md``, sections 5 (prehash, vectors) and 11 (login).
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlencode

LOGIN_PATH = "/user/verify"
SIGNATURE = "ACCESS-SIGN"
"""Header of the signature."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key.  Neither ``repr`` nor ``str`` shows anything of it."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)


def signature(secret: str, prehash: str) -> str:
    """Base64 of HMAC-SHA256 over ``prehash``."""
    digest = hmac.new(secret.encode(), prehash.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode("ascii")


def query_text(parameters: Mapping[str, str]) -> str:
    """``parameters`` as the query of an address, names in order, without the question mark."""
    return urlencode(sorted(parameters.items()), quote_via=quote)


def body_text(body: Mapping[str, object]) -> str:
    """``body`` as JSON without needless blanks."""
    return json.dumps(body, separators=(",", ":"))


def signed_headers(
    credentials: Credentials,
    *,
    timestamp: int,
    method: str,
    path: str,
    query: str = "",
    body: str = "",
    demo: bool = False,
) -> dict[str, str]:
    """Headers of a signed request.

    Parameters
    ----------
    timestamp : int
        Server time, ms; the exchange takes what is at most 30 s off.
    query, body : str
        As ``query_text`` and ``body_text`` give them, and as they are sent.
    demo : bool
        Whether the request is for the demo account.
    """
    question = f"?{unquote(query)}" if query else ""
    headers = {
        "ACCESS-KEY": credentials.key,
        SIGNATURE: signature(credentials.secret, f"{timestamp}{method.upper()}{path}{question}{body}"),
        "ACCESS-TIMESTAMP": str(timestamp),
        "ACCESS-PASSPHRASE": credentials.passphrase,
        "Content-Type": "application/json",
        "locale": "en-US",
    }
    return {**headers, "paptrading": "1"} if demo else headers


def login_message(credentials: Credentials, *, timestamp: int) -> str:
    """The first message of a private websocket; ``timestamp`` is server time in whole seconds.

    As it travels::

        {"op": "login", "args": [{"apiKey": "…", "passphrase": "…", "timestamp": "1762560123", "sign": "…"}]}
    """
    login = {
        "apiKey": credentials.key,
        "passphrase": credentials.passphrase,
        "timestamp": str(timestamp),
        "sign": signature(credentials.secret, f"{timestamp}GET{LOGIN_PATH}"),
    }
    return body_text({"op": "login", "args": [login]})
