"""What phase 1 shows: a bar while it runs, and the table of ``--fetch-only``.

A service between the report of a fetch and the console.

Not here: how candles are fetched (``data_fetcher``).
"""

from dataclasses import dataclass

from desk.market.history.contract_book import ContractBook
from desk.market.history.fetch_report import Fetched, FetchProblem, FetchProgress, FetchReport
from desk.outcomes import Failed, Skipped
from desk.reports import bars, terminal
from desk.reports.console import Console, ProgressBar


@dataclass(frozen=True, slots=True)
class FetchBar:
    """Shows a fetch on a bar; satisfies ``data_fetcher.Progress``."""

    bar: ProgressBar
    console: Console

    def chosen(self, symbols: tuple[str, ...], book: ContractBook) -> None:
        """Show nothing: how many symbols there are is part of every update."""

    def update(self, tally: FetchProgress) -> None:
        """Show how far the fetch is, in requests, and its pace against the limit of the busiest endpoint."""
        left = _seconds_left(tally)
        parts = [bars.time_left(left)] if left else []
        parts += [f"{tally.symbols_done} of {tally.symbols} symbols", f"{tally.candles:,} candles"]
        parts += [pace_of(tally), *([bars.named(tally.under_way)] if tally.under_way else [])]
        expected = max(tally.requests_expected, tally.requests)
        self.bar.show(tally.requests, expected, note=" · ".join(parts))

    def finished(self, outcome: Fetched | FetchProblem) -> None:
        """Print the notes on a symbol; problems are printed when the fetch is over."""
        if isinstance(outcome, Fetched):
            print_notes(outcome, self.console)


def print_notes(fetched: Fetched, console: Console) -> None:
    """Print what the user should know of the candles of a symbol."""
    for note in fetched.notes:
        console.print(f"⚠️ {fetched.symbol}: {note}")


def _seconds_left(tally: FetchProgress) -> float | None:
    """By the rate so far; None before the first request."""
    left = max(0, tally.requests_expected - tally.requests)
    return tally.seconds * left / tally.requests if tally.requests else None


def pace_of(tally: FetchProgress) -> str:
    """Requests a second to the busiest endpoint, against its limit, and refusals."""
    limit = f" of {tally.limit:g}" if tally.limit else ""
    refused = f", {tally.throttled} × 429" if tally.throttled else ""
    pace = f"{tally.busiest / tally.seconds:.1f}{limit} requests/s" if tally.seconds > 0 else "starting"
    return f"{pace}{refused}"


def print_fetch(report: FetchReport, console: Console) -> bool:
    """Print what ``--fetch-only`` fetched; whether every symbol has its candles, or a reason for none."""
    rows = [
        (of.symbol, of.candles, of.missing, of.zero_volume_share, of.funding, of.requests, of.seconds)
        for of in report.fetched
    ]
    console.table(terminal.fetch_table(rows, width=console.width))
    console.print(
        f"{len(report.fetched)} symbols, {report.requests:,} requests "
        f"({report.throttled} × 429, {report.unanswered} without an answer) in {report.seconds:.1f} s."
    )
    for outcome in (unfetched := [outcome_of_problem(problem) for problem in report.problems]):
        if isinstance(outcome, Failed):
            console.error(terminal.failed_line(outcome))
        else:
            console.print(terminal.skipped_line(outcome))
    return not any(isinstance(outcome, Failed) for outcome in unfetched)


def outcome_of_problem(problem: FetchProblem) -> Skipped | Failed:
    """What becomes of a symbol without candles: it is skipped where that is nobody's fault."""
    if problem.skip:
        return Skipped(problem.symbol, f"{problem.skip}: {problem.message}")
    return Failed(problem.symbol, "fetch", problem.message, "")
