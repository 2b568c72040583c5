"""Journal and exchange come to agree, no position stays without a stop, and none is ever opened for it."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.orders import OrderState, Position
from desk.policy import LONG, SHORT
from desk.trade.identity import client_id
from desk.trade.reconcile import AccountState, Correction, JournalState, ReconcileContext, reconcile
from desk.trade.records import OpenTrade, OrderRecord
from tests.trade.samples import LIMITS, NOON, contract

TERMS = ReconcileContext(
    now=NOON,
    horizons={"BTCUSDT": 2, "ETHUSDT": 2},
    contracts={"BTCUSDT": contract(), "ETHUSDT": contract("ETHUSDT")},
    unknown="adopt",
    protective_stop=Decimal("0.02"),
    require_stop=True,
    risk=LIMITS,
    margin_mode="isolated",
)


def held(symbol: str = "BTCUSDT", side: int = LONG, **changes: object) -> Position:
    """One coin, bought at 100, protected at 98."""
    values: dict[str, object] = {
        "symbol": symbol,
        "side": side,
        "size": Decimal(1),
        "entry_price": Decimal(100),
        "mark_price": Decimal(100),
        "leverage": Decimal(3),
        "margin_mode": "isolated",
        "liquidation_price": None,
        "unrealized": Decimal(0),
        "stop_loss": Decimal(100 - 2 * side),
        "take_profit": None,
    }
    return Position(**{**values, **changes})  # type: ignore[arg-type]


def trade(symbol: str = "BTCUSDT", side: int = LONG, **changes: object) -> OpenTrade:
    """What the journal knows of that coin."""
    values: dict[str, object] = {
        "trade": client_id(symbol, NOON, "open", 0),
        "symbol": symbol,
        "side": side,
        "model_file": "m.txt",
        "opened": NOON - 300_000,
        "due": NOON + 300_000,
        "price": Decimal(100),
        "stop": Decimal(100 - 2 * side),
        "take_profit": None,
        "status": "open",
        "size": Decimal(1),
    }
    return OpenTrade(**{**values, **changes})  # type: ignore[arg-type]


def waiting(symbol: str = "BTCUSDT") -> OrderRecord:
    """An order of which nobody knows what became of it."""
    return OrderRecord(
        client_id=client_id(symbol, NOON, "open", 0),
        trade=client_id(symbol, NOON, "open", 0),
        symbol=symbol,
        side=LONG,
        purpose="open",
        size=Decimal(1),
        written=NOON,
        status="intended",
        order_id="",
        filled=Decimal(0),
        average_price=None,
        fee=Decimal(0),
    )


def order_named(name: str) -> OrderState:
    """A live order at the exchange."""
    return OrderState(
        client_id=name,
        order_id="5",
        symbol="BTCUSDT",
        side=LONG,
        purpose="open",
        status="live",
        size=Decimal(1),
        filled=Decimal(0),
        average_price=None,
        fee=Decimal(0),
        created=NOON,
        updated=NOON,
    )


OPENING = trade(status="opening", size=Decimal(0))
OURS = client_id("BTCUSDT", NOON, "open", 7)


@pytest.mark.parametrize(
    ("trades", "unresolved", "positions", "orders", "kinds"),
    [
        ([], [], [], [], []),
        ([trade()], [], [held()], [], []),
        ([trade()], [], [], [], ["settle"]),
        ([OPENING], [], [], [], ["settle"]),
        ([OPENING], [waiting()], [], [], ["look_up"]),
        ([OPENING], [waiting()], [held()], [], ["look_up"]),
        ([OPENING], [waiting()], [held(stop_loss=None)], [], ["look_up", "protect"]),
        ([], [waiting()], [held()], [], ["look_up"]),
        ([OPENING], [], [held()], [], ["resize"]),
        ([trade()], [], [held(size=Decimal(2))], [], ["resize"]),
        ([trade()], [], [held(stop_loss=None)], [], ["protect"]),
        ([trade()], [], [held(stop_loss=Decimal(97))], [], ["protect"]),
        ([trade()], [], [held(stop_loss=Decimal("98.7"))], [], []),
        ([trade()], [], [held(stop_loss=Decimal("97.9"))], [], []),
        ([trade(side=SHORT)], [], [held(side=SHORT, stop_loss=Decimal(103))], [], ["protect"]),
        ([trade()], [], [held(stop_loss=None, mark_price=Decimal(97))], [], ["close"]),
        ([], [], [held()], [], ["adopt"]),
        ([], [], [held("XRPUSDT")], [], []),
        ([], [], [held("XRPUSDT", stop_loss=None)], [], ["protect"]),
        ([trade()], [], [held(side=SHORT)], [], ["close", "settle"]),
        ([trade()], [], [held(), held(side=SHORT)], [], ["close"]),
        ([], [], [held(), held(side=SHORT)], [], ["close", "close"]),
        ([trade()], [], [held(size=Decimal(0))], [], ["settle"]),
        ([], [], [], [order_named(OURS)], ["cancel"]),
        ([], [], [], [order_named("by-hand")], ["report"]),
        ([OPENING], [waiting()], [], [order_named(waiting().client_id)], ["look_up"]),
    ],
)  # fmt: skip
def test_the_policy(
    trades: list[OpenTrade],
    unresolved: list[OrderRecord],
    positions: list[Position],
    orders: list[OrderState],
    kinds: list[str],
) -> None:
    """Each difference has its correction, as the module's docstring states it."""
    found = reconcile(
        JournalState(trades=trades, unresolved=unresolved),
        AccountState(positions=positions, orders=orders),
        TERMS,
    )

    assert [one.kind for one in found] == kinds


