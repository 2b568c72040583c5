"""An order is sent once, whatever happens to its answer, and the journal knows what became of it."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from desk.errors import AccountError, Refused, Unanswered, Unreadable
from desk.market.matching import FillModel
from desk.market.paper.exchange import PaperExchange
from desk.orders import Fill, OrderRequest, OrderState
from desk.policy import LONG
from desk.trade.execution import Execution
from desk.trade.identity import client_id, is_ours
from desk.trade.journal import Journal
from desk.trade.records import ClosedTrade, OpenTrade
from desk.trade.replay.feed import SimulatedClock
from desk.trade.risk import decide
from desk.trade.risk_values import RiskDecision
from desk.trade.sending import SendResult
from desk.trade.sentences import exited
from tests.trade.faulty import FaultyExchange
from tests.trade.samples import LIMITS, NOON, SESSION, context, contract, intent


@dataclass
class Bench:
    """An execution on a faulty line to a paper exchange at which BTCUSDT costs 100."""

    journal: Journal
    paper: PaperExchange
    line: FaultyExchange
    execution: Execution
    clock: SimulatedClock
    closed: list[ClosedTrade]
    """Trades that the execution reported as over."""
    moved: list[str]
    """Symbols in which the execution found that a hand had moved the leverage."""

    async def enter(self, **script: list[str]) -> SendResult:
        """Open the standard position."""
        self.line.script = {name: list(faults) for name, faults in script.items()}  # it is used up
        return await self.execution.enter(approved())

    async def held(self) -> Decimal:
        """What the exchange holds."""
        return sum((one.size for one in await self.paper.positions()), Decimal(0))

    @property
    def trade(self) -> OpenTrade:
        """The one open trade."""
        (trade,) = self.journal.ledger.open_trades()
        return trade


def approved() -> RiskDecision:
    """An order that risk lets pass."""
    return decide(intent(), context(), LIMITS)


def later(decision: RiskDecision) -> RiskDecision:
    """The same order, for a candle fifty minutes later."""
    held = decision.intent.position
    moved = replace(held, opened=held.opened + 3_000_000, due=held.due + 3_000_000)
    assert decision.order is not None
    order = replace(decision.order, until=decision.order.until + 3_000_000)
    return replace(decision, intent=replace(decision.intent, position=moved), order=order)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = SimulatedClock(float(NOON))
    paper = PaperExchange([contract()], deposit=Decimal(10_000), clock=clock, fill_model=FillModel())
    paper.feed_candle("BTCUSDT", NOON - 300_000, (100.0, 100.0, 100.0, 100.0), 1e6)
    line = FaultyExchange(paper, clock)
    journal = Journal(tmp_path / "journal.sqlite")
    closed: list[ClosedTrade] = []
    moved: list[str] = []
    execution = Execution(
        line,
        journal,
        clock,
        settings=SESSION,
        on_close=closed.append,
        on_moved=lambda symbol, *_: moved.append(symbol),
    )
    execution.use_contracts([contract()])
    yield Bench(journal, paper, line, execution, clock, closed, moved)
    journal.close()


async def test_an_entry_is_journaled_filled_and_protected(bench: Bench) -> None:
    """The whole way of an order when nothing goes wrong."""
    sent = await bench.enter()

    assert sent.outcome == "done"
    (position,) = await bench.paper.positions()
    assert (position.size, position.stop_loss, position.leverage) == (
        Decimal("22.534"),
        Decimal("98.0"),
        Decimal(3),
    )
    assert bench.trade.size == position.size
    (order,) = bench.journal.ledger.orders_of(bench.trade.trade)
    assert (order.status, order.filled) == ("filled", position.size)


async def test_an_order_is_written_down_before_it_is_sent(bench: Bench) -> None:
    """If the machine dies while sending, the next start knows what to look for."""
    written: list[str] = []
    place = bench.paper.place

    async def looked(request: OrderRequest) -> str:
        written.extend(order.client_id for order in bench.journal.ledger.unresolved())
        return await place(request)

    bench.paper.place = looked  # type: ignore[method-assign]
    await bench.enter()

    assert written == [client_id("BTCUSDT", NOON - 300_000, "open", 0)]


@pytest.mark.parametrize(
    ("faults", "sendings"),
    [
        ({"place": ["lost"]}, 1),  # it arrived: found by its id, not sent again
        ({"place": ["dropped"]}, 1),  # it did not: sent again under the same id
        ({"place": ["dropped", "dropped", "lost"]}, 1),
        ({"place": ["later", "later"]}, 1),
        ({"place": ["lost"], "order": ["", "dropped"]}, 1),
    ],
)
async def test_a_lost_answer_never_makes_a_second_order(
    bench: Bench, faults: dict[str, list[str]], sendings: int
) -> None:
    """Two positions instead of one is the worst thing that a lost answer can do."""
    sent = await bench.enter(**faults)

    assert await bench.held() == Decimal("22.534")
    assert len({request.client_id for request in bench.line.placed}) == sendings
    if sent.outcome == "unknown":
        (order,) = bench.journal.ledger.unresolved()
        assert await bench.execution.resolve(order) is None
    assert bench.trade.size == Decimal("22.534")


@pytest.mark.parametrize(
    ("faults", "calls"),
    [
        ({"place": ["dropped"]}, ["place", "order", "place", "order"]),
        ({"place": ["dropped", "dropped"]}, ["place", "order", "place", "order", "place", "order"]),
        ({"place": ["lost"]}, ["place", "order", "order"]),  # found, and followed: not sent again
        ({"place": ["lost"], "order": ["dropped"]}, ["place", "order"]),  # not found out: left unresolved
        ({"place": ["later"]}, ["place", "place", "order"]),  # refused for now: it cannot have arrived
    ],
)
async def test_an_order_whose_answer_was_lost_is_looked_up_before_it_is_sent_again(
    bench: Bench, faults: dict[str, list[str]], calls: list[str]
) -> None:
    """That the exchange takes an id once is its word; a look-up first does not depend on it."""
    await bench.enter(**faults)

    assert [name for name in bench.line.sequence if name in {"place", "order"}] == calls


async def test_an_order_whose_fate_is_unknown_stays_unresolved(bench: Bench) -> None:
    """It must be looked up before anything else happens in the symbol."""
    sent = await bench.enter(place=["lost"], order=["dropped"])

    assert sent.outcome == "unknown"
    (order,) = bench.journal.ledger.unresolved()
    assert await bench.execution.resolve(order) is None
    assert bench.journal.ledger.unresolved() == []
    assert bench.trade.status == "open"


async def test_an_order_that_never_arrived_is_void_in_the_end(bench: Bench) -> None:
    """After some seconds an entry has lost its reason."""
    sent = await bench.enter(place=["dropped"] * 50)

    assert sent.outcome == "unknown"
    bench.line.script = {}
    (order,) = bench.journal.ledger.unresolved()
    assert await bench.execution.resolve(order) is None
    assert await bench.execution.settle(bench.trade, None) is None
    assert bench.journal.ledger.open_trades() == []
    assert await bench.held() == 0
    assert bench.clock.now_ms() - NOON <= 20_000


async def test_a_refused_entry_leaves_nothing_open(bench: Bench) -> None:
    """No money, no position, and the reason in the journal."""
    sent = await bench.enter(place=["no_margin"])

    assert (sent.outcome, sent.meaning) == ("refused", "no_margin")
    assert bench.journal.ledger.open_trades() == []
    assert bench.execution.barred == {}


async def test_a_symbol_that_takes_no_orders_is_barred(bench: Bench) -> None:
    """Asking again at every candle would only use up the limits."""
    await bench.enter(place=["not_traded"])

    assert "takes no orders" in bench.execution.barred["BTCUSDT"]


@pytest.mark.parametrize(("meaning", "hours"), [("suspended", 0.2), ("not_traded", 1), ("setting_locked", 1)])
async def test_a_symbol_is_not_barred_for_good(bench: Bench, meaning: str, hours: float) -> None:
    """Half an hour of maintenance must not cost the rest of a session of months."""
    await bench.enter(place=[meaning])
    assert "BTCUSDT" in bench.execution.barred

    bench.clock.at += hours * 3_600_000

    assert bench.execution.barred == {}


async def test_a_duplicate_id_is_looked_up(bench: Bench) -> None:
    """The exchange refuses it as a duplicate when the first attempt has arrived after all."""
    await bench.enter(place=["lost"], order=["dropped"])
    again = await bench.execution.enter(approved())

    assert again.outcome == "done"
    assert await bench.held() == Decimal("22.534")


async def test_leverage_that_cannot_be_set_stops_the_entry(bench: Bench) -> None:
    """A size that was computed for one leverage must not be sent under another."""
    sent = await bench.enter(set_up=["setting_locked"])

    assert sent.outcome == "refused"
    assert bench.line.placed == []


@pytest.mark.parametrize("leverage", [50, 100, 1])
async def test_leverage_that_a_hand_has_moved_is_set_back_before_the_entry(
    bench: Bench, leverage: int
) -> None:
    """At 50 the position is liquidated before its stop; it was told as one with leverage 3."""
    await bench.enter()
    await bench.execution.leave(bench.trade, "horizon")
    assert bench.moved == []
    await bench.paper.set_up("BTCUSDT", leverage=Decimal(leverage), margin="crossed")

    sent = await bench.execution.enter(later(approved()))

    assert sent.outcome == "done"
    (position,) = await bench.paper.positions()
    assert (position.leverage, position.margin_mode) == (Decimal(3), "isolated")
    assert bench.moved == ["BTCUSDT"]


async def test_leaving_settles_the_trade(bench: Bench) -> None:
    """Entry 100, exit 101, fees of 6 bp a side."""
    await bench.enter()
    bench.paper.feed_price("BTCUSDT", 101.0)

    assert await bench.execution.leave(bench.trade, "horizon") is None

    (closed,) = bench.journal.ledger.closed_trades()
    assert await bench.held() == 0
    assert closed.ended == "horizon"
    assert closed.size == Decimal("22.534")
    balance = await bench.paper.balance()
    assert balance.equity == Decimal(10_000) + closed.profit


@pytest.mark.parametrize(
    "faults",
    [
        {"place": ["lost"]},
        {"place": ["dropped", "lost"]},
        {"place": ["nothing_there"]},
        {"place": ["size_or_price"]},
        {"place": ["no_margin"], "close": [""]},
    ],
)
async def test_an_exit_gets_out_or_says_so(bench: Bench, faults: dict[str, list[str]]) -> None:
    """An exit that is refused in one way is tried in another."""
    await bench.enter()
    if faults["place"] == ["nothing_there"]:
        await bench.paper.close("BTCUSDT", LONG)
    bench.line.script = {name: list(script) for name, script in faults.items()}  # it is used up

    assert await bench.execution.leave(bench.trade, "horizon") is None
    assert await bench.held() == 0
    assert len(bench.journal.ledger.closed_trades()) == 1


async def test_a_stop_is_found_in_the_fills(bench: Bench) -> None:
    """The exchange ended the position by itself; price and fee are its own."""
    await bench.enter()
    bench.paper.feed_candle("BTCUSDT", NOON, (100.0, 100.5, 97.0, 97.5), 1e6)

    assert await bench.execution.settle(bench.trade, None) is None

    (closed,) = bench.journal.ledger.closed_trades()
    assert closed.ended == "stop"
    assert (await bench.paper.balance()).equity == Decimal(10_000) + closed.profit


async def test_fills_that_come_late_are_waited_for(bench: Bench) -> None:
    """Writing down a guess at once would falsify the scoreboard."""
    await bench.enter()
    bench.paper.feed_candle("BTCUSDT", NOON, (100.0, 100.5, 97.0, 97.5), 1e6)
    fills = bench.paper.fills
    late: list[int] = [1] * 6  # three looks at a time

    async def slow(symbol: str, since: int) -> object:
        return [] if late and late.pop() else await fills(symbol, since)

    bench.paper.fills = slow  # type: ignore[method-assign, assignment]

    assert "not reported how yet" in str(await bench.execution.settle(bench.trade, None))
    assert "not reported how yet" in str(await bench.execution.settle(bench.trade, None))
    assert await bench.execution.settle(bench.trade, None) is None
    assert bench.journal.ledger.closed_trades()[0].ended == "stop"


async def test_large_positions_are_closed_in_parts(bench: Bench) -> None:
    """No market order may be larger than the exchange takes."""
    await bench.enter()
    bench.execution.use_contracts([contract(max_market_size=Decimal(10))])

    assert await bench.execution.leave(bench.trade, "horizon") is None
    assert [request.size for request in bench.line.placed[1:]] == [
        Decimal(10),
        Decimal(10),
        Decimal("2.534"),
    ]
    assert len(bench.journal.ledger.closed_trades()) == 1


async def test_a_stop_beyond_the_mark_closes_instead(bench: Bench) -> None:
    """It would have been hit already."""
    await bench.enter()

    assert await bench.execution.protect("BTCUSDT", LONG, Decimal(105), None) is None
    assert await bench.held() == 0


async def test_what_was_taken_is_reported_as_over_once(bench: Bench) -> None:
    """People are notified of an exit, and of one only."""
    await bench.enter()
    assert bench.closed == []

    await bench.execution.leave(bench.trade, "horizon")

    assert bench.closed == bench.journal.ledger.closed_trades()
    assert len(bench.closed) == 1


async def test_a_stop_that_has_nothing_to_protect_is_no_failure(bench: Bench) -> None:
    """The position was closed meanwhile: the next look settles it."""
    await bench.enter()
    bench.line.script = {"protect": ["nothing_there", "unknown", "dropped"]}

    assert await bench.execution.protect("BTCUSDT", LONG, Decimal(98), None) is None
    assert "could not be protected" in str(await bench.execution.protect("BTCUSDT", LONG, Decimal(98), None))
    assert "could not be protected" in str(await bench.execution.protect("BTCUSDT", LONG, Decimal(98), None))
    assert await bench.held() > 0


async def test_a_failure_says_of_what(bench: Bench) -> None:
    """Three calls, and what the exchange did to each."""
    bench.line.script = {"close": ["unknown"], "cancel": ["dropped"], "set_up": ["setting_locked"]}

    assert "BTCUSDT: could not be closed" in str(await bench.execution.close("BTCUSDT", LONG))
    assert "order x could not be cancelled" in str(await bench.execution.cancel("BTCUSDT", "x"))
    assert "leverage 3 could not be set" in str(await bench.execution.prepare("BTCUSDT", Decimal(3)))
    assert await bench.execution.prepare("BTCUSDT", Decimal(3)) is None


async def test_leverage_is_set_again_where_it_is_another(bench: Bench) -> None:
    """The size of the next order was computed for it; that is no hand's doing."""
    for leverage in (3, 3, 2):
        assert await bench.execution.prepare("BTCUSDT", Decimal(leverage)) is None

    assert bench.paper.matching.account.setup("BTCUSDT").leverage(LONG) == 2
    assert bench.moved == []


