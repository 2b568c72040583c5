"""When a candle is finished: every order in which a network may tell it, without a network."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.market.feed.closing import (
    CandleAssembler,
    CandleClosed,
    CandleDeadline,
    CandleRevised,
    CandlesAbsent,
    FeedEvent,
    SymbolSilent,
)
from desk.market.feed.messages import (
    MOST_BYTES,
    Acknowledged,
    CandleUpdate,
    CandleUpdates,
    ChannelError,
    UnreadableFrame,
    read_candle_message,
    subscriptions,
)
from desk.market.feed.window import NOT_YET, CandleWindow
from desk.market.history.candles import RawRows
from desk.values import CANDLE_MS, Candles, Hole
from tests.market.samples import NOW, random_candles, rows_of

MEMORY, AHEAD = 60, 12
TRUTH = random_candles(count=MEMORY + AHEAD, end=NOW + AHEAD * CANDLE_MS)
"""What really happens: MEMORY candles until NOW, AHEAD more afterwards."""


def bar(place: int, **changes: Any) -> CandleUpdate:
    """The candle that opens ``place`` candles after NOW, as the websocket tells it when it is over."""
    row = MEMORY + place
    update = CandleUpdate(int(TRUTH.open_time[row]), tuple(TRUTH.values[:, row].tolist()))
    return update._replace(**changes)


def forming(place: int) -> CandleUpdate:
    """The same candle when it has just begun: open, high, low, close in one."""
    update = bar(place)
    return update._replace(values=(update.values[0],) * 4 + (0.0, 0.0))


def bars(*updates: CandleUpdate, at: int = 0, symbol: str = "BTCUSDT") -> CandleUpdates:
    return CandleUpdates(symbol, updates, at)


def rest(first: int, last: int) -> RawRows:
    """REST's rows of the candles ``first`` to ``last`` after NOW."""
    return rows_of(TRUTH.rows(MEMORY + first, MEMORY + last + 1))


def at(place: int, seconds: float = 0.0) -> int:
    """``seconds`` after the opening of a candle."""
    return NOW + place * CANDLE_MS + int(seconds * 1000)


def assembler(*symbols: str) -> CandleAssembler:
    """Everything until NOW is known."""
    names = symbols or ("BTCUSDT",)
    made = CandleAssembler(
        names, memory=MEMORY, rest_delay_ms=3_000, deadline_ms=10_000, silent_after_ms=420_000
    )
    for name in names:
        known = TRUTH.rows(0, MEMORY)
        made.load(Candles(name, known.open_time, known.values))
    made.begin(NOW)
    return made


