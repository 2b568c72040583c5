"""The outcomes of one run of training or exploration: kept, printed, and in the end judged and published.

A service that joins registry, ledger, learning and reports for the door that trains.  Outcomes of symbols
come in, one at a time; candidates, lines of the terminal and rows of the ledger go out, and when all are
there (or the run was interrupted) the verdicts on all of them together.  ``_latest`` moves only then.

Not here: where outcomes come from (``train_live_lightgbm``), what happens to one symbol (``desk.worker``),
and how mark price and book are asked (``CheckBooks``, handed in by the door).
"""

import contextlib
import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from desk.errors import ModelError, SettingsError, Unwritable
from desk.files import DISK_TROUBLE
from desk.learn import record
from desk.learn.exploration_record import describe_explored
from desk.learn.explore import Cell, Explored
from desk.learn.run_verdicts import (
    RunEvidence,
    acceptance_of,
    decide_run,
    describe_control,
    describe_evidence,
    describe_pooled,
    pooled_verdict,
    read_evidence,
    standings_of,
)
from desk.learn.stay import Acceptance, merged_days, whole_days
from desk.learn.summary import RunResults
from desk.learn.verdict import Verdict, pending
from desk.ledger import POOLED, EvaluationLedger
from desk.market.history.book_check import BookCheck
from desk.market.history.contract_book import ContractBook
from desk.outcomes import Failed, Json, Skipped
from desk.registry import ModelRegistry
from desk.registry.candidates import Candidate
from desk.registry.unfinished_run import UnfinishedRun, note_run, unfinished_run
from desk.reports import terminal
from desk.reports.console import Console
from desk.reports.exploration import explored_line
from desk.run_settings import Settings
from desk.stopwatch import utc_now
from desk.trade.journal.database import net_by_day
from desk.worker import EvaluatedSymbol

CheckBooks = Callable[[Mapping[str, float | None]], Mapping[str, BookCheck]]
"""Asks the exchange about symbols, each with the spread that its trades were charged, in basis points."""


@dataclass(slots=True, eq=False)
class TrainedVersion:
    """A version that waits for its verdict; the model itself is not kept: hundreds would not fit."""

    candidate: Candidate
    metadata: Json
    """As written."""
    evidence: RunEvidence