async def test_a_position_is_closed_again_after_a_pause_that_was_asked_for(bench: Bench) -> None:
    """A closing that drew a 429 once waited for the next comparison, a minute later."""
    await bench.enter(close=["later", "later"])

    assert await bench.execution.close("BTCUSDT", LONG) is None
    assert await bench.held() == 0
    assert bench.line.calls["close"] == 3


async def test_a_closing_whose_answer_is_lost_is_not_sent_again_where_it_took_effect(bench: Bench) -> None:
    """One closing a second is allowed: those that are not needed are taken from the others."""
    await bench.enter(close=["lost"])

    assert await bench.execution.close("BTCUSDT", LONG) is None
    assert await bench.held() == 0
    assert bench.line.calls["close"] == 1


@pytest.mark.parametrize("fault", ["later", "dropped"])
async def test_one_position_does_not_take_all_the_time(bench: Bench, fault: str) -> None:
    """Whoever closes it comes back, so that the next step is taken; it is tried again by then."""
    await bench.enter()
    bench.line.script = {"close": [fault] * 99, "place": [fault] * 99}
    began = bench.clock.monotonic()

    assert "could not be closed" in str(await bench.execution.close("BTCUSDT", LONG))
    assert bench.clock.monotonic() - began <= 2 * SESSION.resend_within_s
    began = bench.clock.monotonic()
    assert await bench.execution.leave(bench.trade, "horizon") is not None
    assert bench.clock.monotonic() - began <= 2 * SESSION.resend_within_s


