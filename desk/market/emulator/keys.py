"""Signatures of private requests, from the exchange's side.

Place in the house: the market, inside the emulator.  Headers (or a login) come in; a ``RequestDenied`` is
raised if the signature is not valid.  Pure.  Written a second time on purpose, see the package.

The default keys are fixed and public: they open nothing but the embedded exchange.

References
----------
``docs/bitget.md``, sections 5 (headers, order of the checks) and 11 (login).
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from desk.market.emulator.endpoints import RequestDenied

WINDOW_MS: Final = 30_000
READ_BY_POST: Final = ("/api/v3/account/max-open-available",)
"""Paths of POST requests that change nothing."""
LOGIN_TARGET: Final = "GET/user/verify"
WRONG_ENVIRONMENT: Final = ("40099", "exchange environment is incorrect")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """API key of the one customer of the embedded exchange."""

    key: str = "emulator-key"
    secret: str = field(default="emulator-secret", repr=False)
    passphrase: str = field(default="emulator-passphrase", repr=False)
    demo: bool = False
    """Whether the key belongs to demo trading: then every request must have the header ``paptrading: 1``,
    otherwise none may."""
    unified: bool = False
    """Whether the account is a unified account at the start: it has the API v3, a classic one the API v2."""
    read_only: bool = False
    """Whether the key lacks the permission to trade: everything that changes the account is refused."""
    lacks: tuple[str, ...] = ()
    """Beginnings of paths that the key has no permission for, such as ``/api/v3/trade``."""
    address: str = ""
    """The only address that the key may be used from; empty: any."""


def expected_signature(secret: str, text: str) -> str:
    """Base64 of the HMAC-SHA256 of ``text``."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha256)).decode()


def is_of_demo(headers: Mapping[str, str]) -> bool:
    """Whether a request, or the opening of a websocket, asks for demo trading; names ignore case."""
    return headers.get("paptrading", "") == "1"


def check_request(
    keys: Keys,
    headers: Mapping[str, str],
    *,
    method: str,
    target: str,
    body: str,
    valid_times: tuple[int, int],
    address: str = "",
    refusal: RequestDenied | None = None,
) -> None:
    """Raise unless a request is signed with ``keys``.

    Parameters
    ----------
    keys : Keys
    headers : mapping
        Names ignore case.
    method : str
        ``GET`` or ``POST``.
    target : str
        Path and query as they were sent.
    body : str
        As it was sent; empty for a GET.
    valid_times : tuple of int
        Earliest and latest time that counts as now, ms: they differ where market time does not pass as
        real time does.
    address : str
        That the request was sent from.
    refusal : RequestDenied or None
        Of a path that the account's kind does not have.
    """
    if not (key := headers.get("ACCESS-KEY", "")):
        raise RequestDenied("40006", "Invalid ACCESS_KEY")
    if not (sign := headers.get("ACCESS-SIGN", "")):
        raise RequestDenied("40002", "The request header ACCESS_SIGN cannot be empty")
    if not (timestamp := headers.get("ACCESS-TIMESTAMP", "")):
        raise RequestDenied("40003", "The request header ACCESS_TIMESTAMP cannot be empty")
    if not (passphrase := headers.get("ACCESS-PASSPHRASE", "")):
        raise RequestDenied("40011", "The request header ACCESS_PASSPHRASE cannot be empty")
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise RequestDenied("40005", "Invalid ACCESS_TIMESTAMP")
    if key != keys.key:
        raise RequestDenied("40037", "Apikey does not exist")
    if is_of_demo(headers) != keys.demo:
        raise RequestDenied(*WRONG_ENVIRONMENT)
    if refusal is not None:
        raise refusal
    if not _is_now(int(timestamp), valid_times):
        raise RequestDenied("40008", "Request timestamp expired")
    texts = {f"{timestamp}{method}{form}{body}" for form in (target, unquote(target))}
    if not any(hmac.compare_digest(sign, expected_signature(keys.secret, text)) for text in texts):
        raise RequestDenied("40009", "sign signature error")
    if passphrase != keys.passphrase:
        raise RequestDenied("40012", "apikey/password is incorrect")
    _check_rights(keys, method, target, address)


def _check_rights(keys: Keys, method: str, target: str, address: str) -> None:
    """Raise unless the key may be used from ``address``, and has the permission that the request needs."""
    if keys.address and address != keys.address:
        raise RequestDenied("40018", "Invalid IP")
    changes = method == "POST" and target not in READ_BY_POST
    if (keys.read_only and changes) or target.startswith(keys.lacks):
        raise RequestDenied("40014", "Incorrect permissions")


def check_login(
    keys: Keys,
    args: Mapping[str, object],
    *,
    valid_times: tuple[int, int],
    has_api: bool = True,
    demo: bool | None = None,
) -> tuple[int, str] | None:
    """Check a login on the private socket; returns number and message of the error, or None.

    Parameters
    ----------
    keys : Keys
    args : mapping
        The login's one arg: apiKey, passphrase, timestamp (s), sign.
    valid_times : tuple of int
        As in ``check_request``.
    has_api : bool
        Whether the account's kind has the API whose socket this is.
    demo : bool or None
        Whether the socket was opened as one of demo trading; None: it is one of the API v2, which does not
        look at that.
    """
    timestamp = str(args.get("timestamp", ""))
    in_digits = timestamp.isascii() and timestamp.isdigit()
    signed = expected_signature(keys.secret, f"{timestamp}{LOGIN_TARGET}")
    checks = (
        (args.get("apiKey") == keys.key, 30011, "Invalid ACCESS_KEY"),
        (demo in {None, keys.demo}, int(WRONG_ENVIRONMENT[0]), WRONG_ENVIRONMENT[1]),
        (in_digits, 30013, "Invalid ACCESS_TIMESTAMP"),
        (in_digits and _is_now(int(timestamp) * 1000, valid_times), 30014, "Request timestamp expired"),
        (args.get("sign") == signed, 30015, "Invalid ACCESS_SIGN"),
        (args.get("passphrase") == keys.passphrase, 30012, "Invalid ACCESS_PASSPHRASE"),
        (has_api, 30005, "Login failed: the account is of the other kind"),
    )
    return next(((code, message) for passed, code, message in checks if not passed), None)


def _is_now(timestamp: int, valid_times: tuple[int, int]) -> bool:
    return valid_times[0] - WINDOW_MS <= timestamp <= valid_times[1] + WINDOW_MS
