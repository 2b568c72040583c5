"""What a fetch prints on a terminal: its bar, its notes, its closing table."""

import pytest

from desk.market.history.contract_book import ContractBook
from desk.market.history.fetch_report import Fetched, FetchProblem, FetchProgress, FetchReport
from desk.reports import terminal
from desk.reports.console import Console
from tests.market.samples import NOW
from train_live_lightgbm import FAILED, FetchBar, print_fetch

FETCHED = Fetched(
    symbol="BTCUSDT",
    candles=51_824,
    first=NOW - 180 * 86_400_000,
    last=NOW - 300_000,
    missing=16,
    zero_volume_share=0.0123,
    fetched=51_824,
    revised=0,
    requests=235,
    seconds=12.34,
    funding=541,
    notes=("BTCUSDT_5m_180d.pkl was set aside",),
)
PROBLEM = FetchProblem("ETHUSDT", "candles", "Refused", "removed (code 40309)")


def test_the_closing_table_has_what_a_user_asks_after_an_hour(capsys: pytest.CaptureFixture[str]) -> None:
    """Candles, holes, zero-volume share, funding rates, requests, seconds; and what went wrong, by name."""
    book = ContractBook("loopback", NOW, (), {})
    report = FetchReport((FETCHED, PROBLEM), book, requests=1_238, throttled=2, unanswered=5, seconds=66.0)

    assert print_fetch(report, Console(quiet=False, as_json=False)) == FAILED

    printed = capsys.readouterr()
    (row,) = (line for line in printed.out.splitlines() if "BTCUSDT" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [
        *("BTCUSDT", "51,824", "16", "1.2 %", "541", "235", "12.3"),
    ]
    heads = ("candles", "holes", "zero volume", "funding rates", "requests", "seconds")
    assert all(head in printed.out for head in heads)
    assert "1 symbols, 1,238 requests (2 × 429, 5 without an answer) in 66.0 s." in printed.out
    assert "ETHUSDT" in printed.err
    assert "40309" in printed.err


def test_the_bar_shows_the_pace_against_the_limit_and_notes_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The busiest endpoint is what the fetch lasts; the others only share the wait."""
    shown: list[str] = []
    console = Console(quiet=False, as_json=False)
    with console.progress(terminal.fetch_columns(), total=1) as bar:
        bar.show = lambda done, total=None, note="": shown.append(f"{done}/{total} {note}")  # type: ignore[method-assign]
        progress = FetchBar(bar, console)
        progress.update(
            FetchProgress(
                symbols=300,
                symbols_done=3,
                requests=900,
                requests_expected=70_000,
                busiest=720,
                limit=18.0,
                throttled=1,
                candles=123_456,
                seconds=40.2,
            )
        )
        progress.finished(FETCHED)
        progress.finished(PROBLEM)

    assert shown == ["900/70000 3 of 300 symbols · 123,456 candles · 17.9 of 18 requests/s, 1 × 429"]
    assert capsys.readouterr().out == "⚠️ BTCUSDT: BTCUSDT_5m_180d.pkl was set aside\n"
