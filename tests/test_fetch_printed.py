"""What a fetch and a training print on a terminal: bar, notes, closing tables."""

import pytest
import rich.console

from desk.errors import DeskError, NotEnoughHistory, Refused
from desk.fetch_display import FetchBar, print_fetch
from desk.market.history.contract_book import ContractBook
from desk.market.history.fetch_report import Fetched, FetchProblem, FetchProgress, FetchReport, problem_of
from desk.reports import bars, terminal
from desk.reports.console import Console
from tests.market.samples import NOW

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

    assert not print_fetch(report, Console(quiet=False, as_json=False))

    printed = capsys.readouterr()
    (row,) = (line for line in printed.out.splitlines() if "BTCUSDT" in line)
    assert row.split() == ["BTCUSDT", "51,824", "16", "1.2", "%", "541", "235", "12.3"]
    heads = ("candles", "holes", "zero volume", "funding rates", "requests", "seconds")
    assert all(head in printed.out for head in heads)
    assert "1 symbols, 1,238 requests (2 × 429, 5 without an answer) in 66.0 s." in printed.out
    assert "ETHUSDT" in printed.err
    assert "40309" in printed.err


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            Refused("removed", endpoint="x", code="40309", meaning="not_traded"),
            "Not traded any more: x: removed",
        ),
        (NotEnoughHistory("no candles yet"), "Insufficient data: no candles yet"),
    ],
)
def test_a_symbol_that_is_gone_or_too_young_is_skipped_and_no_failure(
    error: DeskError, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A delisting between the list and the candles must not end a nightly run with status 1."""
    book = ContractBook("loopback", NOW, (), {})
    gone = problem_of("ETHUSDT", "candles", error)
    report = FetchReport((FETCHED, gone), book, requests=9, throttled=0, unanswered=0, seconds=6.0)

    assert print_fetch(report, Console(quiet=False, as_json=False)) is True

    printed = " ".join(capsys.readouterr().out.split())
    assert f"⚠️ ETHUSDT: skipped. {reason}" in printed


def test_the_bar_shows_the_pace_against_the_limit_and_notes_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The busiest endpoint is what the fetch lasts; the others only share the wait."""
    shown: list[str] = []
    console = Console(quiet=False, as_json=False)
    with console.progress(bars.fetch_columns(), total=1, name="Candles", unit="requests") as bar:
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
                under_way=("BTCUSDT", "ETHUSDT", "XRPUSDT", "SOLUSDT"),
            )
        )
        progress.finished(FETCHED)
        progress.finished(PROBLEM)

    pace = "3 of 300 symbols · 123,456 candles · 17.9 of 18 requests/s, 1 × 429"
    assert shown == [f"900/70000 about 51 min left · {pace} · BTCUSDT, ETHUSDT, XRPUSDT +1"]
    assert capsys.readouterr().out == "⚠️ BTCUSDT: BTCUSDT_5m_180d.pkl was set aside\n"


def test_a_rest_of_seconds_is_not_called_no_time() -> None:
    assert bars.time_left(20) == "less than a minute left"
    assert bars.time_left(240) == "about 4 min left"


# The closing tables of a training -----------------------------------------------------------------


def summarised(symbol: str, **changes: object) -> dict[str, object]:
    """The row of a symbol in the summary of a run."""
    return {
        "symbol": symbol,
        "status": "trained",
        "accuracy": 0.5432,
        "accuracy_ci95": [0.5312, 0.5551],
        "auc": 0.5567,
        "trades": 1_234,
        "win_rate": 0.4321,
        "break_even_win_rate": 0.5,
        "gross_bps": 12.34,
        "executable_gross_bps": -11.26,
        "net_bps": -101.7,
        "profit_factor": 0.876,
        "sharpe": -1.234,
        "sortino": -2.5,
        "calmar": None,
        "max_drawdown_bps": 12_345.6,
        "longest_losing_streak": 17,
        "tick_bps": 0.4,
        "spread_bps": 1.2,
        "cpu_seconds": 12.34,
        "tradable": False,
        **changes,
    }