async def test_a_refused_entry_is_journaled_with_its_meaning(bench: Bench) -> None:
    """Who reads the journal a week later must see why nothing was opened."""
    await bench.enter(place=["no_margin"])

    query = "SELECT status, error FROM orders"
    ((status, error),) = bench.journal.ledger._db.execute(query).fetchall()
    assert status == "refused"
    assert error.startswith("no_margin: ")


async def test_an_order_that_is_asked_to_wait_for_ever_is_given_up_and_absent(bench: Bench) -> None:
    """Throttled means that it was not taken: nothing of it has to be looked up later."""
    sent = await bench.enter(place=["later"] * 50)

    assert sent.outcome == "absent"
    assert bench.journal.ledger.unresolved() == []
    assert bench.journal.ledger.open_trades() == []
    assert bench.clock.now_ms() - NOON <= 20_000


async def test_an_entry_is_not_sent_again_after_its_candle_has_become_old(bench: Bench) -> None:
    """It has 60 s from the candle's close; here 1 s of them is left."""
    await bench.clock.sleep(59)
    sent = await bench.enter(place=["later"] * 50)

    assert sent.outcome == "absent"
    assert bench.clock.now_ms() <= NOON + 60_000
    assert bench.line.calls["place"] == 2


async def test_an_entry_that_comes_too_late_is_not_written_down(bench: Bench) -> None:
    """Nothing was sent, so nothing has to be explained."""
    await bench.clock.sleep(61)
    sent = await bench.enter()

    assert (sent.outcome, bench.line.placed) == ("refused", [])
    assert bench.journal.ledger.open_trades() == []