def test_an_unknown_position_can_be_closed_at_once() -> None:
    """For an account that nobody else touches."""
    (found,) = reconcile(
        JournalState(trades=[], unresolved=[]),
        AccountState(positions=[held()], orders=[]),
        replace(TERMS, unknown="close"),
    )

    assert (found.kind, found.side) == ("close", LONG)


def test_an_adopted_position_is_closed_after_a_horizon() -> None:
    """It is nobody's signal, so it is held no longer than one."""
    (found,) = reconcile(
        JournalState(trades=[], unresolved=[]),
        AccountState(positions=[held(stop_loss=None)], orders=[]),
        TERMS,
    )[:1]

    assert found.trade is not None
    assert found.trade.due == NOON + 300_000
    assert found.trade.stop == Decimal(98)


def only(
    trades: list[OpenTrade], positions: list[Position], terms: ReconcileContext = TERMS
) -> list[Correction]:
    """Corrections where no order is on its way."""
    return reconcile(
        JournalState(trades=trades, unresolved=[]), AccountState(positions=positions, orders=[]), terms
    )


@pytest.mark.parametrize(("side", "entry", "stop"), [(LONG, "100.33", "98.4"), (SHORT, "100.33", "102.3")])
def test_a_default_stop_is_rounded_towards_the_entry(side: int, entry: str, stop: str) -> None:
    """Rounded away it would risk more than the settings say; off the tick the exchange refuses it."""
    [found, protection] = only(
        [], [held(side=side, entry_price=Decimal(entry), mark_price=Decimal(entry), stop_loss=None)]
    )

    assert found.trade is not None
    assert (found.kind, found.trade.stop, found.trade.side) == ("adopt", Decimal(stop), side)
    assert (protection.kind, protection.stop, protection.side) == ("protect", Decimal(stop), side)


def test_an_adopted_position_keeps_what_it_has() -> None:
    """Its stop and take-profit were somebody's decision; size and entry are the exchange's."""
    there = held(size=Decimal(3), stop_loss=Decimal("99.1"), take_profit=Decimal(105))

    (found,) = only([], [there])

    assert found.trade is not None
    assert (found.trade.stop, found.trade.take_profit) == (there.stop_loss, there.take_profit)
    assert (found.trade.size, found.trade.price, found.trade.status) == (Decimal(3), Decimal(100), "open")
    assert found.trade.opened == NOON - 300_000
    assert found.trade.model_file == ""


def test_a_stop_is_put_where_the_journal_has_it() -> None:
    """With its take-profit: the exchange replaces both."""
    known = trade(stop=Decimal("98.5"), take_profit=Decimal(104))

    (found,) = only([known], [held(stop_loss=None, take_profit=None)])

    assert (found.kind, found.stop, found.take_profit) == ("protect", Decimal("98.5"), Decimal(104))