def closing(*rows: dict[str, object], width: int = 100) -> list[str]:
    console = rich.console.Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(
            terminal.closing_tables({"symbols": list(rows), "averages": {"accuracy": 0.5432, "auc": 0.5567}})
        )
    return captured.get().splitlines()


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ({"reasons": ["pending"], "family_size": None}, "nothing speaks against it; verdict at the end"),
        ({"reasons": ["a: b", "pending"], "family_size": None}, "not tradable: a"),
        ({"reasons": ["a: b", "c", "pending"], "family_size": None}, "not tradable: a (and 1 more)"),
        ({"reasons": ["a: b", "c"], "family_size": 3}, "not tradable: a (and 1 more)"),
    ],
)
def test_who_passed_alone_is_not_called_untradable_before_the_verdict(
    verdict: dict[str, object], words: str
) -> None:
    """The line of the one good symbol of a run said "not tradable", and the table below it "yes"."""
    line = terminal.trained_line(
        {
            "symbol": "BTCUSDT",
            "metrics": None,
            "data": {"tick_bps": 0.5, "spread_bps": 1.5},
            "signals": {"n": 0},
            "verdict": {"tradable": False, **verdict},
            "timing": {"cpu_seconds": 1.0},
        }
    )

    assert line == f"✅ BTCUSDT: no labelled test candle · no trade in the walk · {words} · 1.0 s"


def test_the_line_of_a_symbol_says_where_fewer_trades_are_evidence() -> None:
    """87 trades in the line and 31 in the verdict, without a word, look like a mistake."""
    window = "evidence from 2026-10-25 on: this setting was chosen on the earlier candles"
    signals = {"n": 87, "net_bps": 41.2, "win_rate": 0.862, "break_even_win_rate": None}
    line = terminal.trained_line(
        {
            "symbol": "BTCUSDT",
            "metrics": None,
            "data": {"tick_bps": 0.5, "spread_bps": 1.5},
            "signals": {**signals, "evidence": {"window": window}},
            "verdict": {"tradable": True},
            "timing": {"cpu_seconds": 1.0},
        }
    )

    assert f"87 trades, +41.2 bp each after costs, 86.2 % won ({window}) · TRADABLE" in line


def test_the_closing_tables_show_what_was_earned_and_what_could_have_been() -> None:
    """Both entries beside each other: what earns only at the close is bounce."""
    lines = closing(summarised("BTCUSDT"))

    first, second = (" ".join(line.split()) for line in lines if "BTCUSDT" in line)
    assert first == ("BTCUSDT 54.3 % [53.1, 55.5] 0.557 1,234 43.2 % (50.0 %) +12.3 -11.3 -101.7 12.3 no")
    assert second == "BTCUSDT 1,234 0.88 -1.23 -2.50 – 12,346 17"
    assert "Out of sample: labelled candles of the last fifth, and trades in the walk" in lines[0]
    assert any("Trades in the walk, after costs" in line for line in lines)
    assert any("at next" in line and "gross" in line for line in lines)
    assert any(line.split()[:3] == ["average", "54.3", "%"] for line in lines)
    assert not any("*" in line for line in lines)


@pytest.mark.parametrize(
    ("market", "marked"),
    [
        ({"tick_bps": 5.0, "spread_bps": 5.0}, False),
        ({"tick_bps": 5.1, "spread_bps": 1.0}, True),
        ({"tick_bps": None, "spread_bps": 5.1}, True),
        ({"tick_bps": None, "spread_bps": None}, False),
    ],
)
def test_a_coarse_tick_or_spread_is_marked_beside_the_win_rate(
    market: dict[str, object], marked: bool
) -> None:
    """There a win rate counts bounce, and a reader compares it with those of other symbols."""
    lines = closing(summarised("BTCUSDT"), summarised("ONTUSDT", **market))

    assert any("ONTUSDT*" in line for line in lines) is marked
    assert not any("BTCUSDT*" in line for line in lines)
    assert any("* tick or spread above 5 bp: its win rate counts bounce" in line for line in lines) is marked


def test_the_closing_tables_fit_a_terminal_of_100_columns() -> None:
    """With the longest names and figures of a universe; nothing is cut off."""
    lines = closing(
        summarised("1000000MOGUSDT", tick_bps=9.0, tradable=True, cpu_seconds=999.9, trades=99_999),
        width=100,
    )

    assert max(map(len, lines)) <= 100
    assert not any("…" in line for line in lines)
    assert any("1000000MOGUSDT*" in line and "yes" in line for line in lines)


def test_symbols_without_a_trade_have_no_statistics_and_few_days_no_interval() -> None:
    nothing = dict.fromkeys(
        ("win_rate", "break_even_win_rate", "gross_bps", "executable_gross_bps", "net_bps", "accuracy_ci95")
    )

    lines = closing(summarised("NEWUSDT", trades=0, **nothing))

    (row,) = (line for line in lines if "NEWUSDT" in line)
    assert "[too few days]" in row
    assert not any("profit factor" in line for line in lines)