@dataclass(slots=True)
class TrainingRun:
    """The outcomes of a run so far: printed, and kept until the verdicts on all can be made."""

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
    versions: list[TrainedVersion] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """Symbols that failed the test before this run."""
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Symbols that have an outcome."""
        return len(self.explored) + len(self.versions) + len(self.skipped) + len(self.failed)

    @property
    def evidence(self) -> list[RunEvidence]:
        """On each of ``versions``."""
        return [version.evidence for version in self.versions]

    def print_changes(self) -> None:
        """Print which settings differ from those of the last run: its models are replaced by others."""
        if (last := self.registry.read_summary()) is None:
            return
        before, now = flat(last["settings"]), flat(record.plain(self.settings.model.as_json()))
        changed = [
            f"{name} {before[name]} → {now[name]}" for name in now if before.get(name, now[name]) != now[name]
        ]
        if changed:
            what = "An experiment" if self.settings.experiment else "Settings changed since the last run"
            self.console.print(f"⚠️ {what}: {', '.join(changed)}")

    def note_beginning(self, book: ContractBook) -> None:
        """Write down that the run has begun, with the contracts that it has, so that it can be continued."""
        folder, started = self.registry.folder, utc_now()
        run = UnfinishedRun(started, self.settings.digest(), book.server_time)
        known = unfinished_run(folder)
        if known is None or replace(known, started_at=started) != run:
            with self._writing():
                note_run(folder, run)

    def add(self, outcome: EvaluatedSymbol | Explored | Skipped | Failed) -> None:
        """Keep what was trained, record what was evaluated, and print the line of the symbol.

        Raises
        ------
        Unwritable
            If no symbol's model could be written.
        """
        if isinstance(outcome, EvaluatedSymbol | Explored):
            try:
                with self._writing():
                    line = (
                        self._keep(outcome)
                        if isinstance(outcome, EvaluatedSymbol)
                        else self._record_exploration(outcome)
                    )
            except OSError as exc:
                outcome = Failed(outcome.symbol, "publish", f"{exc}: it was not published", "")
            else:
                self.console.print(line)  # outside: a line that cannot be printed leaves it published
        if isinstance(outcome, Skipped):
            self.skipped.append(outcome)
            self.console.print(terminal.skipped_line(outcome))
        elif isinstance(outcome, Failed):
            self.failed.append(outcome)
            self.console.error(terminal.failed_line(outcome))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """End the run on an error of the disk: the next symbol would be trained for nothing."""
        try:
            yield
        except OSError as exc:
            if exc.errno not in DISK_TROUBLE | {errno.EACCES, errno.EPERM}:
                raise
            raise Unwritable(
                f"{self.registry.folder} cannot be written any more ({exc.strerror}), so nothing more is "
                "trained. What was finished is kept: make room, or make the folder writable; then the same "
                "command trains the others, or --judge publishes what is there"
            ) from exc

    def _keep(self, evaluated: EvaluatedSymbol) -> str:
        """Keep it as a candidate, the evaluation in the ledger first; the line to be shown."""
        trained = evaluated.trained
        trained.metadata["verdict"] = record.as_json(pending(evaluated.evidence.examination))
        self._record_look(evaluated.evidence)
        metadata = self.registry.add(trained, now=utc_now())
        candidate = Candidate(
            symbol=trained.symbol,
            model_file=metadata["model_file"],
            key=evaluated.key,
            experiment=self.settings.experiment,
            judged=False,
            evidence=describe_evidence(evaluated.evidence),
            comparison=None if evaluated.comparison is None else asdict(evaluated.comparison),
        )
        self.registry.candidates.keep(candidate)
        self.versions.append(TrainedVersion(candidate, metadata, evaluated.evidence))
        return terminal.trained_line(metadata)

    def take(self, candidate: Candidate) -> bool:
        """Take what an earlier run trained of the same candles; whether that could be read."""
        try:
            evidence = read_evidence(candidate.evidence)
            metadata = self.registry.metadata(candidate.model_file)
        except ModelError as exc:
            self.console.error(f"⚠️ {candidate.symbol}: {exc}")
            return False
        self._record_look(evidence)
        candidate = replace(candidate, experiment=self.settings.experiment)
        self.versions.append(TrainedVersion(candidate, metadata, evidence))
        self.console.print(terminal.taken_line(metadata))
        return True

    def _record_look(self, evidence: RunEvidence) -> None:
        look = record.as_json(evidence.evaluation)
        # Half of the rate: p-values that count are doubled.
        half = self.settings.learn.verdict.false_discovery_rate / 2
        self.refused |= self.ledger.refused([look], above=half)
        self.ledger.record([look])

    def _record_exploration(self, explored: Explored) -> str:
        """Record what is to be shown of a symbol in the ledger; the line to be shown."""
        self._note_looks(explored.symbol, explored.cells)
        looks = [cell.evaluation for cell in explored.cells if cell.evaluation is not None]
        self.ledger.record([record.as_json(look) for look in looks])
        self.explored.append(explored)
        return explored_line(describe_explored(explored))

    def note_pooled_look(self) -> None:
        """Before all symbols are shown together: their settings may be chosen by that for any symbol."""
        self._note_looks(POOLED, [cell for one in self.explored for cell in one.cells])

    def _note_looks(self, symbol: str, cells: Sequence[Cell]) -> None:
        """Up to which candle each setting is shown; the one in force is not chosen by what is shown."""
        in_force = self.settings.model.explored_fingerprint()
        looks = [(symbol, cell.setting, cell.last) for cell in cells if cell.setting != in_force]
        self.ledger.note_looks(looks, at=utc_now().isoformat(), in_force=in_force)

    def judge(self) -> None:
        """Decide on all symbols together, write the verdicts, and publish.

        A crash in between leaves candidates that the next run, or ``--judge``, judges again.
        """
        rules = self.settings.learn.verdict
        acceptances = self._acceptances()
        standings = standings_of(self.evidence, acceptances, rules)
        earlier = self.ledger.family([record.as_json(one.evaluation) for one in self.evidence])
        decided = decide_run(self.evidence, earlier, standings, self.refused, rules)
        verdicts = self._verified(decided)
        for version, before, verdict in zip(self.versions, decided, verdicts, strict=True):
            standing = standings.get(version.candidate.symbol)
            if not before.tradable:  # a book that could not be asked ends no acceptance
                self._reject(version.evidence, before)
            elif verdict.tradable and (standing is None or standing.ended):
                accepted = acceptance_of(version.evidence, at=utc_now().isoformat())
                self.ledger.accept(record.as_json(accepted))
            version.metadata["verdict"] = record.as_json(verdict)
            with self._writing():
                self.registry.rewrite_metadata(version.metadata)
        for version in self.versions:
            self._publish(version)

    def _publish(self, version: TrainedVersion) -> None:
        """Move ``_latest`` to a judged version, unless the rule, a retirement or an experiment keeps it."""
        symbol = version.candidate.symbol
        try:
            with self._writing():
                if why := self._kept_back(version.candidate):
                    self.console.print(f"⚠️ {symbol}: not published. {why}")
                    self._judge_champion(version)
                else:
                    self.registry.publish(version.metadata)
                self.registry.candidates.mark_judged(version.candidate)
        except (OSError, ModelError) as exc:
            self.failed.append(Failed(symbol, "publish", f"{exc}: it was not published", ""))
            self.console.error(terminal.failed_line(self.failed[-1]))

    def _kept_back(self, candidate: Candidate) -> str:
        """Why a candidate is not published, as a sentence; empty where it is."""
        symbol = candidate.symbol
        if candidate.experiment:
            return (
                "It was trained with --horizon, --threshold or --days unlike config.py, so it is kept as a "
                "candidate: give --publish to publish it."
            )
        if symbol in self.registry.retired() and symbol not in self.settings.fetch.symbols:
            return "It is retired: name it in --symbols, or put it back with --rollback."
        compared = candidate.comparison
        if compared is not None and compared["champion"] == self.registry.latest(symbol):
            return "" if compared["better"] else f"{compared['why']}."
        return ""

    def _judge_champion(self, version: TrainedVersion) -> None:
        """Write the verdict of this run into the published model that stays; it counts as fresh by that."""
        compared, published = version.candidate.comparison, self.registry.latest(version.candidate.symbol)
        if compared is None or version.candidate.experiment or published != compared["champion"]:
            return
        metadata = self.registry.metadata(compared["champion"])
        metadata["verdict"] = {**version.metadata["verdict"], "judged_at": utc_now().isoformat()}
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
        charged = {
            version.candidate.symbol: version.metadata["data"]["spread_bps"] for version in self.versions
        }
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
            known = self.ledger.acceptance(symbol, settings)
            if known is not None and not _of_this_look(Acceptance(**known[0]), one):
                found[symbol] = (Acceptance(**known[0]), known[1])
        return found

    def _reject(self, evidence: RunEvidence, verdict: Verdict) -> None:
        symbol, settings = evidence.examination.symbol, evidence.evaluation.settings
        reasons = "; ".join(verdict.reasons)
        self.ledger.reject(symbol, settings, at=utc_now().isoformat(), because=reasons)

    def results(self) -> RunResults:
        """All that the summary needs."""
        return RunResults(
            [version.metadata for version in self.versions],
            self.skipped,
            self.failed,
            pooled=describe_pooled(self.evidence),
            portfolio=record.as_json(pooled_verdict(self.evidence, self.settings.learn.verdict)),
            controls=describe_control(self.evidence),
        )


def flat(settings: Json, prefix: str = "") -> dict[str, object]:
    """Settings by their dotted names."""
    found: dict[str, object] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _of_this_look(accepted: Acceptance, evidence: RunEvidence) -> bool:
    """Whether it was this very look that was accepted, by a run that was interrupted afterwards."""
    examination = evidence.examination
    last = evidence.days[-1].date if evidence.days else None
    return accepted.last_day == last and accepted.p_value == examination.p_value


def live_days(journal: Path, console: Console) -> dict[str, dict[str, float]]:
    """What live trading earned a day, in basis points, by symbol; a journal that is none is named."""
    try:
        return net_by_day(journal)
    except SettingsError as exc:
        console.error(f"⚠️ Days of live trading do not count: {exc}")
        return {}
