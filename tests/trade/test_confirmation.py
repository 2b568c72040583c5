"""Nothing is opened on a candle that the exchange's own records have otherwise."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from desk.trade.trader import Confirm
from desk.values import CandleRound, frozen
from tests.trade.samples import NOON, NOTHING, card, decisions_at
from tests.trade.stage import Stage, scripted, stage
from tests.trade.test_exits import flat
from tests.trade.test_replay import EXACT


def long_once(tmp_path: Path, confirm: Confirm) -> Stage:
    """A model that wants to be long at the first candle it sees, and at no other."""
    candles = flat()
    probability = np.full(len(candles), 0.5)
    probability[2] = 0.8
    models = {"BTCUSDT": (card(created=NOON, expectation=NOTHING), scripted(candles, probability))}
    return stage(tmp_path, [candles], models, contracts=[EXACT], confirm=confirm)


async def decided(tmp_path: Path, confirmed: CandleRound | None) -> tuple[list[str], str, str, int]:
    """One candle: what was asked about, action and reasons in the journal's row, positions afterwards.

    ``confirmed`` is what the exchange's own records say; None: what was pushed.
    """
    asked: list[str] = []
    pushed: list[CandleRound] = []

    async def confirm(symbols: Sequence[str], open_time: int) -> CandleRound:
        asked.extend(symbols)
        assert open_time == pushed[0].open_time
        return confirmed or pushed[0]

    play = long_once(tmp_path, confirm)
    with play.journal:
        await play.trader.start()
        pushed.append(await anext(aiter(play.feed.rounds())))
        await play.trader.on_round(pushed[0])
        ((_, _, action, reasons),) = decisions_at(play.journal, pushed[0].open_time)
    return asked, action, reasons, len(await play.paper.positions())


async def test_a_candle_that_is_confirmed_is_acted_on(tmp_path: Path) -> None:
    """Only who would act is asked about: not every symbol of every candle."""
    asked, action, _, positions = await decided(tmp_path, None)

    assert asked == ["BTCUSDT"]
    assert action == "enter long"
    assert positions == 1


async def test_a_candle_that_the_records_have_otherwise_is_decided_on_again(tmp_path: Path) -> None:
    """The model of this test sees the time alone: with other times it predicts something else."""
    other = CandleRound(
        open_time=int(flat().open_time[2]),
        symbols=("BTCUSDT",),
        times=frozen(flat().open_time[None, 3:6]),
        values=frozen(flat().values[None, :, 3:6]),
        absent={},
    )

    _, action, _, positions = await decided(tmp_path, other)

    assert (action, positions) == ("stay out", 0)


async def test_a_candle_that_nobody_confirms_opens_nothing(tmp_path: Path) -> None:
    """The journal says why."""
    why = "its candle was not confirmed (no answer)"
    unconfirmed = CandleRound(
        open_time=int(flat().open_time[2]),
        symbols=(),
        times=frozen(flat().open_time[None, 0:3][:0]),
        values=frozen(flat().values[None, :, 0:0][:0]),
        absent={"BTCUSDT": why},
    )

    _, action, reasons, positions = await decided(tmp_path, unconfirmed)

    assert (action, positions) == ("refused", 0)
    assert f"the exchange has not confirmed the candle: {why}" in reasons
