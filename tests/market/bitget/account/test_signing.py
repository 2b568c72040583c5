"""Signatures: Bitget's rule, vectors that others computed, and an independent client."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from desk.errors import SettingsError
from desk.market.bitget.account.classic import requests as asked
from desk.market.bitget.account.credentials import credentials_from
from desk.market.bitget.account.signing import (
    Credentials,
    body_text,
    login_message,
    query_text,
    signature,
    signed_headers,
)
from desk.market.bitget.account.spelling import decimal_text
from desk.orders import MarginMode, OrderRequest, PositionMode, Purpose
from desk.policy import LONG, SHORT

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - the vectors' own
CREDENTIALS = Credentials("bg_0123", SECRET, "secret1")
AT = 1_762_560_123_456


def test_a_query_is_signed_as_bitget_does() -> None:
    """First of the three vectors that agree with the exchange's own rule."""
    headers = signed_headers(
        CREDENTIALS,
        timestamp=AT,
        method="get",
        path="/api/v2/mix/position/all-position",
        query=query_text(asked.all_positions()),
    )

    assert headers["ACCESS-SIGN"] == "SdhA1dHUuroELT80qOlA0yrGBxwhP4BqvP2JyWmMxAI="
    assert headers["ACCESS-TIMESTAMP"] == str(AT)


def test_a_body_is_signed_as_bitget_does() -> None:
    """The second vector: the very text of the body counts."""
    body = body_text(
        {
            "symbol": "BTCUSDT",
            "productType": "USDT-FUTURES",
            "marginMode": "isolated",
            "marginCoin": "USDT",
            "size": "0.01",
            "side": "buy",
            "orderType": "market",
            "clientOid": "t-0001",
        }
    )
    headers = signed_headers(CREDENTIALS, timestamp=AT, method="POST", path=asked.PLACE, body=body)

    assert headers["ACCESS-SIGN"] == "fSypMwhy3FkL5LxC1OUH9c66qT22a2165B5xhNaLfBo="


def test_a_login_is_signed_in_seconds() -> None:
    """The third vector: milliseconds would be refused as expired."""
    assert signature(SECRET, "1762560123GET/user/verify") in login_message(CREDENTIALS, timestamp=1762560123)
    assert "hM9P6C208FXbUbRCD9uEzoj2Px+YsxnfjPbJqur6I2U=" in login_message(CREDENTIALS, timestamp=1762560123)


def test_the_demo_is_named_in_a_header_that_is_not_signed() -> None:
    """The same request to the real account must differ in nothing else."""
    real = signed_headers(CREDENTIALS, timestamp=AT, method="GET", path="/x")
    demo = signed_headers(CREDENTIALS, timestamp=AT, method="GET", path="/x", demo=True)

    assert demo == {**real, "paptrading": "1"}


def test_secrets_are_in_no_text() -> None:
    """A settings dump, a log line, a traceback: none may hold a key."""
    for text in (repr(CREDENTIALS), str(CREDENTIALS), f"{CREDENTIALS!r:>50}"):
        assert not any(value in text for value in ("bg_0123", SECRET, "secret1"))


def test_missing_variables_are_told_together_and_by_name_only() -> None:
    """A user who forgot two should have to start once, and no value that is there is shown."""
    environ = {"BITGET_API_KEY": "k-123", "BITGET_API_SECRET": " ", "OTHER": "x"}

    with pytest.raises(SettingsError, match="BITGET_API_SECRET, BITGET_API_PASSPHRASE") as caught:
        credentials_from(environ)
    assert "k-123" not in str(caught.value)


def test_credentials_come_from_the_environment() -> None:
    """A line break that was copied along with a key is not part of it."""
    found = credentials_from(
        {"BITGET_API_KEY": "k\n", "BITGET_API_SECRET": "s", "BITGET_API_PASSPHRASE": "p"}
    )

    assert found == Credentials("k", "s", "p")


# An independent client --------------------------------------------------------------------------------

ccxt = pytest.importorskip("ccxt", reason="ccxt of requirements-dev.txt is not installed")
MARKET = {
    "id": "BTCUSDT",
    "symbol": "BTC/USDT:USDT",
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "baseId": "BTC",
    "quoteId": "USDT",
    "settleId": "USDT",
    "type": "swap",
    "spot": False,
    "swap": True,
    "future": False,
    "option": False,
    "contract": True,
    "linear": True,
    "inverse": False,
    "active": True,
    "precision": {"price": 0.1, "amount": 0.0001},
    "limits": {},
    "info": {"symbolType": "perpetual"},
}


