"""What happens to one symbol: its candles come in, a model and the evidence on it go out.

A service, and the one module of the desk that imports ``ml_feature_engineering``.  A worker process imports
this module and nothing that it does not use: no console, no network, no registry.  It computes and returns;
what becomes of the outcome is the business of the door.

Reading order: ``SymbolJob``, ``train_symbol``, ``explore_symbol``.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

from desk.errors import NotEnoughHistory
from desk.learn import record
from desk.learn.challenge import Champion, Comparison, compare
from desk.learn.control import control_accuracy
from desk.learn.explore import Explored, explore_grid
from desk.learn.lookahead import check_features, check_labels, draw_rows
from desk.learn.protocol import ContractCosts, SymbolReport, run_protocol
from desk.learn.run_verdicts import RunEvidence
from desk.learn.settings import LearnSettings, ModelSettings
from desk.learn.splits import Rows
from desk.learn.trade_statistics import trades_csv
from desk.outcomes import Trained, WalkModel
from desk.stopwatch import Stopwatch, peak_rss_mb, utc_now
from desk.values import Candles, FeatureSet, LabelledSet
from desk.versions import versions
from ml_feature_engineering import attach_labels, build_features, contract_id, memory_of, newest_rows


@dataclass(frozen=True, slots=True, eq=False)
class SymbolJob:
    """All that a worker needs to train or to explore one symbol."""

    candles: Candles
    settings: ModelSettings
    costs: ContractCosts
    control: bool
    """Whether the symbol is of the sample that is also trained on labels of other days."""
    grid: tuple[ModelSettings, ...] = ()
    """The settings of every cell that an exploration measures; a training has none."""
    reveal: bool = False
    """Whether an exploration shows the test part."""
    shown_through: int | None = None
    """Open time (ms) of the last candle on which ``--explore`` showed the setting of a training."""
    champion: Champion | None = None
    """The published model, where the new one is only published if it is better."""

    def key(self) -> str:
        """Names everything that the outcome of a training depends on: equal keys, equal outcomes."""
        parts = {
            "candles": self.candles.digest(),
            "settings": self.settings.as_json(),
            "costs": asdict(self.costs),
            "control": self.control,
            "shown_through": self.shown_through,
            "champion": self.champion and self.champion.model_file,
            "features": contract_id(),
            "versions": versions(),
        }
        text = json.dumps([self.candles.symbol, parts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedSymbol:
    """A trained symbol, and the evidence on which it is decided whether it may be traded."""

    trained: Trained
    evidence: RunEvidence
    key: str
    """Of the job."""
    comparison: Comparison | None
    """With the published model, where the job named one."""

    @property
    def symbol(self) -> str:
        """Name of the symbol."""
        return self.trained.symbol


def train_symbol(job: SymbolJob) -> EvaluatedSymbol:
    """Take one symbol from its candles to a model and all that is known of it.

    Raises
    ------
    NotEnoughHistory
        If there are too few candles or labels.
    DataError
        If the symbol's data cannot be used.
    """
    candles, settings, watch = job.candles, job.settings.learn, Stopwatch()
    seed = job.settings.seed
    features, drawn = _features(job)
    labelled = _labelled(features, candles, settings, drawn)
    watch.lap("features")

    report = run_protocol(
        labelled,
        candles,
        contract_costs=job.costs,
        settings=settings,
        seed=seed,
        shown_through=job.shown_through,
        lap=watch.lap,
    )
    comparison = compare(report, labelled, candles, job.champion) if job.champion else None
    control = control_accuracy(labelled, report.split, settings, seed=seed) if job.control else None
    metadata = {
        "features": list(features.names),
        "feature_contract": features.contract,
        "versions": versions(),
        "settings": job.settings.as_json(),
        **record.describe_model(
            report, labelled, candles, contract_costs=job.costs, seconds=watch.laps["tuning"]
        ),
        "timing": {**watch.laps, "cpu_seconds": watch.total, "peak_rss_mb": peak_rss_mb()},
    }
    return EvaluatedSymbol(
        trained=Trained(
            candles.symbol,
            report.published.text(),
            report.evaluated.text() if settings.refit_on_all else None,
            report.tuned.journal if settings.keep_studies else b"",
            metadata,
            kept_blocks(report, candles),
            trades_csv(record.walk_rows(report)),
        ),
        evidence=RunEvidence(
            examination=report.examination,
            evaluation=report.evaluation(at=utc_now().isoformat(), settings=job.settings.fingerprint()),
            days=report.traded.lines(report.evidence_row),
            signals=bool(report.walked.tomorrow.firing),
            control=control,
        ),
        key=job.key(),
        comparison=comparison,
    )


def explore_symbol(job: SymbolJob) -> Explored:
    """Measure one symbol at every horizon that its history can answer; raises as ``train_symbol`` does."""
    features, drawn = _features(job)
    return explore_grid(
        job.candles,
        lambda settings: _labelled(features, job.candles, settings, drawn),
        contract_costs=job.costs,
        grid=[(cell.learn, cell.fingerprint(), cell.explored_fingerprint()) for cell in job.grid],
        seed=job.settings.seed,
        at=utc_now().isoformat(),
        reveal=job.reveal,
    )


def kept_blocks(report: SymbolReport, candles: Candles) -> tuple[WalkModel, ...]:
    """The models and thresholds of the walk's blocks in the last fifth, for replays."""
    late = report.walk.late
    return tuple(
        WalkModel(
            first=int(candles.open_time[block.first]),
            last=int(candles.open_time[block.stop - 1]),
            thresholds=chosen.thresholds,
            model=model.text(),
        )
        for block, chosen, model in zip(
            report.walk.blocks[late:], report.walked.blocks[late:], report.walk.models, strict=True
        )
    )


def _features(job: SymbolJob) -> tuple[FeatureSet, Rows]:
    """Features, and the rows of them that were drawn to be checked and passed."""
    candles, settings = job.candles, job.settings.learn
    if len(candles) < settings.min_samples:
        raise NotEnoughHistory(
            f"Insufficient data: {len(candles)} candles, {settings.min_samples} needed; "
            "train it once it has traded longer, or lower min_samples in config.py"
        )
    features = build_features(
        candles, max_missing_share=settings.max_missing_share, min_feature_share=settings.min_feature_share
    )
    drawn = draw_rows(features, count=settings.window_checks, seed=job.settings.seed)
    check_features(features, candles, drawn, newest=newest_rows, memory=memory_of())
    return features, drawn


def _labelled(features: FeatureSet, candles: Candles, settings: LearnSettings, drawn: Rows) -> LabelledSet:
    """Labels for ``features``, those of the ``drawn`` rows checked."""
    horizon, threshold = settings.prediction_horizon, settings.min_price_change
    labelled = attach_labels(features, candles, horizon=horizon, threshold=threshold)
    check_labels(labelled, candles, drawn)
    return labelled
