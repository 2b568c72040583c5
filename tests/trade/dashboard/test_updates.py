"""A page that is sent differences shows what a page that is sent everything shows."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from desk.trade.dashboard.updates import PASSING, difference, event_bytes

ROW = st.fixed_dictionaries(
    {"probability": st.sampled_from([0.1, 0.5, None]), "action": st.sampled_from("ab")}
)
ROWS = st.dictionaries(st.sampled_from(["BTCUSDT", "ETHUSDT", "XUSDT"]), ROW).map(
    lambda found: [{"symbol": symbol, **found[symbol]} for symbol in sorted(found)]
)
DOCUMENT = st.fixed_dictionaries(
    {"at": st.integers(0, 3), "equity": st.sampled_from(["1", "2"]), "symbols": ROWS, "notes": st.just([])}
)


def applied(document: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """What the page's script does with a change."""
    found = {**document, **change}
    rows = {one["symbol"]: one for one in found.pop("changed_symbols", [])}
    found["symbols"] = [rows.get(one["symbol"], one) for one in found["symbols"]]
    return found


def without_time(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in PASSING}


@given(before=DOCUMENT, after=DOCUMENT)
def test_a_difference_leads_to_the_newer_document(before: dict[str, Any], after: dict[str, Any]) -> None:
    change = difference(before, after)

    assert without_time(applied(before, change)) == without_time(after)
    assert bool(change) == (without_time(before) != without_time(after))


def test_of_many_symbols_only_those_that_changed_are_sent() -> None:
    """Hundreds of rows a second would keep a phone busy."""
    before = {"symbols": [{"symbol": f"S{at}", "probability": 0.5} for at in range(300)]}
    after = {"symbols": [*before["symbols"][:-1], {"symbol": "S299", "probability": 0.6}]}

    assert difference(before, after) == {"changed_symbols": [{"symbol": "S299", "probability": 0.6}]}


def test_an_event_is_one_line_of_data_whatever_it_quotes() -> None:
    """A line break in a name would end the event, and begin another one."""
    body = event_bytes("change", {"text": "a\n\ndata: b\r\nevent: end", "name": "<img onerror>"}).decode()

    name, data, *rest = body.split("\n")
    assert name == "event: change"
    assert rest == ["", ""]
    assert json.loads(data.removeprefix("data: "))["name"] == "<img onerror>"
