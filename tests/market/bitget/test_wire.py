"""Every odd body ever seen, and some that nobody has seen yet."""

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.errors import ExchangeError, Refused, Throttled, Unanswered, Unreadable
from desk.market.bitget import wire
from desk.market.history.candles import broken

PATH = "/api/v2/mix/market/candles"
ROW = ["1762560000000", "102263.4", "102310.8", "102201.1", "102288.5", "41.0382", "4196571.8801"]
CONTRACT = {
    "symbol": "ETHUSDT", "baseCoin": "ETH", "quoteCoin": "USDT", "buyLimitPriceRatio": "0.05",
    "makerFeeRate": "0.0002", "takerFeeRate": "0.0006", "supportMarginCoins": ["USDT"], "minTradeNum": "0.01",
    "priceEndStep": "5", "volumePlace": "2", "pricePlace": "2", "sizeMultiplier": "0.01",
    "symbolType": "perpetual", "minTradeUSDT": "5", "symbolStatus": "normal", "fundInterval": "8",
    "maxLever": "100", "maxMarketOrderQty": "1500", "maxOrderQty": "9000", "isRwa": "NO",
}  # fmt: skip


def body(data: object = None, **fields: Any) -> bytes:
    envelope = {"code": "00000", "msg": "success", "requestTime": 1762560712345, "data": data, **fields}
    return json.dumps(envelope).encode()


def test_a_page_is_read_to_the_last_digit() -> None:
    """The cache must equal what the exchange sent, value by value."""
    rows = wire.read_candles(body([ROW, ["1762560300000", *ROW[1:]]]), endpoint=PATH)

    assert rows.open_time.tolist() == [1762560000000, 1762560300000]
    assert rows.values[:, 0].tolist() == [102263.4, 102310.8, 102201.1, 102288.5, 41.0382, 4196571.8801]
    assert rows.values.flags.c_contiguous


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_every_float_survives_its_spelling(value: float) -> None:
    """A parser that rounds differently would make a refetched candle differ from the cached one."""
    rows = wire.read_candles(body([[ROW[0], repr(value), *ROW[2:]]]), endpoint=PATH)

    assert rows.values[0, 0] == value


def test_the_eighth_field_of_other_markets_is_ignored() -> None:
    """Spot rows and websocket rows have one more."""
    assert wire.read_candles(body([[*ROW, "4196571.8801"]]), endpoint=PATH).values.shape == (6, 1)


def test_an_empty_list_is_an_answer() -> None:
    """It means that nothing lies before the listing."""
    assert len(wire.read_candles(body([]), endpoint=PATH)) == 0


@pytest.mark.parametrize("data", ["", None, {}, 7, "[]"])
def test_what_is_no_list_is_no_answer_though_the_exchange_was_reached(data: object) -> None:
    """``data: ""`` was met for freshly listed symbols: taken as "no candles" it would end a history."""
    with pytest.raises(Unreadable):
        wire.read_candles(body(data), endpoint=PATH)


NO_NUMBERS: list[object] = [None, "", "-", "much", "nan", "inf", {}, [], [1]]
NO_ROWS: list[object] = [
    *(
        [],
        None,
        "x",
        {},
        7,
        ROW[:6],
        ["soon", *ROW[1:]],
        ["9" * 30, *ROW[1:]],
        [None, *ROW[1:]],
        ["", *ROW[1:]],
    ),
    *([*ROW[:place], wrong, *ROW[place + 1 :]] for place in range(1, 7) for wrong in NO_NUMBERS),
]


@pytest.mark.parametrize("row", NO_ROWS, ids=repr)
def test_a_row_that_cannot_be_read_is_no_candle_and_its_neighbours_are(row: object) -> None:
    """One null in a page of 1,000 rows must not make them unreadable, nor the exchange unreachable."""
    later = ["1762560600000", *ROW[1:]]

    rows = wire.read_candles(body([ROW, row, later]), endpoint=PATH)

    assert broken(rows).tolist() == [False, True, False]
    assert rows.open_time[[0, 2]].tolist() == [1762560000000, 1762560600000]
    assert rows.values[:, 0].tolist() == rows.values[:, 2].tolist()


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html><h1>502 Bad Gateway</h1></html>", body([ROW])[:-9], b"null", b"[]", b"7", b'{"data": []}',
     b'{"code": null', b"\xff\xfe", b"[" * 100_000],
)  # fmt: skip
def test_a_body_without_an_envelope_is_no_answer(answer: bytes) -> None:
    """A gateway's page and a body that breaks off say nothing about candles."""
    with pytest.raises(Unanswered):
        wire.read_candles(answer, endpoint=PATH, status=502)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (body(None, code="429", msg="Too Many Requests"), 429),
        (b'{"code":"429","msg":"Too Many Requests"}', 429),
        (b"<html>slow down</html>", 429),
        (b"", 429),
        (body(None, code="429"), 200),
        (body(None, code=429), 200),
        (body(None, code="40200", msg="server upgrade"), 400),
    ],
)
def test_429_and_an_upgrade_ask_for_a_pause_however_they_are_spelt(answer: bytes, status: int) -> None:
    """With and without the last fields, with 200 or 400: asking on at once makes it worse."""
    with pytest.raises(Throttled):
        wire.read_candles(answer, endpoint=PATH, status=status)