class Wiretap:
    """ccxt, with its clock stopped, and what it would have sent."""

    def __init__(self) -> None:
        self.client = ccxt.bitget(
            {"apiKey": "bg_0123", "secret": SECRET, "password": "secret1", "enableRateLimit": False}
        )
        self.client.set_markets([MARKET])
        self.client.options["defaultType"] = "swap"
        self.client.nonce = lambda: AT
        self.client.fetch = self._fetch
        self.sent: dict[str, Any] = {}

    def _fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        self.sent = {"url": url, "method": method, "headers": headers, "body": body}
        raise ccxt.NetworkError("nothing leaves this machine")

    def request(self, call: Callable[[Any], object]) -> tuple[str, str, dict[str, Any]]:
        """Method, path and parameters of what ``call`` makes ccxt send."""
        with pytest.raises(ccxt.NetworkError):
            call(self.client)
        url = urlsplit(self.sent["url"])
        parameters = (
            self.client.parse_json(self.sent["body"])
            if self.sent["body"]
            else dict(pair.split("=") for pair in url.query.split("&"))
        )
        return self.sent["method"], url.path, parameters

    def signs(self, method: str, path: str, parameters: dict[str, Any]) -> "Signed":
        """What ccxt sends for our parameters, in our order."""
        signed = self.client.sign(path.removeprefix("/api/"), ["private", "mix"], method, parameters)
        url = urlsplit(signed["url"])
        access = {key: value for key, value in signed["headers"].items() if key.startswith("ACCESS-")}
        return Signed(url.path, url.query, signed["body"] or "", access)


class Signed(NamedTuple):
    """A request as it is sent."""

    path: str
    query: str
    body: str
    access: dict[str, str]


def order(side: int, purpose: Purpose, **changes: Any) -> OrderRequest:
    values: dict[str, Any] = {
        "client_id": "t-0001",
        "symbol": "BTCUSDT",
        "side": side,
        "purpose": purpose,
        "size": Decimal("0.0100"),
        "kind": "market",
        "price": None,
        "stop_loss": None,
        "take_profit": None,
    }
    return OrderRequest(**{**values, **changes})


REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{
        f"{purpose} {'long' if side == LONG else 'short'}, {mode}, {margin}": (
            "POST",
            asked.PLACE,
            dict(asked.place_order(order(side, purpose), margin=margin, mode=mode)),
        )
        for side in (LONG, SHORT)
        for purpose in ("open", "close")
        for mode in ("one_way", "hedge")
        for margin in ("isolated", "crossed")
    },
    "leverage": ("POST", asked.SET_LEVERAGE, dict(asked.set_leverage("BTCUSDT", Decimal(5), side=None))),
    "leverage of a side": (
        "POST",
        asked.SET_LEVERAGE,
        dict(asked.set_leverage("BTCUSDT", Decimal(5), side=SHORT)),
    ),
    "margin mode": ("POST", asked.SET_MARGIN_MODE, dict(asked.set_margin_mode("BTCUSDT", "crossed"))),
    "position mode": ("POST", asked.SET_POSITION_MODE, dict(asked.set_position_mode("hedge"))),
    "cancel": ("POST", asked.CANCEL, dict(asked.cancel_order("BTCUSDT", "t-0001"))),
    "close": ("POST", asked.CLOSE, dict(asked.close_position("BTCUSDT", SHORT, mode="hedge"))),
    "positions": ("GET", asked.ALL_POSITIONS, dict(asked.all_positions())),
    "order": ("GET", asked.DETAIL, dict(asked.order_by_client_id("BTCUSDT", "t-0001"))),
    "an order of a Chinese symbol": (
        "GET",
        asked.DETAIL,
        dict(asked.order_by_client_id("龙虾USDT", "t-0001")),
    ),
    "pending": ("GET", asked.PENDING, dict(asked.pending_orders(before="12"))),
    "fills": ("GET", asked.FILLS, dict(asked.fills("BTCUSDT", AT, before=None))),
    "balances": ("GET", asked.ACCOUNTS, dict(asked.accounts())),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_are_signed_to_the_byte_as_ccxt_signs_them(name: str) -> None:
    """Two implementations that share no code agree on address, body and every header of the key."""
    method, path, parameters = REQUESTS[name]
    theirs = Wiretap().signs(method, path, parameters)
    query = query_text(parameters) if method == "GET" else ""
    body = body_text(parameters) if method == "POST" else ""

    ours = signed_headers(CREDENTIALS, timestamp=AT, method=method, path=path, query=query, body=body)

    assert theirs[:3] == (path, query, body)
    assert theirs.access.items() <= ours.items()
    assert len(theirs.access) == 4