async def test_an_order_that_hangs_is_cancelled_once_and_left_unresolved(bench: Bench) -> None:
    """After twice the wait nobody knows; the next cycle looks it up."""
    order = bench.paper.order

    async def hanging(symbol: str, client_id: str) -> OrderState | None:
        state = await order(symbol, client_id)
        return None if state is None else replace(state, status="live", filled=Decimal(0))

    bench.paper.order = hanging  # type: ignore[method-assign]
    sent = await bench.enter()

    assert sent.outcome == "unknown"
    assert bench.line.calls["cancel"] == 1
    assert 2 * SESSION.fill_wait_s <= (bench.clock.now_ms() - NOON) / 1000 < 3 * SESSION.fill_wait_s
    (waiting,) = bench.journal.ledger.unresolved()
    assert "is open" in str(await bench.execution.resolve(waiting))
    assert bench.line.calls["cancel"] == 2


async def test_an_exit_that_fills_nothing_ends_after_three_orders(bench: Bench) -> None:
    """An exchange that takes orders and fills none must not hold up every other symbol for ever."""
    await bench.enter()
    place = bench.paper.place

    async def unfilled(request: OrderRequest) -> str:
        found = await place(replace(request, kind="limit", price=Decimal(1_000)))
        await bench.paper.cancel(request.symbol, request.client_id)
        return found

    bench.paper.place = unfilled  # type: ignore[method-assign]
    before = bench.line.calls["place"]

    failure = await bench.execution.leave(bench.trade, "horizon")

    assert "3 orders did not close it: nothing was filled" in str(failure)
    assert bench.line.calls["place"] - before == 3
    assert await bench.held() == bench.trade.size