def test_a_stop_within_a_tick_of_the_journals_stays() -> None:
    """The exchange may have rounded it: to put it there again and again would change nothing."""
    assert only([trade()], [held(stop_loss=Decimal("97.9"))]) == []
    (found,) = only([trade()], [held(stop_loss=Decimal("97.8"))])
    assert (found.kind, found.stop) == ("protect", Decimal(98))


def test_a_stop_of_somebody_else_stays_where_it_is() -> None:
    """However far away: it was somebody's decision, and no journal knows a better one."""
    assert only([], [held("XRPUSDT", stop_loss=Decimal(90))]) == []
    (found,) = only([], [held(stop_loss=Decimal(90))])
    assert found.kind == "adopt"


def test_what_is_closed_is_not_protected_first() -> None:
    """A stop for a position that is about to be gone is a request for nothing."""
    found = only([], [held(stop_loss=None)], replace(TERMS, unknown="close"))

    assert [one.kind for one in found] == ["close"]


def test_an_order_of_somebody_else_is_named_by_what_it_has() -> None:
    """The exchange's own number, where no client id was sent."""
    for order, name in ((order_named("by-hand"), "by-hand"), (order_named(""), "5")):
        (found,) = reconcile(
            JournalState(trades=[], unresolved=[]), AccountState(positions=[], orders=[order]), TERMS
        )

        assert (found.kind, found.order) == ("report", name)
        assert f"order {name} is not of this program" in found.why


def test_a_mark_on_the_stop_closes() -> None:
    """A stop at the market's price is refused; the position is over in either case."""
    (found,) = only([trade()], [held(stop_loss=None, mark_price=Decimal(98))])

    assert (found.kind, found.side, found.trade) == ("close", LONG, trade())


def test_a_model_without_a_stop_needs_none_where_none_is_required() -> None:
    """Its owner switched the requirement off."""
    lenient = replace(TERMS, require_stop=False)

    assert only([trade(stop=None)], [held(stop_loss=None)], lenient) == []
    (found,) = only([trade(stop=None)], [held(stop_loss=None)])
    assert (found.kind, found.stop) == ("protect", Decimal(98))
    (found,) = only([trade()], [held(stop_loss=None)], lenient)
    assert (found.kind, found.stop) == ("protect", Decimal(98))


def test_what_is_beyond_its_stop_in_a_symbol_that_is_not_traded_is_only_reported() -> None:
    """It belongs to somebody else: people are notified, nothing is closed."""
    (found,) = only([], [held("XRPUSDT", stop_loss=None, mark_price=Decimal(97))])

    assert (found.kind, found.symbol) == ("report", "XRPUSDT")


def test_the_size_is_the_exchanges_and_is_protected_at_once() -> None:
    """A position that is larger than believed, and bare, has two faults, not one after the other."""
    kinds = only([trade()], [held(size=Decimal(2), stop_loss=None)])

    assert [one.kind for one in kinds] == ["resize", "protect"]
    assert kinds[0].size == Decimal(2)


def test_a_look_up_of_one_symbol_holds_up_no_other() -> None:
    """Only the symbol of the order is in doubt."""
    found = reconcile(
        JournalState(trades=[OPENING, trade("ETHUSDT")], unresolved=[waiting()]),
        AccountState(positions=[], orders=[]),
        TERMS,
    )

    assert [(one.kind, one.symbol) for one in found] == [("look_up", "BTCUSDT"), ("settle", "ETHUSDT")]
    assert found[0].order == waiting().client_id


