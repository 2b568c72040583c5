"""What the page and ``--status`` show of a session is what its journal holds."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from desk.errors import SettingsError
from desk.trade.journal import Journal
from desk.trade.journal.reading import read_snapshot
from desk.trade.snapshot import SymbolView, snapshot_json
from desk.values import CANDLE_MS
from tests.trade.samples import NOON
from tests.trade.test_session import rounds_of, run, two_symbols

FIVE = 5 * CANDLE_MS


async def test_a_snapshot_is_what_the_journal_holds(tmp_path: Path) -> None:
    """One that differed would be believed instead of the journal."""
    play = two_symbols(tmp_path)
    await run(play, rounds_of(play, 6))
    play.journal.settle()

    found = read_snapshot(play.journal.path, now=play.clock.now_ms())

    assert found is not None
    trades = play.journal.ledger.open_trades()
    assert {(one.symbol, one.size, one.stop) for one in found.positions} == {
        (one.symbol, one.size, one.stop) for one in trades
    }
    assert all(one.due == trade.due + CANDLE_MS for one, trade in zip(found.positions, trades, strict=True))
    assert found.equity == play.journal.diary.newest_equity()
    assert found.mode == "replay"
    assert [(one.symbol, one.probability, one.long_threshold) for one in found.symbols] == [
        ("BTCUSDT", 0.8, 0.6),
        ("ETHUSDT", 0.8, 0.6),
    ]
    closed = play.journal.ledger.closed_trades()
    assert sum(one.trades for one in found.delivered) == len(closed) > 0
    assert sum(one.profit for one in found.delivered) == sum(one.profit for one in closed)
    assert found.peak_equity is not None
    assert found.equity is not None
    assert found.peak_equity >= found.equity
    assert found.equity_line[-1][1] == float(found.equity)


async def test_a_running_session_is_told_from_one_that_was_killed(tmp_path: Path) -> None:
    """Somebody who asks whether it still runs must not be answered by what it wrote last."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.begin(NOON, mode="paper", settings="{}")
        await journal.stored()
        running = read_snapshot(journal.path, now=NOON + FIVE)
    killed = read_snapshot(journal.path, now=NOON + FIVE)

    assert running is not None
    assert running.is_running
    assert running.next_candle == NOON + FIVE + CANDLE_MS
    assert killed is not None
    assert not killed.is_running
    assert [(one.name, one.state) for one in killed.health] == [("process", "bad")]


def test_there_is_no_snapshot_where_no_session_was(tmp_path: Path) -> None:
    assert read_snapshot(tmp_path / "none.sqlite", now=NOON) is None


def test_what_is_no_journal_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_text("no database, and longer than the header that sqlite reads" * 20)

    with pytest.raises(SettingsError, match=r"journal\.sqlite"):
        read_snapshot(path, now=NOON)


async def test_a_snapshot_as_json_loses_no_digit_of_money(tmp_path: Path) -> None:
    play = two_symbols(tmp_path)
    await run(play, rounds_of(play, 3))
    play.journal.settle()
    found = read_snapshot(play.journal.path, now=play.clock.now_ms())
    assert found is not None

    back = json.loads(json.dumps(snapshot_json(found), allow_nan=False))

    assert Decimal(back["equity"]) == found.equity
    assert [Decimal(one["size"]) for one in back["positions"]] == [one.size for one in found.positions]
    assert back["drawdown"] == found.drawdown
    assert back["symbols"][0]["distance"] == 0


@pytest.mark.parametrize(
    ("probability", "long", "short", "away"),
    [(0.5, 0.6, 0.3, 0.1), (0.35, 0.6, 0.3, 0.05), (0.7, 0.6, 0.3, 0.0), (0.5, None, 0.3, 0.2)],
)
def test_the_distance_is_that_to_the_nearer_threshold(
    probability: float, long: float | None, short: float | None, away: float
) -> None:
    """It answers why nothing was done."""
    view = SymbolView(
        symbol="BTCUSDT",
        model_file="",
        open_time=NOON,
        close=1.0,
        probability=probability,
        long_threshold=long,
        short_threshold=short,
        action="stay out",
        reasons=(),
    )

    assert view.distance == pytest.approx(away)