def closed(events: list[FeedEvent]) -> list[int]:
    """Places of the candles that were closed."""
    return [(event.open_time - NOW) // CANDLE_MS for event in events if isinstance(event, CandleClosed)]


def test_a_candle_is_closed_by_the_next_one() -> None:
    """Not before, however long nothing has changed."""
    feed = assembler()

    assert feed.receive(bars(forming(0)), at(0, 1)) == []
    assert feed.receive(bars(bar(0)), at(0, 299)) == []
    assert feed.receive(bars(forming(1)), at(1, 0.2)) == [CandleClosed("BTCUSDT", NOW, bar(0).values)]
    assert feed.window.newest("BTCUSDT") == NOW


def test_a_candle_is_reported_once() -> None:
    """Frames come twice and late; a decision must not."""
    feed = assembler()
    feed.receive(bars(bar(0)), at(0, 299))
    feed.receive(bars(forming(1)), at(1, 1))

    for late in (bar(0), forming(1), bar(0), forming(0)):
        assert closed(feed.receive(bars(late), at(1, 2))) == []


def test_a_last_word_that_was_missed_is_noticed() -> None:
    """The next open is the last close on this exchange; another price means that something is missing."""
    feed = assembler()
    feed.receive(bars(bar(0, values=(*bar(0).values[:3], bar(0).values[2], *bar(0).values[4:]))), at(0, 298))

    assert feed.receive(bars(forming(1)), at(1, 1)) == []
    assert feed.unconfirmed(at(1, 1)) == ("BTCUSDT",)
    assert closed(feed.confirm("BTCUSDT", rest(-3, 0), at(1, 1.5))) == [0]
    assert feed.window.at("BTCUSDT", NOW) == bar(0).values


def test_a_market_whose_opens_are_free_is_asked_about_once() -> None:
    """300 questions at every border would make every decision late."""
    feed = assembler()

    def jumping(place: int, *, whole: bool = True) -> CandleUpdate:
        update = bar(place) if whole else forming(place)
        return update._replace(values=tuple(value * (1 + place / 100) for value in update.values))

    def answer(first: int, last: int) -> RawRows:
        updates = [jumping(place) for place in range(first, last + 1)]
        values = np.array([one.values for one in updates]).T
        return RawRows(np.array([one.open_time for one in updates]), values)

    feed.receive(bars(jumping(0)), at(0, 299))
    assert closed(feed.receive(bars(jumping(1, whole=False)), at(1, 1))) == []
    assert closed(feed.confirm("BTCUSDT", answer(0, 0), at(1, 2))) == [0]
    feed.receive(bars(jumping(1)), at(1, 299))
    assert closed(feed.receive(bars(jumping(2, whole=False)), at(2, 1))) == [1]

    revised = answer(1, 1)
    feed.confirm("BTCUSDT", RawRows(revised.open_time, revised.values * 1.1), at(2, 5))
    feed.receive(bars(jumping(2)), at(2, 299))
    assert closed(feed.receive(bars(jumping(3, whole=False)), at(3, 1))) == []


def test_an_older_frame_does_not_undo_a_newer_one() -> None:
    """Each frame bears the time at which it was sent."""
    feed = assembler()
    feed.receive(bars(bar(0), at=at(0, 299)), at(0, 299))
    feed.receive(bars(forming(0), at=at(0, 2)), at(0, 299.5))

    assert closed(feed.receive(bars(forming(1), at=at(1, 1)), at(1, 1))) == [0]
    assert feed.window.at("BTCUSDT", NOW) == bar(0).values


def test_a_thin_symbol_is_asked_about_after_the_grace() -> None:
    """Without a trade no newer bar may come for minutes."""
    feed = assembler()

    assert feed.unconfirmed(at(1, 2.9)) == ()
    assert feed.unconfirmed(at(1, 3)) == ("BTCUSDT",)
    assert closed(feed.confirm("BTCUSDT", rest(-3, 0), at(1, 3.2))) == [0]
    assert feed.unconfirmed(at(1, 4)) == ()


def test_an_unfinished_candle_of_rest_is_left_alone() -> None:
    """The last row of an answer is the one that is forming."""
    assert closed(assembler().confirm("BTCUSDT", rest(0, 1), at(1, 3))) == [0]


def test_a_snapshot_after_an_outage_closes_everything_in_order() -> None:
    """Its rows follow one another, so all but the last are finished."""
    feed = assembler()
    snapshot = [bar(place) for place in range(-20, 4)]

    assert closed(feed.receive(bars(*snapshot, forming(4)), at(4, 1))) == [0, 1, 2, 3]


def test_a_bar_beyond_a_gap_closes_nothing() -> None:
    """Two candles were missed: REST tells them, then the order is right again."""
    feed = assembler()

    assert feed.receive(bars(forming(3)), at(3, 1)) == []
    assert feed.unconfirmed(at(3, 1)) == ("BTCUSDT",)
    assert closed(feed.confirm("BTCUSDT", rest(-3, 2), at(3, 1))) == [0, 1, 2]
    feed.receive(bars(bar(3)), at(3, 299))
    assert closed(feed.receive(bars(forming(4)), at(4, 1))) == [3]


def test_a_hole_is_believed_when_two_answers_have_it() -> None:
    """One answer may lack a row by mistake; for ever waiting for a candle that never was helps nobody."""
    feed = assembler()
    rows = rest(-3, 3)
    holed = rows.where((rows.open_time < at(1)) | (rows.open_time >= at(3)))

    assert closed(feed.confirm("BTCUSDT", holed, at(4, 1))) == [0]
    assert feed.unconfirmed(at(4, 1)) == ("BTCUSDT",)
    events = feed.confirm("BTCUSDT", holed, at(4, 2))
    assert events[0] == CandlesAbsent("BTCUSDT", Hole(at(1), 2))
    assert closed(events) == [3]
    assert feed.unconfirmed(at(4, 2)) == ()


def test_a_hole_of_one_answer_is_filled_by_the_next() -> None:
    """And no event reports it."""
    feed = assembler()
    rows = rest(-3, 3)
    feed.confirm("BTCUSDT", rows.where(rows.open_time != at(1)), at(4, 1))

    events = feed.confirm("BTCUSDT", rows, at(4, 2))

    assert closed(events) == [1, 2, 3]
    assert not any(isinstance(event, CandlesAbsent) for event in events)


def test_a_revised_candle_is_reported_and_corrected() -> None:
    """Features of later candles must see what training will see."""
    feed = assembler()
    other = RawRows(TRUTH.open_time[MEMORY - 1 : MEMORY], TRUTH.values[:, MEMORY - 1 : MEMORY] * 1.01)
    (event,) = feed.confirm("BTCUSDT", other, at(0, 5))

    assert isinstance(event, CandleRevised)
    assert event.before == tuple(TRUTH.values[:, MEMORY - 1].tolist())
    assert feed.window.at("BTCUSDT", event.open_time) == event.after


def test_a_finished_candle_that_the_websocket_tells_otherwise_is_asked_about() -> None:
    """The last word may come after the first word of the next candle."""
    feed = assembler()
    feed.receive(bars(bar(0)), at(0, 299))
    feed.receive(bars(forming(1)), at(1, 1))
    volumes = (*bar(0).values[:4], 99.0, 99.0)
    feed.receive(bars(bar(0, values=volumes)), at(1, 2))

    assert feed.unconfirmed(at(1, 2)) == ("BTCUSDT",)
    feed.confirm("BTCUSDT", rest(-3, 0), at(1, 3))
    assert feed.unconfirmed(at(1, 3)) == ()


@pytest.mark.parametrize(
    "broken",
    [
        bar(0, open_time=NOW + 1),
        bar(0, values=(1.0, 0.5, 2.0, 1.0, 0.0, 0.0)),
        bar(0, values=(float("nan"),) * 6),
        bar(AHEAD - 1),
    ],
)
def test_a_bar_that_is_no_candle_is_never_closed(broken: CandleUpdate) -> None:
    """Off the grid, high below low, not a number, from the future."""
    feed = assembler()
    feed.receive(bars(broken), at(0, 299))

    assert closed(feed.receive(bars(forming(1)), at(1, 1))) == []


def test_a_border_passes_when_every_symbol_has_its_candle() -> None:
    """All symbols of a candle are decided together, as soon as can be."""
    feed = assembler("AUSDT", "BUSDT")
    for symbol in ("AUSDT", "BUSDT"):
        feed.receive(bars(bar(0), symbol=symbol), at(0, 299))
    feed.receive(bars(forming(1), symbol="AUSDT"), at(1, 0.1))

    assert feed.deadline(at(1, 0.1)) == []
    feed.receive(bars(forming(1), symbol="BUSDT"), at(1, 0.3))
    assert feed.deadline(at(1, 0.3)) == [CandleDeadline(NOW, ())]
    assert feed.deadline(at(1, 0.4)) == []


def test_a_border_does_not_wait_for_ever() -> None:
    """One symbol that is halted must not keep the others from deciding."""
    feed = assembler("AUSDT", "BUSDT")
    feed.confirm("AUSDT", rest(-3, 0), at(1, 3))

    assert feed.deadline(at(1, 9.9)) == []
    assert feed.deadline(at(1, 10)) == [CandleDeadline(NOW, ("BUSDT",))]


def test_a_dead_symbol_is_waited_for_once() -> None:
    """Else every decision on all the others would be ten seconds late; when it is back, it is waited for."""
    feed = assembler("AUSDT", "BUSDT")
    feed.confirm("AUSDT", rest(-3, 0), at(1, 3))
    assert feed.deadline(at(1, 10)) == [CandleDeadline(NOW, ("BUSDT",))]

    assert feed.deadline(at(2, 2)) == []
    feed.confirm("AUSDT", rest(-3, 1), at(2, 3))
    assert feed.deadline(at(2, 3)) == [CandleDeadline(at(1), ("BUSDT",))]

    feed.confirm("BUSDT", rest(-3, 1), at(2, 9))
    feed.confirm("AUSDT", rest(-3, 2), at(3, 3))
    assert feed.deadline(at(3, 3)) == []
    feed.confirm("BUSDT", rest(-3, 2), at(3, 4))
    assert feed.deadline(at(3, 4)) == [CandleDeadline(at(2), ())]


def test_a_symbol_without_any_candle_is_not_waited_for_at_first_either() -> None:
    """One that the exchange lacks would hold up the first decision on all others by ten seconds."""
    feed = CandleAssembler(
        ("AUSDT", "NOPEUSDT"), memory=MEMORY, rest_delay_ms=3_000, deadline_ms=10_000, silent_after_ms=420_000
    )
    feed.confirm("AUSDT", rest(-3, -1), at(0, 1))
    feed.begin(at(0, 1))
    feed.confirm("AUSDT", rest(-3, 0), at(1, 0.2))

    assert feed.deadline(at(1, 0.3)) == [CandleDeadline(NOW, ("NOPEUSDT",))]


def test_a_candle_in_doubt_is_waited_for() -> None:
    """It was closed, then reported with other numbers: no decision is made before REST has settled it."""
    feed = assembler("AUSDT", "BUSDT")
    feed.confirm("BUSDT", rest(-3, 0), at(1, 0.1))
    feed.receive(bars(bar(0, values=(*bar(0).values[:4], 9.0, 9.0)), symbol="AUSDT"), at(0, 240))
    feed.receive(bars(forming(1), symbol="AUSDT"), at(1, 0.1))
    feed.receive(bars(bar(0), symbol="AUSDT"), at(1, 0.2))

    assert feed.deadline(at(1, 0.3)) == []
    assert feed.in_doubt == {"AUSDT"}
    feed.confirm("AUSDT", rest(-3, 0), at(1, 0.5))
    assert feed.deadline(at(1, 0.5)) == [CandleDeadline(NOW, ())]


def test_an_answer_without_the_newest_candle_settles_no_doubt() -> None:
    """REST may be a moment behind the websocket."""
    feed = assembler("AUSDT")
    feed.receive(bars(bar(0, values=(*bar(0).values[:4], 9.0, 9.0)), symbol="AUSDT"), at(0, 240))
    feed.receive(bars(forming(1), symbol="AUSDT"), at(1, 0.1))
    feed.receive(bars(bar(0), symbol="AUSDT"), at(1, 0.2))
    feed.confirm("AUSDT", rest(-3, -1), at(1, 0.3))

    assert feed.in_doubt == {"AUSDT"}
    feed.confirm("AUSDT", rest(-3, 0), at(1, 0.5))
    assert feed.in_doubt == set()


def test_a_doubt_that_nobody_settles_leaves_its_symbol_out() -> None:
    """REST does not answer: the others decide, and at the next candle they no longer wait for it."""
    feed = assembler("AUSDT", "BUSDT")
    feed.confirm("BUSDT", rest(-3, 0), at(1, 0.1))
    feed.receive(bars(bar(0, values=(*bar(0).values[:4], 9.0, 9.0)), symbol="AUSDT"), at(0, 240))
    feed.receive(bars(forming(1), symbol="AUSDT"), at(1, 0.1))
    feed.receive(bars(bar(0), symbol="AUSDT"), at(1, 0.2))

    assert feed.deadline(at(1, 10)) == [CandleDeadline(NOW, ("AUSDT",))]
    feed.confirm("BUSDT", rest(-3, 1), at(2, 0.1))
    assert feed.deadline(at(2, 0.1)) == [CandleDeadline(at(1), ("AUSDT",))]


def test_when_everything_is_late_everything_is_waited_for() -> None:
    """After an outage of the exchange the next answer may be a second away."""
    feed = assembler("AUSDT", "BUSDT")

    assert feed.deadline(at(1, 10)) == [CandleDeadline(NOW, ("AUSDT", "BUSDT"))]
    assert feed.deadline(at(2, 9)) == []
    assert feed.deadline(at(2, 10)) == [CandleDeadline(at(1), ("AUSDT", "BUSDT"))]


def test_a_silence_is_told_once_and_again_after_a_word() -> None:
    """An acknowledged channel may stay silent for ever."""
    feed = assembler()

    assert feed.silences(NOW + 420_000) == []
    assert feed.silences(NOW + 420_001) == [SymbolSilent("BTCUSDT", NOW, "")]
    assert feed.silences(NOW + 900_000) == []
    feed.receive(bars(forming(3)), NOW + 900_000)
    assert len(feed.silences(NOW + 2_000_000)) == 1


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[int, str, int]]:
    """Frames and answers in a network's order: dropped, repeated, late; each with the time it arrives."""
    moments = {"forming": 1, "half": 150, "bar": 299}
    updates = [
        (at(place, second), kind, place) for place in range(AHEAD - 1) for kind, second in moments.items()
    ]
    kept = [one for one in updates if draw(st.integers(0, 9)) > 1]
    kept += [
        (moment + draw(st.integers(0, 2_000)) * 1000, kind, place)
        for moment, kind, place in draw(st.lists(st.sampled_from(updates), max_size=8))
    ]
    kept += [
        (at(place, draw(st.integers(0, 299))), "rest", place)
        for place in draw(st.lists(st.integers(0, AHEAD - 2), max_size=6))
    ]
    return sorted(kept)