@dataclass
class World:
    """A journal and an exchange in the plainest words; corrections are carried out on it."""

    trades: dict[tuple[str, int], OpenTrade]
    waiting: dict[str, OrderRecord]
    positions: dict[tuple[str, int], Position]
    orders: dict[str, OrderState]

    def views(self) -> tuple[JournalState, AccountState]:
        """What each side says."""
        return (
            JournalState(trades=list(self.trades.values()), unresolved=list(self.waiting.values())),
            AccountState(positions=list(self.positions.values()), orders=list(self.orders.values())),
        )

    def carry_out(self, one: Correction) -> None:
        """As ``desk.trade.upkeep`` does, when everything succeeds."""
        key = (one.symbol, one.side)
        if one.kind == "look_up":
            self.waiting.pop(one.order, None)
        elif one.kind == "settle" and one.trade is not None:
            self.trades.pop((one.symbol, one.trade.side))
        elif one.kind == "resize" and one.trade is not None:
            changed = replace(one.trade, size=one.size, status="open")
            self.trades[one.symbol, one.trade.side] = changed
        elif one.kind == "adopt" and one.trade is not None:
            self.trades[one.symbol, one.trade.side] = one.trade
        elif one.kind == "protect":
            self.positions[key] = replace(self.positions[key], stop_loss=one.stop)
        elif one.kind == "close":
            self.positions.pop(key, None)
            if one.trade is not None:
                self.trades.pop((one.symbol, one.trade.side), None)
        elif one.kind == "cancel":
            self.orders.pop(one.order, None)


sides = st.sampled_from([LONG, SHORT])
symbols = st.sampled_from(["BTCUSDT", "ETHUSDT", "XRPUSDT"])
sizes = st.sampled_from([Decimal(1), Decimal(2)])
stops = st.sampled_from([None, Decimal(90), Decimal(98), Decimal(102), Decimal(110)])
marks = st.sampled_from([Decimal(95), Decimal(100), Decimal(105)])
positions = st.builds(
    lambda symbol, side, size, stop, mark: held(symbol, side, size=size, stop_loss=stop, mark_price=mark),
    symbols, sides, sizes, stops, marks,
)  # fmt: skip
trades = st.builds(
    lambda symbol, side, size, opening: trade(
        symbol,
        side,
        size=Decimal(0) if opening else size,
        status="opening" if opening else "open",
    ),
    st.sampled_from(["BTCUSDT", "ETHUSDT"]), sides, sizes, st.booleans(),
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(trades, max_size=3), st.lists(positions, max_size=4), st.sets(symbols, max_size=2))
def test_corrections_end_in_agreement(
    journal: list[OpenTrade], exchange: list[Position], unresolved: set[str]
) -> None:
    """From every mess within three passes: same positions, every one protected, no new one.

    What is held by hand in other symbols is never closed.
    """
    world = World(
        {(one.symbol, one.side): one for one in {one.symbol: one for one in journal}.values()},
        {waiting(symbol).client_id: waiting(symbol) for symbol in unresolved},
        {(one.symbol, one.side): one for one in exchange},
        {OURS: order_named(OURS)},
    )
    before = set(world.positions)

    for _ in range(3):
        for correction in reconcile(*world.views(), TERMS):
            world.carry_out(correction)

    left = reconcile(*world.views(), TERMS)
    assert all(one.kind == "report" and one.symbol not in TERMS.horizons for one in left)
    assert set(world.positions) <= before
    assert {key for key in before if key[0] not in TERMS.horizons} <= set(world.positions)
    traded = {key for key in world.positions if key[0] in TERMS.horizons}
    assert traded == set(world.trades)
    assert len({symbol for symbol, _ in traded}) == len(traded)
    told = {(one.symbol, one.side) for one in left}
    for key, position in world.positions.items():
        assert position.stop_loss is not None or key in told
        if key in world.trades:
            assert world.trades[key].size == position.size


# Leverage and liquidation -------------------------------------------------------------------------------

AT = {
    3: Decimal("67.01"),  # as it is approved
    20: Decimal("95.5"),
    50: Decimal("98.5"),
    100: Decimal("99.5"),
}
"""Where a long of 100 is liquidated, by leverage."""


def of_leverage(books: JournalState, position: Position, terms: ReconcileContext = TERMS) -> list[Correction]:
    """What is to be done about the leverage of a position."""
    account = AccountState(positions=[position], orders=[])
    return [one for one in reconcile(books, account, terms) if one.kind not in {"adopt", "protect"}]


KNOWN = JournalState(trades=[trade()], unresolved=[])
NOTHING_KNOWN = JournalState(trades=[], unresolved=[])


