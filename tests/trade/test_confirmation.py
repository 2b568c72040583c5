"""Nothing is opened on a candle that the exchange's own records have otherwise."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from desk.trade.trader import Trader
from desk.values import CandleRound, frozen
from tests.trade.samples import NOON, card
from tests.trade.stage import Stage, live_settings, said, stage
from tests.trade.test_exits import flat
from tests.trade.test_replay import EXACT, NOTHING


def long_once(tmp_path: Path) -> Stage:
    """A model that wants to be long at the first candle it sees, and at no other."""
    candles = flat()
    probability = np.full(len(candles), 0.5)
    probability[2] = 0.8
    known = card(created=NOON, expectation=NOTHING)
    return stage(tmp_path, [candles], {"BTCUSDT": (known, said(candles, probability))}, contracts=[EXACT])


async def decided(play: Stage, told: CandleRound | None) -> tuple[list[str], list[tuple[str, ...]]]:
    """One candle; what was asked about, and the journal's row."""
    asked: list[str] = []

    async def confirm(symbols: Sequence[str], open_time: int) -> CandleRound:
        asked.extend(symbols)
        assert open_time == candles.open_time
        return candles if told is None else told

    trader = Trader(
        play.exchange,
        play.journal,
        play.forecaster,
        play.trader._clock,
        play.trader._events,
        settings=live_settings(),
        trade_untested=False,
        confirm=confirm,
    )
    await trader.start()
    candles = await anext(aiter(play.feed.rounds()))
    await trader.on_round(candles)
    return asked, [(action,) for _, _, action, _ in play.journal.diary.decisions_at(candles.open_time)]


async def test_a_candle_that_is_confirmed_is_acted_on(tmp_path: Path) -> None:
    """Only who would act is asked about: not every symbol of every candle."""
    play = long_once(tmp_path)
    with play.journal:
        asked, rows = await decided(play, None)
        assert asked == ["BTCUSDT"]
        assert rows == [("enter long",)]
        assert len(await play.paper.positions()) == 1


async def test_a_candle_that_was_told_otherwise_is_decided_anew(tmp_path: Path) -> None:
    """The model of this test sees the time alone: with other times it says something else."""
    play = long_once(tmp_path)
    first = int(flat().open_time[2])
    other = CandleRound(
        open_time=first,
        symbols=("BTCUSDT",),
        times=frozen(flat().open_time[None, 3:6]),
        values=frozen(flat().values[None, :, 3:6]),
        absent={},
    )
    with play.journal:
        _, rows = await decided(play, other)
        assert rows == [("stay out",)]
        assert await play.paper.positions() == []


@pytest.mark.parametrize("why", ["its candle was not confirmed (no answer)"])
async def test_a_candle_that_nobody_confirms_opens_nothing(tmp_path: Path, why: str) -> None:
    """The journal says why."""
    play = long_once(tmp_path)
    empty = flat().values[None, :, 0:0]
    untold = CandleRound(
        open_time=int(flat().open_time[2]),
        symbols=(),
        times=frozen(flat().open_time[None, 0:3][:0]),
        values=frozen(np.repeat(empty, 0, axis=0)),
        absent={"BTCUSDT": why},
    )
    with play.journal:
        _, rows = await decided(play, replace(untold))
        assert rows == [("refused",)]
        assert await play.paper.positions() == []
        ((_, _, _, reasons),) = play.journal.diary.decisions_at(int(flat().open_time[2]))
        assert f"the exchange has not confirmed the candle: {why}" in reasons