@given(stories())
def test_whatever_the_network_does_candles_come_once_in_order_and_true(
    story: list[tuple[int, str, int]],
) -> None:
    """Dropped, repeated and late frames: after the last answer of REST the window is the truth.

    A candle that was closed with other numbers than the truth, because its last word was lost without a
    trace, is reported as revised; open, high, low and close may be wrong only in the part that the next open
    doesn't betray.
    """
    feed = assembler()
    events: list[FeedEvent] = []
    for moment, kind, place in story:
        if kind == "rest":
            events += feed.confirm("BTCUSDT", rest(-5, place), moment)
            continue
        half = replace_close(bar(place))
        update = {"forming": forming(place), "half": half, "bar": bar(place)}[kind]
        sent = {"forming": at(place, 1), "half": at(place, 150), "bar": at(place, 299)}[kind]
        events += feed.receive(bars(update, at=sent), max(moment, sent))
    events += feed.confirm("BTCUSDT", rest(-MEMORY, AHEAD - 2), at(AHEAD - 1, 5))

    assert closed(events) == list(range(AHEAD - 1))
    told_wrong = {
        event.open_time
        for event in events
        if isinstance(event, CandleClosed) and event.values != bar(closed([event])[0]).values
    }
    assert told_wrong == {event.open_time for event in events if isinstance(event, CandleRevised)}
    newest = TRUTH.rows(AHEAD - 1, MEMORY + AHEAD - 1)
    assert feed.window.open_time[0].tolist() == newest.open_time.tolist()
    assert feed.window.values[0].tobytes() == newest.values.tobytes()


