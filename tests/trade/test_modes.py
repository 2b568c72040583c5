"""Whole sessions in every position mode and margin mode, on simulated fills and over the wire."""

import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from pathlib import Path

import pytest

from desk.orders import MarginMode, PositionMode
from desk.trade.settings import LiveSettings
from desk.values import CANDLE_MS
from soaks import mortal
from tests.trade.floors import FIRST, Floor, close, gap, settings, simulated, strip, turn, wired

Stage = Callable[[Path, LiveSettings], AbstractAsyncContextManager[Floor]]


def unified(folder: Path, live: LiveSettings) -> AbstractAsyncContextManager[Floor]:
    """The same as ``wired``, on a unified account."""
    return wired(folder, live, unified=True)


every_floor = pytest.mark.parametrize("stage", [simulated, wired, unified])
every_mode = pytest.mark.parametrize(
    "modes", list(itertools.product(["one_way", "hedge"], ["isolated", "crossed"])), ids="-".join
)
Modes = tuple[PositionMode, MarginMode]
LATE = 6
"""Candles after which something is held, whatever the seed did before."""


@every_floor
@every_mode
async def test_a_whole_session_in_every_mode(tmp_path: Path, stage: Stage, modes: Modes) -> None:
    """Entries, stops, take-profits, time exits and the flattening at the end: the books agree throughout."""
    async with stage(tmp_path, settings(*modes)) as floor:
        await floor.run(20)
        floor.agrees()
        assert floor.held
        assert {one.margin_mode for one in floor.held} == {modes[1]}
        assert await floor.session.trader.upkeep.flatten() == ()
        floor.agrees()

        ended = {one.ended for one in floor.journal.ledger.closed_trades()}
        assert ended == {"stop", "take_profit", "horizon", "flatten"}
        assert floor.held == []
        assert floor.matching.account.plans == {}
        assert floor.late == []


@every_floor
@every_mode
async def test_a_stop_that_a_hand_took_away_is_back_within_a_cycle(
    tmp_path: Path, stage: Stage, modes: Modes
) -> None:
    """The stop is what the account can lose; nothing may depend on who removed it."""
    before: list[tuple[str, object, object]] = []

    def strip_first(floor: Floor) -> None:
        before.extend((one.symbol, one.stop_loss, one.take_profit) for one in floor.held)
        strip(floor)

    async with stage(tmp_path, settings(*modes)) as floor:
        await floor.run(LATE, {LATE - 1: strip_first})
        assert floor.held[0].stop_loss is None
        await floor.session.trader.upkeep.reconcile()

        assert [(one.symbol, one.stop_loss, one.take_profit) for one in floor.held] == before
        assert floor.corrections()[-1] == ("protect", before[0][0])
        floor.agrees()


@every_floor
@every_mode
async def test_a_position_that_a_hand_closed_is_settled(tmp_path: Path, stage: Stage, modes: Modes) -> None:
    """At the price of the hand, and not at the stop's; what follows is traded as ever."""
    async with stage(tmp_path, settings(*modes)) as floor:
        await floor.run(LATE + 6, {LATE: close})

        assert [one.ended for one in floor.journal.ledger.closed_trades()].count("close") == 1
        floor.agrees()
        assert await floor.session.trader.upkeep.flatten() == ()
        floor.agrees()


@every_floor
@every_mode
async def test_a_position_that_a_hand_turned_round_is_closed(
    tmp_path: Path, stage: Stage, modes: Modes
) -> None:
    """In hedge mode it is a second one and the first stays; in one-way mode the first is over."""
    turned: list[tuple[str, int]] = []

    def turn_first(floor: Floor) -> None:
        turned.append((floor.held[0].symbol, floor.held[0].side))
        turn(floor)

    async with stage(tmp_path, settings(*modes)) as floor:
        await floor.run(LATE, {LATE - 1: turn_first})
        [(symbol, side)] = turned
        assert (symbol, -side) in {(one.symbol, one.side) for one in floor.held}
        await floor.session.trader.upkeep.reconcile()

        held = {(one.symbol, one.side) for one in floor.held}
        assert (symbol, -side) not in held
        assert ((symbol, side) in held) == (modes[0] == "hedge")
        assert ("close", symbol) in floor.corrections()
        floor.agrees()
        await floor.run(6)
        floor.agrees()


@every_floor
@every_mode
async def test_a_stop_that_was_gapped_over_is_settled_at_what_it_cost(
    tmp_path: Path, stage: Stage, modes: Modes
) -> None:
    """A stop is a market order: beyond a gap it costs more than was meant, and the journal says so."""
    async with stage(tmp_path, settings(*modes)) as floor:
        await floor.run(LATE)
        held = floor.held[0]
        gap(floor, "0.03")
        await floor.session.trader.upkeep.reconcile()

        [lost] = [one for one in floor.journal.ledger.closed_trades() if one.closed >= floor.now()]
        assert (lost.symbol, lost.ended) == (held.symbol, "stop")
        assert held.stop_loss is not None
        assert held.side * (held.stop_loss - lost.exit_price) > 1
        floor.agrees()


@every_floor
@pytest.mark.parametrize("mode", ["one_way", "hedge"])
async def test_a_liquidation_is_settled_as_one(tmp_path: Path, stage: Stage, mode: PositionMode) -> None:
    """It takes a hand that removed the stop and a gap: the margin of the position is lost, and no more."""
    async with stage(tmp_path, settings(mode, "isolated")) as floor:
        await floor.run(LATE)
        [margin, *_] = [one.margin for one in floor.matching.account.positions.values()]
        strip(floor)
        gap(floor, "0.4")
        await floor.session.trader.upkeep.reconcile()

        [lost] = [one for one in floor.journal.ledger.closed_trades() if one.closed >= floor.now()]
        assert lost.ended == "liquidation"
        assert margin * Decimal("0.99") < -lost.profit < margin * Decimal("1.01")
        floor.agrees()


@every_floor
@every_mode
async def test_waiting_for_time_exits_opens_nothing_more(tmp_path: Path, stage: Stage, modes: Modes) -> None:
    """``on_stop = "wait"``: asked to stop, it lets every position come to its own end, and then stops."""
    async with stage(tmp_path, settings(*modes, on_stop="wait")) as floor:
        ending = await floor.run(LATE + 20, {LATE: lambda floor: floor.session.ask("clean")})

        assert (ending.status, ending.why) == (0, "asked to stop, nothing was open")
        assert LATE < floor.row - FIRST <= LATE + 1 + mortal.RULES.horizon + 1
        assert floor.held == []
        floor.agrees()
        made = floor.journal.ledger.closed_trades()
        assert max(one.opened for one in made) <= mortal.NOON + (FIRST + LATE) * CANDLE_MS
        assert "flatten" not in {one.ended for one in made}