async def test_a_symbol_that_is_gone_has_no_fills_to_wait_for(bench: Bench) -> None:
    """A failure would keep the trade open for good."""
    await bench.enter()
    await bench.paper.close("BTCUSDT", LONG)
    trade = bench.trade
    bench.line.script = {"fills": ["dropped", *["not_traded"] * 6]}

    assert "could not be asked for" in str(await bench.execution.settle(trade, None))
    assert "not reported how yet" in str(await bench.execution.settle(trade, None))
    await bench.clock.sleep(61)
    assert await bench.execution.settle(trade, None) is None
    assert [one.ended for one in bench.closed] == ["unknown"]


async def test_a_trade_that_is_seen_again_waits_again_for_its_fills(bench: Bench) -> None:
    """A list of positions that missed it once says nothing about the next time."""
    await bench.enter()
    trade = bench.trade
    assert "not reported how yet" in str(await bench.execution.settle(trade, None))
    await bench.clock.sleep(59)
    bench.execution.still_held([trade.trade])
    await bench.clock.sleep(2)

    assert "not reported how yet" in str(await bench.execution.settle(trade, None))
    assert bench.trade == trade


async def test_an_account_that_cannot_trade_ends_it(bench: Bench) -> None:
    """A wrong passphrase is no reason to try again every five minutes."""

    async def refused(request: OrderRequest) -> str:
        raise AccountError(f"wrong passphrase for {request.symbol}", endpoint="place", code="40012")

    bench.paper.place = refused  # type: ignore[method-assign]
    with pytest.raises(AccountError):
        await bench.enter()