def replace_close(update: CandleUpdate) -> CandleUpdate:
    """A candle in the middle of its time: its close is still its open."""
    o, h, l, _, volume, quote = update.values
    return update._replace(values=(o, h, l, o, volume / 2, quote / 2))


# The window ---------------------------------------------------------------------------------------------


def test_the_window_holds_the_newest_candles_in_contiguous_rows() -> None:
    """Features are computed from it as it stands; another memory order would change their last bits."""
    window = CandleWindow(("AUSDT", "BUSDT"), memory=5)
    window.load(replace(TRUTH, symbol="AUSDT"))
    window.append("AUSDT", at(AHEAD), [1.0] * 6)

    assert window.values.flags.c_contiguous
    assert window.open_time[0].tolist() == [*TRUTH.open_time[-4:].tolist(), at(AHEAD)]
    assert np.array_equal(window.values[0, :, :-1], TRUTH.values[:, -4:])
    assert window.ready(at(AHEAD)).tolist() == [True, False]
    assert (window.newest("BUSDT"), window.count("BUSDT")) == (NOT_YET, 0)


def test_the_window_refuses_what_is_not_newer() -> None:
    """A candle twice would shift every feature by five minutes."""
    window = CandleWindow(("BTCUSDT",), memory=5)
    window.load(TRUTH)
    with pytest.raises(ValueError, match="not newer"):
        window.append("BTCUSDT", int(TRUTH.open_time[-1]), [1.0] * 6)
    with pytest.raises(KeyError):
        window.revise("BTCUSDT", NOW - 90 * CANDLE_MS, [1.0] * 6)


