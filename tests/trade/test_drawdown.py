"""A loss over days ends trading until somebody accepts it; a restart alone does not."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from desk.errors import SettingsError
from desk.orders import Balance
from desk.trade.journal.reading import read_snapshot
from desk.trade.settings import since_ms
from desk.values import CANDLE_MS
from tests.trade.samples import LIMITS, NOON, UNLIMITED
from tests.trade.stage import Stage, live_settings
from tests.trade.test_session import two_symbols

DAYS_AGO = NOON - 5 * 86_400_000
STOP = replace(UNLIMITED, max_drawdown=Decimal("0.1"))


def after_a_peak(folder: Path, limits: object = STOP) -> Stage:
    """A session of an account that once had a quarter more than now."""
    play = two_symbols(folder, settings=live_settings(limits))  # type: ignore[arg-type]
    play.journal.diary.record_equity(DAYS_AGO, Balance(equity=Decimal(1_250_000), available=Decimal(1)))
    play.journal.settle()
    return play


async def test_a_drawdown_over_days_ends_every_session_with_status_3(tmp_path: Path) -> None:
    """The day's stop forgets at midnight: three per cent a day are forty in two weeks."""
    play = after_a_peak(tmp_path)
    with play.journal:
        first = await play.run()
        play.journal.settle()
        again = await play.run()
        closed = play.journal.ledger.closed_trades()

    for ending in (first, again):
        assert ending.status == 3
        assert "drawdown stop: 20.00% of the highest equity, 1250000.00 USDT" in ending.why
    assert await play.paper.positions() == []
    assert closed == []


async def test_a_loss_that_is_accepted_is_the_new_beginning(tmp_path: Path) -> None:
    """The restart rule: the peak counts from ``peak_since`` on."""
    since = f"{datetime.fromtimestamp((DAYS_AGO + 1) / 1000, tz=UTC):%Y-%m-%dT%H:%M:%S.%f}"
    play = after_a_peak(tmp_path, replace(STOP, peak_since=since))
    with play.journal:
        ending = await play.run()
        trades = play.journal.ledger.closed_trades()

    assert ending.status == 0, ending.why
    assert trades != []


async def test_the_peak_is_that_of_the_journal_and_rises_with_the_account(tmp_path: Path) -> None:
    play = after_a_peak(tmp_path, replace(STOP, max_drawdown=Decimal(1)))
    with play.journal:
        await play.run()
        diary = play.journal.diary
        assert diary.peak_equity(0) == Decimal(1_250_000)
        higher = Balance(equity=Decimal(1_250_001), available=Decimal(1))
        diary.record_equity(play.clock.now_ms() + CANDLE_MS, higher)
        play.journal.settle()
        found = read_snapshot(play.journal.path, now=play.clock.now_ms())

        assert diary.peak_equity(0) == higher.equity
        assert diary.peak_equity(play.clock.now_ms() + 2 * CANDLE_MS) is None
        assert found is not None
        assert found.peak_equity == higher.equity
        assert found.drawdown == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"max_drawdown": Decimal(0)}, "max_drawdown is 0"),
        ({"max_drawdown": Decimal("1.5")}, "max_drawdown is 1.5"),
        ({"peak_since": "yesterday"}, "peak_since is 'yesterday'"),
    ],
)
def test_a_stop_that_cannot_be_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        replace(LIMITS, **changes)  # type: ignore[arg-type]


def test_a_time_without_a_zone_is_utc() -> None:
    assert since_ms("2025-11-06T12:00") == since_ms("2025-11-06T13:00+01:00") == NOON
    assert since_ms("") == 0