@pytest.mark.parametrize("code", sorted(wire.UNDECIDED))
def test_codes_that_leave_it_open_are_no_answer(code: str) -> None:
    """A read is repeated after them."""
    with pytest.raises(Unanswered, match=code):
        wire.read_candles(body(None, code=code), endpoint=PATH)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("code", ["40034", "40309", "40053", "00001", "40019", "99999"])
def test_a_refusal_is_told_by_its_code_and_not_by_the_status(code: str, status: int) -> None:
    """The same body comes with HTTP 400 and with 200."""
    with pytest.raises(Refused, match="no such thing") as caught:
        wire.read_candles(body(None, code=code, msg="no such thing"), endpoint=PATH, status=status)

    assert caught.value.code == code
    assert caught.value.endpoint == PATH


READERS = (
    wire.read_candles,
    wire.read_funding,
    wire.read_contracts,
    wire.read_tickers,
    wire.read_book_spread,
    wire.read_expected_funding,
    wire.read_server_time,
)


@given(st.binary(max_size=80) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(body))
def test_no_body_makes_the_reader_fail_in_another_way(answer: bytes) -> None:
    """A programming error in the reader would take the symbol out of the run without a repetition."""
    for reader in READERS:
        try:
            reader(answer, endpoint=PATH)
        except ExchangeError as exc:
            assert PATH in str(exc)  # noqa: PT017 - every other exception is the failure that is looked for


def test_a_contract_is_read_with_its_tick_and_steps() -> None:
    """The tick is the end step at the last decimal: 5 at two decimals is 0.05."""
    (contract,) = wire.read_contracts(body([CONTRACT]), endpoint=PATH).contracts

    assert contract.tick == Decimal("0.05")
    assert contract.size_step == Decimal("0.01")
    assert (contract.maker_fee, contract.taker_fee) == (Decimal("0.0002"), Decimal("0.0006"))
    assert contract.active
    assert not contract.is_rwa
    assert contract.funding_hours == 8


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("symbolStatus", "limit_open"),
        ("symbolStatus", "off"),
        ("symbolStatus", "maintain"),
        ("symbolType", "delivery"),
    ],
)
def test_only_normal_perpetuals_are_active(field: str, value: str) -> None:
    """A contract that is leaving can be closed and not opened."""
    (contract,) = wire.read_contracts(body([{**CONTRACT, field: value}]), endpoint=PATH).contracts

    assert not contract.active


@pytest.mark.parametrize(
    ("listed", "time"),
    [("1762600000000", 1762600000000), ("-1", None), ("", None), ("1e999999", None), (None, None)],
)
def test_what_is_announced_of_a_contract_is_read(listed: object, time: int | None) -> None:
    """Nothing may be opened that could not be closed; ``-1`` is the exchange's word for never."""
    row = {**CONTRACT, "limitOpenTime": listed, "offTime": listed}
    (contract,) = wire.read_contracts(body([row]), endpoint=PATH).contracts

    assert (contract.limit_open_time, contract.off_time) == (time, time)


@pytest.mark.parametrize(
    "change",
    [
        {"pricePlace": ""},
        {"sizeMultiplier": "0"},
        {"takerFeeRate": "NaN"},
        {"minTradeNum": None},
        {"symbolType": 3},
    ],
)
def test_one_unreadable_contract_does_not_hide_the_others(change: dict[str, object]) -> None:
    """One odd new listing must not stop 785 symbols."""
    table = wire.read_contracts(body([{**CONTRACT, "symbol": "ODDUSDT", **change}, CONTRACT]), endpoint=PATH)

    assert [contract.symbol for contract in table.contracts] == ["ETHUSDT"]
    assert table.unreadable == ("ODDUSDT",)


def test_fields_that_came_late_may_be_missing() -> None:
    """``isRwa`` exists since November 2025, the largest sizes since June 2025."""
    old = {
        name: value
        for name, value in CONTRACT.items()
        if name not in {"isRwa", "maxOrderQty", "maxMarketOrderQty"}
    }
    (contract,) = wire.read_contracts(body([old]), endpoint=PATH).contracts

    assert not contract.is_rwa
    assert contract.max_limit_size is None


def test_turnover_without_a_figure_counts_as_none() -> None:
    """A new symbol has no turnover yet; it comes last under ``--top``."""
    rows = [
        {"symbol": "A", "usdtVolume": "12.5"},
        {"symbol": "B", "usdtVolume": ""},
        {"symbol": "C", "quoteVolume": "3"},
        {"symbol": "D", "usdtVolume": "nan"},
        {"symbol": "E", "usdtVolume": "x"},
    ]

    assert wire.read_tickers(body(rows), endpoint=PATH).turnover == {
        "A": 12.5,
        "B": 0.0,
        "C": 3.0,
        "D": 0.0,
        "E": 0.0,
    }


