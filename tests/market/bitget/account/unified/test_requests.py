"""Requests of API v3: to the byte as the document has them, and in meaning as ccxt sends them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from desk.market.bitget.account.signing import body_text, query_text, signature
from desk.market.bitget.account.unified import requests as asked
from desk.orders import MarginMode, PositionMode, Purpose
from desk.policy import LONG, SHORT
from tests.market.bitget.account.test_signing import Wiretap, order

SECRET = "0123456789abcdef" * 2
AT = "1762560123456"
STOP = Decimal("101200.0")
OPENED = asked.place_order(order(LONG, "open", stop_loss=STOP), margin="isolated", mode="one_way")
VECTORS: dict[str, tuple[str, str]] = {
    "settings": (f"GET{asked.SETTINGS}", "UKx3yxXnsLttf5K2ndY0pXDi21ESaIzuPW/soBEl+LE="),
    "positions": (
        f"GET{asked.POSITIONS}?{query_text(asked.positions())}",
        "9wtSldxCL32eSvT3+vQIcb9Zmzyu/mD7Nlt+nU8L6yQ=",
    ),
    "an order with its stop": (
        f"POST{asked.PLACE}{body_text(OPENED)}",
        "LFbRaQ0i44HKfumY9ZjpM8nmuvh20ppSd3zwy0KyJkk=",
    ),
    "an order": (
        f"GET{asked.ORDER}?{query_text(asked.order_by_client_id('t-0001'))}",
        "m0Pw2Bjo/1vaYsPkEZj6SZUrjJ9Uu9uGMwewv5p0DPw=",
    ),
    "executions": (
        f"GET{asked.FILLS}?{query_text(asked.fills(1762560000000, before=None))}",
        "LT7ENbR4VhXCXQUe/LFAjf3hihorWhIfVUlCOqN/oD4=",
    ),
    "leverage": (
        f"POST{asked.SET_LEVERAGE}"
        + body_text(asked.set_leverage("BTCUSDT", Decimal("5.0"), margin="isolated", side=LONG)),
        "It2/AvxY7gdkVZ4fm50SD3kqFZpHA0aBkhQjrMOaHpo=",
    ),
    "position mode": (
        f"POST{asked.SET_HOLD_MODE}{body_text(asked.set_hold_mode('one_way'))}",
        "OIQrLgRyo1TKUZ0hphuajcVnovhMcCWOSmtXrA5QKYU=",
    ),
    "cancel": (
        f"POST{asked.CANCEL}{body_text(asked.cancel_order('t-0001'))}",
        "axi7o1vmcT5u1SxYqWltGQLBcni4uIy4PjTF3Jx2B70=",
    ),
    "close": (
        f"POST{asked.CLOSE}{body_text(asked.close_position('BTCUSDT', LONG))}",
        "uJTifzbGslXhL0CzNy7qjxLTzKn1xwkoMMkLS/8uxcI=",
    ),
    "a stop": (
        f"POST{asked.BIND}"
        + body_text(
            asked.bind_exits(
                "BTCUSDT",
                LONG,
                stop_loss=STOP,
                take_profit=None,
                margin="isolated",
                form="side",
                client_id="t-0004",
            )
        ),
        "2aqwqGr8h/m/gA8K+r2jw2m6lKVCmMzoYO/lvmk35pA=",
    ),
    "stops": (
        f"GET{asked.BOUND}?{query_text(asked.bound_exits())}",
        "w9Fv6aYoaUyJANrGX+qOruU9TSf+72Ytn7Fx0teDtxw=",
    ),
    "cancel a stop": (
        f"POST{asked.UNBIND}{body_text(asked.cancel_exits('1369857741236084740'))}",
        "KgnnDSiSB7tVVuOlXOn390fmdjzh8UwY+/R9RNqet7M=",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_requests_are_those_of_the_document_to_the_byte(name: str) -> None:
    """Their signatures were computed by others: one blank or field in another place gives another."""
    text, expected = VECTORS[name]

    assert signature(SECRET, AT + text) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("hedge", {"side": "sell", "posSide": "long"}),
        ("one_way", {"side": "sell", "reduceOnly": "yes"}),
    ],
)
def test_a_long_is_closed_by_a_sale_in_both_modes(mode: PositionMode, expected: dict[str, str]) -> None:
    """In v2's hedge mode it is a purchase: the same word there would double the position here."""
    body = asked.place_order(order(LONG, "close", client_id="t-0002"), margin="crossed", mode=mode)

    assert body == {
        "category": "USDT-FUTURES",
        "symbol": "BTCUSDT",
        "qty": "0.01",
        "orderType": "market",
        "marginMode": "crossed",
        "clientOid": "t-0002",
        **expected,
    }