@pytest.mark.parametrize("call", ["set_up", "order", "positions", "fills", "close", "cancel", "protect"])
async def test_an_account_that_cannot_trade_ends_it_at_whatever_call(bench: Bench, call: str) -> None:
    """As one failure among others it would be tried again at every candle, and nobody would notice."""
    await bench.enter()
    trade = bench.trade
    execution, ledger = bench.execution, bench.journal.ledger
    (order,) = ledger.orders_of(trade.trade)
    bench.line.script = {call: ["account"]}
    if call in {"positions", "close"}:
        bench.line.script["place"] = ["no_margin"]
    work: dict[str, Callable[[], Awaitable[object]]] = {
        "set_up": lambda: execution.prepare("BTCUSDT", Decimal(2)),
        "order": lambda: execution.resolve(order),
        "positions": lambda: execution.leave(trade, "horizon"),
        "fills": lambda: execution.settle(trade, None),
        "close": lambda: execution.leave(trade, "horizon"),
        "cancel": lambda: execution.cancel("BTCUSDT", "x"),
        "protect": lambda: execution.protect("BTCUSDT", LONG, Decimal(98), None),
    }

    with pytest.raises(AccountError):
        await work[call]()


async def test_an_account_that_is_locked_while_an_order_is_followed_ends_it(bench: Bench) -> None:
    """The order stays unresolved for the session that comes after."""
    with pytest.raises(AccountError):
        await bench.enter(order=["account"])

    assert len(bench.journal.ledger.unresolved()) == 1


async def test_an_exit_of_unknown_fate_is_not_followed_by_another(bench: Bench) -> None:
    """Two orders that close are one position too many, on the other side, where nothing reduces only."""
    await bench.enter()
    before = bench.line.calls["place"]
    bench.line.script = {"place": ["lost"], "order": ["dropped"]}

    assert "is unresolved" in str(await bench.execution.leave(bench.trade, "horizon"))
    assert bench.line.calls["place"] - before == 1


async def test_leaving_looks_up_what_is_unresolved_first(bench: Bench) -> None:
    """What the entry came to decides how much there is to close."""
    await bench.enter(place=["lost"], order=["dropped"])
    trade = bench.trade
    bench.line.script = {"order": ["dropped"]}

    assert "could not be looked up" in str(await bench.execution.leave(trade, "horizon"))
    assert await bench.held() > 0
    assert await bench.execution.leave(trade, "horizon") is None
    assert await bench.held() == 0
    assert len(bench.closed) == 1