@pytest.mark.parametrize("purpose", ["open", "close"])
@pytest.mark.parametrize("side", [LONG, SHORT])
@pytest.mark.parametrize("mode", ["one_way", "hedge"])
@pytest.mark.parametrize("margin", ["isolated", "crossed"])
def test_an_order_means_to_ccxt_what_it_means_to_us(
    purpose: Purpose, side: int, mode: PositionMode, margin: MarginMode
) -> None:
    """``side`` changes its meaning with the position mode: a mistake there doubles a position."""
    opening = purpose == "open"
    exits = {"stop_loss": Decimal(101200), "take_profit": Decimal("104000.5")} if opening else {}
    ours = asked.place_order(order(side, purpose, **exits), margin=margin, mode=mode)
    trade = "buy" if (side == LONG) == opening else "sell"
    params: dict[str, Any] = {
        "clientOid": "t-0001",
        "marginMode": "cross" if margin == "crossed" else margin,
        "hedged": mode == "hedge",
        "reduceOnly": not opening,
    }
    if opening:
        params |= {"stopLoss": {"triggerPrice": 101200}, "takeProfit": {"triggerPrice": 104000.5}}

    method, path, theirs = Wiretap().request(
        lambda client: client.create_order("BTC/USDT:USDT", "market", trade, 0.01, None, params)
    )

    assert (method, path) == ("POST", asked.PLACE)
    assert theirs.pop("force") == "GTC"  # what the exchange takes anyway, and only of limit orders
    assert _lower(theirs) == _lower(ours)


CALLS: dict[str, tuple[Callable[[Any], object], str, dict[str, str]]] = {
    "leverage": (
        lambda client: client.set_leverage(5, "BTC/USDT:USDT", {"holdSide": "long"}),
        asked.SET_LEVERAGE,
        asked.set_leverage("BTCUSDT", Decimal("5.0"), side=LONG),
    ),
    "margin mode": (
        lambda client: client.set_margin_mode("cross", "BTC/USDT:USDT"),
        asked.SET_MARGIN_MODE,
        asked.set_margin_mode("BTCUSDT", "crossed"),
    ),
    "position mode": (
        lambda client: client.set_position_mode(True, None, {"productType": "USDT-FUTURES"}),
        asked.SET_POSITION_MODE,
        asked.set_position_mode("hedge"),
    ),
    "cancel": (
        lambda client: client.cancel_order(
            None, "BTC/USDT:USDT", {"clientOid": "t-0001", "marginCoin": "USDT"}
        ),
        asked.CANCEL,
        asked.cancel_order("BTCUSDT", "t-0001"),
    ),
    "positions": (
        lambda client: client.fetch_positions(["BTC/USDT:USDT"]),
        asked.ALL_POSITIONS,
        asked.all_positions(),
    ),
    "close": (
        lambda client: client.close_position("BTC/USDT:USDT", "short"),
        asked.CLOSE,
        asked.close_position("BTCUSDT", SHORT, mode="hedge"),
    ),
    "order": (
        lambda client: client.fetch_order(None, "BTC/USDT:USDT", {"clientOid": "t-0001"}),
        asked.DETAIL,
        asked.order_by_client_id("BTCUSDT", "t-0001"),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_ccxt_asks_the_same_for_the_same_intention(name: str) -> None:
    """Paths and parameters as another client of the same exchange spells them."""
    call, path, ours = CALLS[name]

    _, their_path, theirs = Wiretap().request(call)

    assert their_path == path
    assert _lower(theirs) == _lower(ours)


def test_nothing_is_closed_without_a_symbol() -> None:
    """The exchange would take it for "close everything"."""
    with pytest.raises(ValueError, match="every position"):
        asked.close_position("", LONG, mode="one_way")


def test_numbers_are_written_without_exponent() -> None:
    """``Decimal("1E+3")`` and ``Decimal("1E-7")`` are what arithmetic leaves behind."""
    written = [decimal_text(Decimal(text)) for text in ("1E+3", "1E-7", "0.0100", "0", "-0.50")]

    assert written == ["1000", "0.0000001", "0.01", "0", "-0.5"]


def _lower(parameters: dict[str, str]) -> dict[str, str]:
    """Case of words aside: the exchange ignores it."""
    return {name: str(value).lower() for name, value in parameters.items()}
