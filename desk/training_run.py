"""The outcomes of one run of training or exploration: published, printed, and in the end decided together.

A service that joins registry, ledger, learning and reports for the door that trains.  Outcomes of symbols
come in, one at a time; published models, lines of the terminal, rows of the ledger and the verdicts go out.

Not here: where outcomes come from (``train_live_lightgbm``), what happens to one symbol (``desk.worker``),
and how mark price and book are asked (``CheckBooks``, handed in by the door).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from desk.errors import SettingsError
from desk.learn import record
from desk.learn.exploration_record import describe_explored
from desk.learn.explore import Cell, Explored
from desk.learn.run_verdicts import (
    RunEvidence,
    acceptance_of,
    decide_run,
    describe_control,
    describe_pooled,
    pooled_verdict,
    standings_of,
)
from desk.learn.stay import Acceptance, merged_days, whole_days
from desk.learn.summary import RunResults
from desk.learn.verdict import Verdict, pending
from desk.ledger import POOLED, EvaluationLedger
from desk.market.history.book_check import BookCheck
from desk.outcomes import Failed, Json, Skipped
from desk.registry import ModelRegistry
from desk.reports import terminal
from desk.reports.console import Console
from desk.reports.exploration import explored_line
from desk.run_settings import Settings
from desk.stopwatch import utc_now
from desk.trade.journal.database import net_by_day
from desk.worker import EvaluatedSymbol

CheckBooks = Callable[[Mapping[str, float | None]], Mapping[str, BookCheck]]
"""Asks the exchange about symbols, each with the spread that its trades were charged, in basis points."""


@dataclass(slots=True)
class TrainingRun:
    """The outcomes of a run so far: published, printed, and kept until the verdicts on all can be made."""

    settings: Settings
    registry: ModelRegistry
    ledger: EvaluationLedger
    """Every earlier look at these candles; what this run looks at is appended before it is shown."""
    console: Console
    check_books: CheckBooks
    """Asked about the symbols that passed everything else, before they are called tradable."""
    live_days: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What live trading earned, in basis points, by symbol and day: where it traded, its days count."""
    explored: list[Explored] = field(default_factory=list)
    published: list[Json] = field(default_factory=list)
    """Metadata as written."""
    evidence: list[RunEvidence] = field(default_factory=list)
    """On each of ``published``; the models themselves are not kept: hundreds would not fit."""
    refused: set[str] = field(default_factory=set)
    """Symbols that failed the test before this run."""
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Symbols that have an outcome."""
        return len(self.explored) + len(self.published) + len(self.skipped) + len(self.failed)

    def add(self, outcome: EvaluatedSymbol | Explored | Skipped | Failed) -> None:
        """Publish what was trained, record what was evaluated, and print the line of the symbol."""
        if isinstance(outcome, EvaluatedSymbol | Explored):
            try:
                self._publish(outcome) if isinstance(outcome, EvaluatedSymbol) else self._record_exploration(
                    outcome
                )
            except OSError as exc:
                outcome = Failed(outcome.symbol, "publish", f"{exc}: it was not published", "")
        if isinstance(outcome, Skipped):
            self.skipped.append(outcome)
            self.console.print(terminal.skipped_line(outcome))
        elif isinstance(outcome, Failed):
            self.failed.append(outcome)
            self.console.error(terminal.failed_line(outcome))

    def _publish(self, evaluated: EvaluatedSymbol) -> None:
        """Publish with a pending verdict; the evaluation goes into the ledger before figures are shown."""
        evaluated.trained.metadata["verdict"] = record.as_json(pending(evaluated.evidence.examination))
        look = record.as_json(evaluated.evidence.evaluation)
        # Half of the rate: p-values that count are doubled.
        half = self.settings.learn.verdict.false_discovery_rate / 2
        self.refused |= self.ledger.refused([look], above=half)
        self.ledger.record([look])
        metadata = self.registry.publish(evaluated.trained, now=utc_now())
        self.published.append(metadata)
        self.evidence.append(evaluated.evidence)
        self.console.print(terminal.trained_line(metadata))

    def _record_exploration(self, explored: Explored) -> None:
        """What is shown of a symbol goes into the ledger first."""
        self._note_looks(explored.symbol, explored.cells)
        looks = [cell.evaluation for cell in explored.cells if cell.evaluation is not None]
        self.ledger.record([record.as_json(look) for look in looks])
        self.explored.append(explored)
        self.console.print(explored_line(describe_explored(explored)))

    def note_pooled_look(self) -> None:
        """Before all symbols are shown together: their settings may be chosen by that for any symbol."""
        self._note_looks(POOLED, [cell for one in self.explored for cell in one.cells])

    def _note_looks(self, symbol: str, cells: Sequence[Cell]) -> None:
        """Up to which candle each setting is shown; the one in force is not chosen by what is shown."""
        in_force = self.settings.model.explored_fingerprint()
        looks = [(symbol, cell.setting, cell.last) for cell in cells if cell.setting != in_force]
        self.ledger.note_looks(looks, at=utc_now().isoformat(), in_force=in_force)

    def write_verdicts(self) -> None:
        """Decide on all symbols together, and write the verdicts into their metadata and the ledger."""
        rules = self.settings.learn.verdict
        acceptances = self._acceptances()
        standings = standings_of(self.evidence, acceptances, rules)
        earlier = self.ledger.family([record.as_json(one.evaluation) for one in self.evidence])
        decided = decide_run(self.evidence, earlier, standings, self.refused, rules)
        verdicts = self._verified(decided)
        for metadata, evidence, before, verdict in zip(
            self.published, self.evidence, decided, verdicts, strict=True
        ):
            standing = standings.get(metadata["symbol"])
            if not before.tradable:  # a book that could not be asked ends no acceptance
                self._reject(evidence, before)
            elif verdict.tradable and (standing is None or standing.ended):
                accepted = acceptance_of(evidence, at=utc_now().isoformat())
                self.ledger.accept(record.as_json(accepted))
            metadata["verdict"] = record.as_json(verdict)
            self.registry.rewrite_metadata(metadata)

    def _verified(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """The verdicts after mark price and book of those who passed everything else were asked."""
        passed = [
            one.examination.symbol
            for one, found in zip(self.evidence, verdicts, strict=True)
            if found.tradable
        ]
        if not passed:
            return list(verdicts)
        charged = {one["symbol"]: one["data"]["spread_bps"] for one in self.published}
        checks = self.check_books({symbol: charged[symbol] for symbol in passed})
        return [
            replace(verdict, tradable=False, reasons=check.problems, accepted_on=None)
            if (check := checks.get(one.examination.symbol)) is not None and check.problems
            else verdict
            for one, verdict in zip(self.evidence, verdicts, strict=True)
        ]

    def _acceptances(self) -> dict[str, tuple[Acceptance, dict[str, float]]]:
        """Acceptances that last, with what every day after them earned, those of this run included."""
        found = {}
        for one in self.evidence:
            symbol, settings = one.examination.symbol, one.evaluation.settings
            walked = whole_days([(line.date, line.net_bps) for line in one.days])
            live = {day: net for day, net in self.live_days.get(symbol, {}).items() if day in walked}
            self.ledger.add_days(symbol, settings, merged_days(walked, live))
            if (known := self.ledger.acceptance(symbol, settings)) is not None:
                found[symbol] = (Acceptance(**known[0]), known[1])
        return found

    def _reject(self, evidence: RunEvidence, verdict: Verdict) -> None:
        symbol, settings = evidence.examination.symbol, evidence.evaluation.settings
        reasons = "; ".join(verdict.reasons)
        self.ledger.reject(symbol, settings, at=utc_now().isoformat(), because=reasons)

    def results(self) -> RunResults:
        """All that the summary needs."""
        return RunResults(
            self.published,
            self.skipped,
            self.failed,
            pooled=describe_pooled(self.evidence),
            portfolio=record.as_json(pooled_verdict(self.evidence, self.settings.learn.verdict)),
            controls=describe_control(self.evidence),
        )


def live_days(journal: Path, console: Console) -> dict[str, dict[str, float]]:
    """What live trading earned a day, in basis points, by symbol; a journal that is none is named."""
    try:
        return net_by_day(journal)
    except SettingsError as exc:
        console.error(f"⚠️ Days of live trading do not count: {exc}")
        return {}