async def test_part_of_an_entry_that_is_not_filled_is_cancelled(tmp_path: Path) -> None:
    """What was filled is a position like any other."""
    clock = SimulatedClock(float(NOON))
    terms = FillModel(volume_share=Decimal("0.1"))
    paper = PaperExchange([contract()], deposit=Decimal(10_000), clock=clock, fill_model=terms)
    paper.feed_candle("BTCUSDT", NOON - 300_000, (100.0, 100.0, 100.0, 100.0), 100.0)
    with Journal(tmp_path / "journal.sqlite") as journal:
        execution = Execution(paper, journal, clock, settings=SESSION, on_close=lambda _: None)
        execution.use_contracts([contract()])

        sent = await execution.enter(approved())

        (trade,) = journal.ledger.open_trades()
        assert sent.outcome == "done"
        assert trade.size == Decimal(10)
        assert journal.ledger.unresolved() == []


def test_client_ids_are_functions_of_what_the_order_is_for() -> None:
    """Equal purposes give equal ids, also after a restart; others give others."""
    names = {
        client_id(symbol, opened, purpose, epoch)
        for symbol in ("BTCUSDT", "1000PEPEUSDT", "币安人生USDT")
        for opened in (NOON, NOON + 300_000)
        for purpose in ("open", "close")
        for epoch in (0, 1, 37)
    }

    assert len(names) == 36
    assert client_id("BTCUSDT", NOON, "open", 0) == client_id("BTCUSDT", NOON, "open", 0)
    for name in names:
        assert len(name) <= 32
        assert name.isascii()
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert is_ours(name)


async def test_an_unanswered_look_up_is_reported(bench: Bench) -> None:
    """The session notes it and asks again in the next cycle."""
    await bench.enter(place=["lost"], order=["dropped"])
    (order,) = bench.journal.ledger.unresolved()
    bench.line.script = {"order": ["dropped"]}

    assert "could not be looked up" in str(await bench.execution.resolve(order))


async def test_an_order_that_hangs_is_not_asked_about_twice_in_one_step(bench: Bench) -> None:
    """Positions of other symbols are left when the step is over: one that hung held them up by minutes."""
    asked = []

    async def hangs(_symbol: str, name: str) -> OrderState | None:
        asked.append(name)
        bench.clock.advance_to(bench.clock.now_ms() + 10_000)
        raise Unanswered("no answer within 10 s", endpoint="detail")

    await bench.enter(place=["lost"], order=["dropped"])
    (order,) = bench.journal.ledger.unresolved()
    bench.paper.order = hangs  # type: ignore[method-assign, assignment]
    first, at_once = [await bench.execution.resolve(order) for _ in range(2)]
    bench.clock.advance_to(bench.clock.now_ms() + 6_000)
    later = await bench.execution.resolve(order)

    assert "could not be looked up" in str(first)
    assert at_once == first
    assert "could not be looked up" in str(later)
    assert len(asked) == 2


async def held_after_unknown(bench: Bench) -> SendResult:
    """Enter while the exchange takes the order and answers with a code that nobody knows."""
    place = bench.paper.place

    async def taken(request: OrderRequest) -> str:
        await place(request)
        raise Refused("brand new", endpoint="place", code="59999")

    bench.paper.place = taken  # type: ignore[method-assign]
    return await bench.enter()


async def test_an_entry_that_was_taken_under_an_unknown_code_is_found(bench: Bench) -> None:
    """Only the look under its id tells that money is at stake."""
    sent = await held_after_unknown(bench)

    assert sent.outcome == "done"
    assert bench.trade.size == await bench.held()


async def test_an_entry_that_is_not_found_is_looked_up_again_later(
    bench: Bench,
) -> None:
    """The exchange's records may lag: the symbol waits, and reconciliation looks once more."""
    sent = await bench.enter(place=["unknown"])

    assert (sent.outcome, bench.line.calls["order"]) == ("unknown", 3)
    (order,) = bench.journal.ledger.unresolved()
    assert await bench.execution.resolve(order) is None
    assert bench.journal.ledger.unresolved() == []