@pytest.mark.parametrize(
    ("bid", "ask", "bps"),
    [
        ("99.9", "100.1", 20.0),
        (99.9, 100.1, 20.0),
        ("100", "100", None),
        ("100.1", "99.9", None),
        ("0", "100", None),
        ("-1", "100", None),
        ("", "100", None),
        (None, "100", None),
        ("nan", "100", None),
        ("1", "inf", None),
        ("1e-9", "1e9", 20_000.0),
        ("1e-300", "1e299", None),
        ("1", "1e308", None),
        ([], {}, None),
    ],
)
def test_a_spread_is_read_where_bid_and_ask_are_prices(bid: object, ask: object, bps: float | None) -> None:
    """A crossed or half-empty book would make trades look free."""
    rows = [{"symbol": "A", "bidPr": bid, "askPr": ask}, {"symbol": "B"}]

    spreads = wire.read_tickers(body(rows), endpoint=PATH).spreads_bps

    assert spreads == ({} if bps is None else {"A": pytest.approx(bps)})


def test_the_spread_of_a_book_is_that_of_its_best_prices() -> None:
    """Deeper levels are of no interest, and nobody promised their order."""
    bids, asks = [[99.0, 5.0], [99.9, 1.0]], [["100.1", "2"], ["101", "9"]]

    assert wire.read_book_spread(body({"bids": bids, "asks": asks}), endpoint=PATH) == pytest.approx(20.0)
    for book in (
        {"bids": [], "asks": asks},
        {"bids": asks, "asks": bids},
        {"bids": [["x", 1]], "asks": asks},
    ):
        assert wire.read_book_spread(body(book), endpoint=PATH) is None


@pytest.mark.parametrize(
    "data", [[], None, {"bids": []}, {"bids": [[]], "asks": [[]]}, {"bids": 1, "asks": 2}]
)
def test_what_is_no_book_is_no_answer(data: object) -> None:
    """It is asked for again, where an empty side would be believed."""
    with pytest.raises(Unanswered, match="order book"):
        wire.read_book_spread(body(data), endpoint=PATH)


def test_expected_funding_is_read_where_it_is_told() -> None:
    """A symbol that has just been listed has none yet."""
    rows = [
        {"symbol": "A", "fundingRate": "-0.000068"},
        {"symbol": "B", "fundingRate": ""},
        {"symbol": "C"},
        {"symbol": "D", "fundingRate": "nan"},
    ]

    assert wire.read_expected_funding(body(rows), endpoint=PATH) == {"A": Decimal("-0.000068")}


def test_the_server_time_is_a_number_of_milliseconds() -> None:
    """It decides which candles are finished."""
    assert wire.read_server_time(body({"serverTime": "1762560123456"}), endpoint=PATH) == 1762560123456
    with pytest.raises(Unanswered, match="server time"):
        wire.read_server_time(body({"serverTime": ""}), endpoint=PATH)


def test_funding_rates_are_read_to_the_last_digit() -> None:
    """The newest settlement comes first, as text."""
    rows = [
        {"symbol": "BTCUSDT", "fundingRate": "-0.000123", "fundingTime": "1762531200000"},
        {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": "1762502400000"},
    ]
    rates = wire.read_funding(body(rows), endpoint="x")

    assert rates.time.tolist() == [1762531200000, 1762502400000]
    assert rates.rate.tolist() == [-0.000123, 0.0001]
    assert len(wire.read_funding(body([]), endpoint="x")) == 0


@pytest.mark.parametrize(
    "data",
    [
        "",
        None,
        [["1762531200000", "0.0001"]],
        [{"fundingRate": "0.0001"}],
        [{"fundingRate": "0.0001", "fundingTime": "0"}, None],
    ],
)
def test_what_is_no_list_of_funding_rates_is_no_answer(data: object) -> None:
    """It is asked for again, instead of being taken for the end of the history."""
    with pytest.raises(Unreadable):
        wire.read_funding(body(data), endpoint="x")


@pytest.mark.parametrize("rate", [None, "", "nan", "inf", "much", []])
def test_a_funding_rate_that_is_no_number_leaves_the_others_readable(rate: object) -> None:
    """One null must not cost the rates of a symbol for as long as it stays in the page."""
    good = {"fundingRate": "0.0001", "fundingTime": "1762531200000"}
    bad = {"fundingRate": rate, "fundingTime": "1762502400000"}

    rates = wire.read_funding(body([good, bad, {"fundingRate": "0.2"}, None]), endpoint="x")

    assert rates.time.tolist() == [1762531200000, 1762502400000]
    assert rates.rate[0] == 0.0001
    assert np.isnan(rates.rate[1])
