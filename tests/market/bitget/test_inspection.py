"""What a record says of an exchange: each difference has its sentence, and nobody's secret is in it."""

import json
from copy import deepcopy

import pytest

from desk.market.bitget.inspection.redaction import redacted, shortened
from desk.market.bitget.inspection.shapes import (
    candle_facts,
    differences,
    fact_differences,
    form_of,
)

ROWS: list[dict[str, object]] = [
    {"symbol": "BTCUSDT", "size": "0.01", "cTime": "1762560123501", "leverage": "5", "ids": [{"id": "1"}]},
    {"symbol": "BTCUSDT", "size": "1", "cTime": "1762560123502", "leverage": "5", "ids": []},
]


def told(received: object, believed: object = ROWS, *, status: int = 200, code: str = "00000") -> list[str]:
    """Sentences on how one answer differs from another."""
    forms = (
        form_of(status, code, received, tells_limit=True),
        form_of(200, "00000", believed, tells_limit=True),
    )
    return list(differences("orders", *forms))


def test_equal_forms_have_no_difference() -> None:
    """Other numbers, and an empty list, are no difference: markets and accounts differ in these."""
    other = json.loads(json.dumps(ROWS).replace("0.01", "7.5"))

    assert told(other) == []
    assert told([]) == []
    assert told(ROWS[::1]) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows[0].pop("size") and rows[1].pop("size"), "not there are [].size"),
        (lambda rows: rows[0].update(extra="x"), "there are besides [].extra"),
        (lambda rows: rows[0].update(leverage=5), "[].leverage is JSON number, number as text is believed"),
        (lambda rows: rows[0].update(ids="x"), "[].ids is text, list is believed"),
        (lambda rows: rows.reverse(), "in the order newest first, believed is oldest first"),
    ],
)
def test_each_difference_has_its_sentence(change: object, sentence: str) -> None:
    """The first user who speaks to the exchange brings back what is wrong about it, in words."""
    rows = deepcopy(ROWS)
    assert callable(change)
    change(rows)

    assert any(sentence in one for one in told(rows)), told(rows)


def test_codes_and_limits_are_compared() -> None:
    """A refusal under another code would be taken for something else by live trading."""
    assert told(None, code="40085", status=400) == ["orders: code 40085 was received, 00000 is believed."]
    assert told(ROWS, status=400) == ["orders: HTTP 400 was received, HTTP 200 is believed."]
    without = form_of(200, "00000", ROWS, tells_limit=False)
    [sentence] = differences("orders", without, form_of(200, "00000", ROWS, tells_limit=True))
    assert "does not tell how many calls are left" in sentence


def test_a_value_that_may_be_absent_is_no_difference() -> None:
    """Times and prices that do not apply are an empty text, null, or -1."""
    rows = deepcopy(ROWS)
    rows[0]["size"], rows[1]["cTime"] = "", "-1"

    assert told(rows) == []


def test_what_candles_are_believed_to_be_is_compared() -> None:
    """Paging and labels rest on these facts; a hole or an included end would go unseen otherwise."""
    now = 1_762_560_900_000
    page = [[str(now - 300_000 * back), "1", "2", "0.5", "1", "3", "4"] for back in (3, 2, 1)]
    good = candle_facts(page, end=now, now=now)

    assert set(good.values()) == {True, False}
    assert good["the newest candle is unfinished"] is False
    for spoilt, fact in (
        ([page[0], page[2]], "no candle is missing"),
        ([page[0], [page[1][0], "9", *page[1][2:]], page[2]], "opens where the one before closed"),
        ([*page, [str(now), *page[0][1:]]], "that opens at endTime"),
    ):
        said = list(fact_differences("history", candle_facts(spoilt, end=now, now=now), good))
        assert any(fact in one for one in said)
    assert candle_facts(page[:1], end=now, now=now) == {}


def test_nothing_of_an_owner_is_in_a_record() -> None:
    """The file is sent to strangers: no id, no amount, no time of a trade, no other symbol that is held."""
    answer = {
        "uid": "1234567890",
        "userName": "Somebody",
        "ips": "203.0.113.9",
        "list": [
            {
                "symbol": "DOGEUSDT",
                "orderId": "1369857741236084737",
                "clientOid": "abc",
                "size": "12345.6",
                "profit": "-77.1",
                "zero": "0",
                "none": None,
                "cTime": "1762560123501",
                "leverage": 5,
                "rate": 0.25,
                "flag": True,
                "marginMode": "isolated",
                "posMode": "one_way_mode",
                "feeDetail": [{"feeCoin": "USDT", "totalFee": "-0.6137"}],
            }
        ],
    }
    text = json.dumps(redacted(answer, "BTCUSDT"))

    for secret in (
        "1234567890",
        "Somebody",
        "203.0",
        "DOGE",
        "13698",
        "abc",
        "12345",
        "77.1",
        "17625",
        "0.25",
    ):
        assert secret not in text
    assert '"isolated"' in text
    assert '"one_way_mode"' in text
    form = form_of(200, "00000", answer, list_name="list", tells_limit=False)
    assert (
        list(
            differences(
                "x", form_of(200, "00000", json.loads(text), list_name="list", tells_limit=False), form
            )
        )
        == []
    )


def test_long_public_lists_keep_their_ends_and_the_symbol() -> None:
    """A file of 600 KB is sent by nobody."""
    rows: list[object] = [{"symbol": f"S{at}"} for at in range(100)]
    kept = shortened(rows, "S50")

    assert kept == [*rows[:3], rows[50], *rows[-3:]]