async def test_an_exit_that_was_filled_under_an_unknown_code_is_booked_at_its_fills(bench: Bench) -> None:
    """Not at the stop's price: the scoreboard would call an even trade a loss of 2 %."""
    await bench.enter()
    trade, place = bench.trade, bench.paper.place

    async def taken(request: OrderRequest) -> str:
        await place(request)
        raise Refused("brand new", endpoint="place", code="59999")

    async def unknown(_symbol: str, _name: str) -> OrderState | None:
        return None

    bench.paper.place = taken  # type: ignore[method-assign]
    bench.paper.order = unknown  # type: ignore[method-assign, assignment]
    assert await bench.execution.leave(trade, "horizon") is None

    (closed,) = bench.closed
    balance = await bench.paper.balance()
    assert closed.profit == balance.equity - 10_000
    (entry, exit_) = bench.journal.ledger.orders_of(trade.trade)
    assert (entry.filled, exit_.filled, exit_.status) == (trade.size, trade.size, "filled")


async def test_fees_are_those_of_the_fills(bench: Bench) -> None:
    """An order's own word names no coin: an amount of BGB would pass for so many USDT."""
    order, fills = bench.paper.order, bench.paper.fills

    async def cheap(symbol: str, name: str) -> OrderState | None:
        state = await order(symbol, name)
        return None if state is None else replace(state, fee=state.fee / 5)

    bench.paper.order = cheap  # type: ignore[method-assign, assignment]
    await bench.enter()
    await bench.execution.leave(bench.trade, "horizon")
    paid = sum((fill.fee for fill in await fills("BTCUSDT", 0)), Decimal(0))

    assert bench.closed[0].fees == paid


async def test_fees_that_no_fill_tells_are_at_least_the_takers(bench: Bench) -> None:
    """A gap in what the exchange reports must not make a model look cheaper to trade."""
    order = bench.paper.order

    async def cheap(symbol: str, name: str) -> OrderState | None:
        state = await order(symbol, name)
        return None if state is None else replace(state, fee=state.fee / 5)

    async def none(_symbol: str, _since: int) -> Sequence[Fill]:
        return []

    bench.paper.order = cheap  # type: ignore[method-assign, assignment]
    bench.paper.fills = none  # type: ignore[method-assign, assignment]
    await bench.enter()
    await bench.execution.leave(bench.trade, "horizon")
    paid = sum((one.fill.fee for one in bench.paper.matching.account.executions), Decimal(0))

    assert bench.closed[0].fees == paid


async def test_an_order_that_cannot_be_read_is_known_by_its_fills(bench: Bench) -> None:
    """One odd answer about one order would otherwise keep its symbol, and its position, for ever."""

    async def odd(_symbol: str, _name: str) -> OrderState | None:
        raise Unreadable("an order was expected", endpoint="detail")

    bench.paper.order = odd  # type: ignore[method-assign, assignment]
    sent = await bench.enter()
    (order,) = bench.journal.ledger.unresolved()

    assert (sent.outcome, await bench.execution.resolve(order)) == ("unknown", None)
    assert (bench.trade.status, bench.trade.size) == ("open", await bench.held())
    assert "unresolved" in str(await bench.execution.leave(bench.trade, "horizon"))
    assert await bench.execution.leave(bench.trade, "horizon") is None
    assert bench.closed[0].ended == "horizon"


async def test_an_unreadable_order_without_fills_is_given_up_after_a_while(bench: Bench) -> None:
    """What is held tells the rest."""

    async def odd(_symbol: str, _name: str) -> OrderState | None:
        raise Unreadable("an order was expected", endpoint="detail")

    await bench.enter(place=["dropped"] * 9)
    bench.paper.order = odd  # type: ignore[method-assign, assignment]
    bench.line.script = {}
    for order in bench.journal.ledger.unresolved():
        assert "could not be looked up" in str(await bench.execution.resolve(order))
        bench.clock.advance_to(bench.clock.now_ms() + 61_000)
        assert await bench.execution.resolve(order) is None
    assert bench.journal.ledger.unresolved() == []


async def test_what_the_exchange_winds_up_was_not_closed_by_hand(bench: Bench) -> None:
    """A contract that ends, and a stranger on the account, ask for different things of its owner."""
    await bench.enter()
    bench.paper.matching.market.close_out("BTCUSDT", bench.clock.now_ms())

    assert await bench.execution.settle(bench.trade, None) is None
    assert bench.closed[0].ended == "wind_up"
    assert "the exchange itself closed it" in exited(bench.closed[0])