@pytest.mark.parametrize("purpose", ["open", "close"])
@pytest.mark.parametrize("side", [LONG, SHORT])
@pytest.mark.parametrize("mode", ["one_way", "hedge"])
@pytest.mark.parametrize("margin", ["isolated", "crossed"])
def test_an_order_means_to_ccxt_what_it_means_to_us(
    purpose: Purpose, side: int, mode: PositionMode, margin: MarginMode
) -> None:
    """Another client of the same API names the same trade, position, margin and stops."""
    opening = purpose == "open"
    exits = {"stop_loss": Decimal(101200), "take_profit": Decimal("104000.5")} if opening else {}
    ours = asked.place_order(order(side, purpose, **exits), margin=margin, mode=mode)
    trade = "buy" if (side == LONG) == opening else "sell"
    params: dict[str, Any] = {
        "uta": True,
        "clientOid": "t-0001",
        "marginMode": margin,  # ccxt hands it on
        "hedged": mode == "hedge",
        "reduceOnly": not opening,
    }
    if opening:
        params |= {
            "stopLoss": {"triggerPrice": 101200},
            "takeProfit": {"triggerPrice": 104000.5},
            "slTriggerBy": "market",
            "tpTriggerBy": "market",
        }

    method, path, theirs = Wiretap().request(
        lambda client: client.create_order("BTC/USDT:USDT", "market", trade, 0.01, None, params)
    )

    assert theirs.pop("timeInForce") == "gtc"  # what the exchange takes anyway
    assert (method, path, theirs) == ("POST", asked.PLACE, ours)


CALLS: dict[str, tuple[Callable[[Any], object], str, dict[str, str]]] = {
    "leverage": (
        lambda client: client.set_leverage(
            5, "BTC/USDT:USDT", {"uta": True, "posSide": "long", "marginMode": "isolated"}
        ),
        asked.SET_LEVERAGE,
        {
            **asked.set_leverage("BTCUSDT", Decimal("5.0"), margin="isolated", side=LONG),
            "coin": "USDT",  # for spot margin, and accepted
        },
    ),
    "position mode": (
        lambda client: client.set_position_mode(True, None, {"uta": True}),
        asked.SET_HOLD_MODE,
        asked.set_hold_mode("hedge"),
    ),
    "close": (
        lambda client: client.close_position("BTC/USDT:USDT", None, {"uta": True, "posSide": "short"}),
        asked.CLOSE,
        asked.close_position("BTCUSDT", SHORT),
    ),
    "positions": (
        lambda client: client.fetch_positions(["BTC/USDT:USDT"], {"uta": True}),
        asked.POSITIONS,
        asked.positions(),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_ccxt_asks_the_same_for_the_same_intention(name: str) -> None:
    """Paths and parameters as another client of the same exchange spells them."""
    call, path, ours = CALLS[name]

    _, their_path, theirs = Wiretap().request(call)

    assert (their_path, theirs) == (path, ours)


def test_nothing_is_closed_without_a_symbol() -> None:
    """The exchange would take it for "close everything"."""
    with pytest.raises(ValueError, match="every position"):
        asked.close_position("", LONG)


def test_an_order_that_closes_brings_no_stop_along() -> None:
    """It would be refused, and the position stay open."""
    body = asked.place_order(order(LONG, "close", stop_loss=STOP), margin="isolated", mode="hedge")

    assert "stopLoss" not in body