def test_a_young_symbol_fills_its_window() -> None:
    """It is not ready until the last place is taken."""
    window = CandleWindow(("BTCUSDT",), memory=3)
    window.load(TRUTH.rows(0, 2))

    assert window.count("BTCUSDT") == 2
    assert not window.ready(int(TRUTH.open_time[1])).any()
    window.append("BTCUSDT", int(TRUTH.open_time[2]), TRUTH.values[:, 2].tolist())
    assert window.ready(int(TRUTH.open_time[2])).all()


# Frames -------------------------------------------------------------------------------------------------

ARG = {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "BTCUSDT"}
ROW = ["1762560300000", "102288.5", "102290", "102271.6", "102280.3", "0.91", "93284", "93284"]


def test_a_frame_is_read() -> None:
    """Eight fields, of which the last one is the seventh again."""
    frame = {"action": "update", "arg": ARG, "data": [ROW], "ts": 1762560302050}
    values = (102288.5, 102290.0, 102271.6, 102280.3, 0.91, 93284.0)

    assert read_candle_message(json.dumps(frame)) == CandleUpdates(
        "BTCUSDT", (CandleUpdate(1762560300000, values),), 1762560302050
    )


def test_other_texts_are_told_apart() -> None:
    """An error names its symbol; its code is a number on the wire."""
    refused = {"event": "error", "arg": ARG, "code": 30001, "msg": "doesn't exist"}

    assert read_candle_message(json.dumps({"event": "subscribe", "arg": ARG})) == Acknowledged("BTCUSDT")
    assert read_candle_message(json.dumps(refused)) == ChannelError("30001", "doesn't exist", "BTCUSDT")
    assert read_candle_message(json.dumps({"event": "error", "code": 30006})) == ChannelError("30006", "", "")


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", '{"event":"party"}', '{"action":"update"}'),
        json.dumps({"action": "update", "arg": {**ARG, "channel": "ticker"}, "data": []}),
        json.dumps({"action": "update", "arg": ARG, "data": [ROW[:6]]}),
        json.dumps({"action": "update", "arg": ARG, "data": [["x", *ROW[1:]]]}),
        json.dumps({"action": "update", "arg": ARG, "data": None}),
    ],
)
def test_nonsense_is_unreadable_and_nothing_worse(text: str) -> None:
    """One odd frame must not cost fifty symbols their line."""
    assert isinstance(read_candle_message(text), UnreadableFrame)


def test_subscriptions_fit_into_a_message() -> None:
    """The exchange takes 4,096 bytes of arguments; a few symbols have long names of other scripts."""
    symbols = [f"龙虾{number:04}USDT" for number in range(120)]
    messages = subscriptions(symbols)
    args = [json.loads(message)["args"] for message in messages]

    assert [arg["instId"] for part in args for arg in part] == symbols
    assert all(len(message.encode()) <= MOST_BYTES + 40 for message in messages)
    assert subscriptions([]) == ()