def test_a_position_as_it_was_approved_needs_nothing() -> None:
    """Every minute of every position: a correction too many is a request and a message too many."""
    for leverage in (1, 3):
        position = held(leverage=Decimal(leverage), liquidation_price=AT[3])
        assert of_leverage(KNOWN, position) == []
    assert of_leverage(KNOWN, held()) == []


@pytest.mark.parametrize("leverage", [20, 50, 100])
def test_leverage_that_was_raised_in_a_position_is_set_back(leverage: int) -> None:
    """It was never seen: the position was liquidated before its stop."""
    (one,) = of_leverage(KNOWN, held(leverage=Decimal(leverage), liquidation_price=AT[leverage]))

    assert (one.kind, one.leverage) == ("leverage", Decimal(3))
    assert one.must_end is (leverage > 20)
    assert f"leverage is {leverage}" in one.why or f"with leverage {leverage}" in one.why


def test_what_is_liquidated_before_its_stop_at_the_approved_leverage_is_closed() -> None:
    """Margin was taken out, or a crossed account has lost it elsewhere: no stop would end it."""
    (one,) = of_leverage(KNOWN, held(leverage=Decimal(3), liquidation_price=Decimal("98.5")))

    assert one.kind == "close"
    assert one.must_end
    assert "before its stop" in one.why


def test_a_liquidation_that_has_come_near_is_reported() -> None:
    """Between the stop and half of the distance that was kept there is still time for people."""
    (one,) = of_leverage(KNOWN, held(leverage=Decimal(3), liquidation_price=Decimal("97.5")))
    assert (one.kind, "too close to its stop" in one.why) == ("report", True)
    assert of_leverage(KNOWN, held(leverage=Decimal(3), liquidation_price=Decimal("96.9"))) == []


def test_shorts_are_liquidated_above() -> None:
    """The sign of everything turns."""
    books = JournalState(trades=[trade(side=SHORT)], unresolved=[])
    (one,) = of_leverage(books, held(side=SHORT, leverage=Decimal(50), liquidation_price=Decimal("101.5")))
    assert (one.kind, one.leverage) == ("leverage", Decimal(3))
    assert one.must_end is True
    assert of_leverage(books, held(side=SHORT, liquidation_price=Decimal("132.3"))) == []


def test_a_position_of_a_hand_keeps_its_leverage_unless_its_stop_would_come_too_late() -> None:
    """Who opens by hand at 20 has chosen that; a stop behind the liquidation nobody has chosen."""
    adopted = JournalState(trades=[trade(model_file="")], unresolved=[])
    for books in (NOTHING_KNOWN, adopted):
        assert of_leverage(books, held(leverage=Decimal(20), liquidation_price=AT[20])) == []
        (one,) = of_leverage(books, held(leverage=Decimal(50), liquidation_price=AT[50]))
        assert (one.kind, one.leverage) == ("leverage", Decimal(3))
        assert one.must_end is True


def test_a_symbol_that_nobody_trades_is_only_reported() -> None:
    """It is left alone, as everything of it."""
    terms = replace(TERMS, horizons={})
    (one,) = of_leverage(NOTHING_KNOWN, held(leverage=Decimal(50), liquidation_price=AT[50]), terms)
    assert (one.kind, "no model trades it" in one.why) == ("report", True)


def test_another_margin_mode_is_reported() -> None:
    """It cannot be changed while the position is held."""
    (one,) = of_leverage(KNOWN, held(margin_mode="crossed"))
    assert (one.kind, "its margin is crossed" in one.why) == ("report", True)


def test_a_crossed_account_that_runs_low_is_reported_and_no_position_closed_for_it() -> None:
    """Its liquidation is that of everything; leverage above the settings is set back all the same."""
    crossed = replace(TERMS, margin_mode="crossed")
    position = held(margin_mode="crossed", leverage=Decimal(3), liquidation_price=Decimal("98.5"))
    (one,) = of_leverage(KNOWN, position, crossed)
    assert (one.kind, one.must_end) == ("report", False)
    (one,) = of_leverage(KNOWN, replace(position, leverage=Decimal(50)), crossed)
    assert (one.kind, one.leverage) == ("leverage", Decimal(3))
    assert not one.must_end
