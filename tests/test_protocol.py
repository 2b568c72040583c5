"""The promise of the product, through the real path: no edge is invented, and a true one is found and priced.

``train_symbol`` with the settings of ``config.py``, but for a smaller budget; the same at full length are
``make soak-noise`` and ``python -m benchmarks.recipes``.
"""

import errno
import functools
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from config import default_settings
from desk.backtest import trades_of_sides
from desk.clustered import Mean
from desk.costs import Costs
from desk.errors import NotEnoughHistory, UntradablePrices
from desk.executors import JobDone, Processes
from desk.learn import record
from desk.learn.cuts import ScoredBlock
from desk.learn.evaluation import measure
from desk.learn.protocol import ContractCosts, costs_of, rules_of
from desk.learn.thresholds import prequential
from desk.learn.trades import Block, day_lines, figures
from desk.learn.verdict import Verdict, decide_verdicts
from desk.ledger import EvaluationLedger
from desk.market.history.book_check import BookCheck
from desk.market.series.synthetic import EDGE_HORIZON, EDGE_THRESHOLD, EDGE_WIN_RATE, oracle, synthesize
from desk.registry import ModelRegistry
from desk.reports.console import Console
from desk.run_settings import Settings
from desk.training_run import TrainingRun
from desk.values import CANDLE_MS, UNKNOWN, UP, Candles, FeatureSet, LabelledSet, frozen
from desk.worker import EvaluatedSymbol, SymbolJob, train_symbol
from ml_feature_engineering import attach_labels
from soaks import noise as soak_noise

END = 1_767_225_600_000
WEEK = 2_016
REAL_COSTS = ContractCosts(
    tick=1e-12,
    taker_fee=0.0006,
    maker_fee=0.0002,
    spread_bps=1.0,
    spread_source="made for a test",
    turnover=5e6,
)
CHEAP = replace(REAL_COSTS, taker_fee=0.0, maker_fee=0.0)
"""With 1 bp of slippage a side: below what the planted edge earns."""
FREE = Costs(tick=0.0, slippage=0.0, fee_entry=0.0, fee_exit=0.0)


def product(**changes: object) -> Settings:
    """The settings of the product with a smaller budget."""
    budget: dict[str, Any] = {"n_trials": 3, "n_seeds": 2, "num_boost_round": 100, **changes}
    settings = default_settings({})
    return replace(settings, learn=replace(settings.learn, **budget))


def verdict_on(examined: EvaluatedSymbol) -> Verdict:
    """Of a symbol that was trained alone, by somebody who never looked before."""
    (verdict,) = decide_verdicts([examined.evidence.examination], (), product().learn.verdict)
    return verdict


# Where nothing can be known -----------------------------------------------------------------------


def test_random_walks_are_never_called_tradable() -> None:
    """Two walks of 180 days through the pool of processes; ``make soak-noise`` takes 20, with 50 trials."""
    settings = default_settings({})
    settings = replace(settings, learn=replace(settings.learn, n_trials=10), N_JOBS=2)

    examined = list(soak_noise.walk((5_400, 5_401), settings))

    claims = soak_noise.find(examined, settings.learn.verdict).claims(slack=0.02)
    assert len(claims) >= 3  # the fourth speaks of trades, and of a walk most sides are silent
    assert [claim for claim, holds in claims.items() if not holds] == []


def test_the_soak_fails_when_it_should() -> None:
    """An accuracy of 51.5 %, intervals beside one half, a profit before costs: each is told."""
    bad = soak_noise.Findings(walks=20, tradable=1, accuracy=0.515, covering=16, gross=None)
    profit = Mean(2.0, 0.5, 36)

    assert list(bad.claims().values()) == [False, False, False]
    assert list(replace(bad, gross=profit).claims().values())[-1] is False
    assert all(soak_noise.Findings(20, 0, 0.495, 17, Mean(-0.5, 0.5, 36)).claims().values())


# Where the truth is known -------------------------------------------------------------------------


def labelled_without_features(candles: Candles) -> LabelledSet:
    """Labels of every candle after the first two days, for a rule that needs no model."""
    row = np.arange(600, len(candles))
    x = np.empty((len(row), 0), dtype=np.float32)
    features = FeatureSet(candles.symbol, "none", (), frozen(row), frozen(candles.open_time[row]), x)
    return attach_labels(features, candles, horizon=EDGE_HORIZON, threshold=EDGE_THRESHOLD)


def log_odds(probability: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(probability / (1 - probability)))


def test_the_oracle_is_scored_at_the_documented_rate() -> None:
    """Ten series that nothing was developed on: as many intervals hold the best possible rate as should."""
    holding = 0
    for seed in range(5_500, 5_510):
        candles = synthesize("edge", seed, symbol="EDGEUSDT", end=END, candles=52_000)
        labelled = labelled_without_features(candles)
        rows = np.flatnonzero(labelled.decided)
        metrics = measure(
            log_odds(oracle(candles)[labelled.features.row[rows]]),
            labelled.label[rows],
            labelled.features.open_time[rows],
            np.zeros(len(rows)),
            majority=UP,
        )
        assert metrics is not None
        assert metrics.accuracy_ci95 is not None
        low, high = metrics.accuracy_ci95
        holding += low <= EDGE_WIN_RATE <= high

    assert holding >= stats.binom.ppf(0.02, 10, 0.95)


def test_the_oracle_proves_the_target_and_earns() -> None:
    """Thresholds, trades and bound on true probabilities: three of four won, 10 bp and more before costs."""
    candles = synthesize("edge", 5_510, symbol="EDGEUSDT", end=END, candles=52_000)
    labelled, settings = labelled_without_features(candles), product().learn
    label = np.full(len(candles), UNKNOWN, dtype=np.int8)
    label[labelled.features.row] = labelled.label
    first, week = len(candles) - 12 * WEEK, WEEK
    score = log_odds(oracle(candles))
    blocks = [ScoredBlock(at, at + week, score[at : at + week]) for at in range(first, len(candles), week)]

    walked = prequential(
        candles,
        label,
        blocks,
        rules=replace(settings.thresholds, select_by="win_rate"),
        trade_rules=rules_of(settings),
        costs=FREE,
    )

    block = Block(candles.rows(first, len(candles)), score[first:], label[first:], walked.sides)
    trades = trades_of_sides(block.candles, block.sides, rules=rules_of(settings), costs=FREE)
    earned = figures(day_lines(block, trades, since=2 * WEEK))
    assert walked.tomorrow.target_met
    assert earned.win_rate_labelled is not None
    assert earned.gross_bps is not None
    assert earned.win_rate_labelled > 0.7
    assert earned.gross_bps > 10
    assert earned.net_bps == earned.gross_bps


@functools.cache
def trained_at_both_costs() -> tuple[EvaluatedSymbol, EvaluatedSymbol]:
    """One series with an edge, at costs below it and at real ones."""
    candles = synthesize("edge", 5_600, symbol="EDGEUSDT", end=END, candles=26_000)
    jobs = [SymbolJob(candles, product().model, terms, control=False) for terms in (CHEAP, REAL_COSTS)]
    outcomes = [outcome for outcome in Processes(2).run(train_symbol, jobs) if isinstance(outcome, JobDone)]
    examined = {outcome.job.costs.taker_fee: outcome.result for outcome in outcomes}
    cheap, real = examined[0.0], examined[0.0006]
    assert isinstance(cheap, EvaluatedSymbol)
    assert isinstance(real, EvaluatedSymbol)
    return cheap, real


def test_costs_alone_decide_whether_a_true_edge_may_be_traded() -> None:
    """The same model: tradable where trading is cheap; at real fees the arithmetic says no, in figures."""
    cheap, real = trained_at_both_costs()
    allowed, refused = verdict_on(cheap), verdict_on(real)
    earned, lost = (one.trained.metadata["signals"] for one in (cheap, real))

    assert cheap.trained.model == real.trained.model
    assert allowed.tradable
    assert allowed.reasons == ()
    assert earned["gross_bps"] > 3
    assert earned["net_bps"] == pytest.approx(earned["gross_bps"] - 2, abs=0.1)
    assert not refused.tradable
    if lost["n"]:
        assert lost["net_bps"] == pytest.approx(lost["gross_bps"] - 14, abs=0.1)
    assert any("too few trades" in reason or "earned" in reason for reason in refused.reasons)


def test_the_model_lies_between_one_half_and_the_oracle() -> None:
    """On the same test candles: it knows something, and nothing that cannot be known."""
    cheap, _ = trained_at_both_costs()
    candles = synthesize("edge", 5_600, symbol="EDGEUSDT", end=END, candles=26_000)
    labelled = labelled_without_features(candles)
    opened = labelled.features.open_time
    first = datetime.fromisoformat(cheap.trained.metadata["split"]["test"]["first"]).timestamp() * 1000
    rows = np.flatnonzero(labelled.decided & (opened >= first))
    best = np.mean((oracle(candles)[labelled.features.row[rows]] > 0.5) == (labelled.label[rows] == UP))
    metrics = cheap.trained.metadata["metrics"]

    assert metrics["n"] == len(rows)
    assert metrics["accuracy_ci95"][0] > 0.5
    assert metrics["accuracy"] < best


# A look that was taken is not forgotten -----------------------------------------------------------


FAIR = BookCheck(())


@pytest.mark.parametrize("remembered", [True, False])
def test_a_symbol_rejected_in_the_universe_is_not_tradable_alone(tmp_path: Path, *, remembered: bool) -> None:
    """Forty symbols without an edge, of which the luckiest shows 1 %; then that one again, alone.

    Planted, where not ``remembered``: a run that does not read the ledger calls it an edge.
    """
    registry, settings = ModelRegistry(tmp_path), product()
    cheap, _ = trained_at_both_costs()
    lucky = [0.01, *np.linspace(0.05, 0.99, 39).tolist()]

    def run_on(ledger: EvaluationLedger) -> TrainingRun:
        console = Console(quiet=True, as_json=False)
        return TrainingRun(settings, registry, ledger, console, lambda asked: dict.fromkeys(asked, FAIR))

    with EvaluationLedger(tmp_path / "ledger") as ledger:
        universe = run_on(ledger)
        for number, p_value in enumerate(lucky):
            universe.add(with_luck(cheap, f"S{number}USDT", p_value, settings="universe"))
        universe.judge()
        assert ledger.count() == len(universe.versions) == 40
    with EvaluationLedger(tmp_path / ("ledger" if remembered else "another")) as ledger:
        alone = run_on(ledger)
        alone.add(with_luck(cheap, "S0USDT", 0.01, settings="alone"))
        alone.judge()

    written = [json.loads(path.read_text())["verdict"] for path in sorted(tmp_path.glob("metadata/S0USDT_*"))]
    assert [verdict["tradable"] for verdict in written] == [False, not remembered]
    assert [verdict["family_size"] for verdict in written] == [40, 41 if remembered else 1]


@pytest.mark.parametrize("problem", ["LAGUSDT: the last price lags behind the mark price", None])
def test_who_passes_everything_else_is_asked_about_and_may_be_refused(
    tmp_path: Path, problem: str | None
) -> None:
    """A last price that nobody can trade at looks like an edge to every other condition."""
    cheap, _ = trained_at_both_costs()
    asked: dict[str, float | None] = {}

    def check(spreads_bps: Mapping[str, float | None]) -> dict[str, BookCheck]:
        asked.update(spreads_bps)
        return {"LAGUSDT": FAIR if problem is None else BookCheck((problem,))}

    with EvaluationLedger(tmp_path / "ledger") as ledger:
        run = TrainingRun(
            product(), ModelRegistry(tmp_path), ledger, Console(quiet=True, as_json=False), check
        )
        run.add(with_luck(cheap, "LAGUSDT", 0.001, settings="as they are"))
        run.add(with_luck(cheap, "LOSTUSDT", 0.9, settings="as they are"))
        run.judge()
        accepted = ledger.acceptance("LAGUSDT", "as they are")

    verdicts = {version.candidate.symbol: version.metadata["verdict"] for version in run.versions}
    assert asked == {"LAGUSDT": CHEAP.spread_bps}
    assert verdicts["LAGUSDT"]["tradable"] is (problem is None)
    assert verdicts["LAGUSDT"]["reasons"] == ([] if problem is None else [problem])
    assert (accepted is None) is (problem is not None)


class ClosedTerminal(io.StringIO):
    """What a program writes to after its terminal was closed."""

    def write(self, _: str) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_line_that_cannot_be_printed_leaves_a_symbol_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its model is in force: a summary that calls it unpublished would be wrong, and it gets no verdict."""
    cheap, _ = trained_at_both_costs()
    monkeypatch.setattr(sys, "stdout", ClosedTerminal())
    with EvaluationLedger(tmp_path / "ledger") as ledger:
        console = Console(quiet=False, as_json=False)
        run = TrainingRun(product(), ModelRegistry(tmp_path), ledger, console, lambda _: {})
        run.add(with_luck(cheap, "AUSDT", 0.9, settings="as they are"))
        run.judge()

    assert [version.candidate.symbol for version in run.versions] == ["AUSDT"]
    assert run.failed == []
    assert (tmp_path / "AUSDT_latest.txt").exists()


def with_luck(examined: EvaluatedSymbol, symbol: str, p_value: float, *, settings: str) -> EvaluatedSymbol:
    """The symbol's evidence with another name and another p-value."""
    evidence = examined.evidence
    return EvaluatedSymbol(
        replace(examined.trained, symbol=symbol, metadata=dict(examined.trained.metadata)),
        replace(
            evidence,
            examination=replace(evidence.examination, symbol=symbol, tested=True, p_value=p_value),
            evaluation=replace(
                evidence.evaluation, symbol=symbol, tested=True, p_value=p_value, settings=settings
            ),
        ),
        key=hashlib.sha256(f"{symbol} {settings}".encode()).hexdigest(),
        comparison=None,
    )


# Whatever the market does -------------------------------------------------------------------------

LENGTH = 4_000


def prices(close: np.ndarray) -> np.ndarray:
    """Candles without wicks, shape (6, n)."""
    open_ = np.concatenate([close[:1], close[:-1]])
    return np.stack(
        [open_, np.maximum(open_, close), np.minimum(open_, close), close, np.ones(len(close)), close]
    )


def steps(size: float, *, seed: int = 1) -> np.ndarray:
    """Log returns of a random walk."""
    return np.random.default_rng(seed).normal(scale=size, size=LENGTH)


def after(row: int, factor: float) -> np.ndarray:
    """A random walk that jumps by ``factor`` from one candle to the next."""
    close = 100 * np.exp(np.cumsum(steps(0.002)))
    close[row:] *= factor
    return prices(close)


def one_wick(factor: float) -> np.ndarray:
    values = prices(100 * np.exp(np.cumsum(steps(0.002))))
    values[1 if factor > 1 else 2, 2_000] *= factor
    return values


def only_up_labels() -> np.ndarray:
    """Quiet, but for a jump upwards now and then."""
    rng = np.random.default_rng(2)
    return prices(100 * np.exp(np.cumsum(np.where(rng.random(LENGTH) < 0.1, 0.004, steps(0.0001)))))


def asleep(rows: slice) -> np.ndarray:
    returns = steps(0.002)
    returns[rows] = 0.0
    values = prices(100 * np.exp(np.cumsum(returns)))
    values[4:, rows] = 0.0
    return values


STRANGE: dict[str, Callable[[], np.ndarray]] = {
    "a thousandfold rise in development": lambda: after(2_000, 1_000.0),
    "a fall to a thousandth in development": lambda: after(2_000, 0.001),
    "a thousandfold rise in the test part": lambda: after(3_600, 1_000.0),
    "a fall to a thousandth in the test part": lambda: after(3_600, 0.001),
    "one endless wick up": lambda: one_wick(1e6),
    "one endless wick down": lambda: one_wick(1e-6),
    "two prices": lambda: prices(np.where(np.arange(LENGTH) % 4 < 2, 100.0, 101.0)),
    "asleep in the end": lambda: asleep(slice(3_000, LENGTH)),
    "tiny prices": lambda: prices(1e-9 * np.exp(np.cumsum(steps(0.002)))),
    "no volume": lambda: (
        prices(100 * np.exp(np.cumsum(steps(0.002)))) * np.array([[1], [1], [1], [1], [0], [0]])
    ),
}

ONE_SIDED: dict[str, Callable[[], np.ndarray]] = {
    "labels of one side": only_up_labels,
    "rising without end": lambda: prices(100 * np.exp(0.003 * np.arange(LENGTH))),
    "falling without end": lambda: prices(1e6 * np.exp(-0.003 * np.arange(LENGTH))),
    "asleep at first": lambda: asleep(slice(0, 2_500)),
}
"""In the first 40 % of the candles, or throughout."""


REFUSED: dict[str, Callable[[], np.ndarray]] = {
    "flat": lambda: prices(np.full(LENGTH, 100.0)),
    "flat and without a trade": lambda: asleep(slice(0, LENGTH)),
    "very few labels": lambda: prices(100 * np.exp(np.cumsum(steps(0.0006)))),
}


def job_on(values: np.ndarray) -> SymbolJob:
    open_time = END - CANDLE_MS * np.arange(LENGTH, 0, -1, dtype=np.int64)
    candles = Candles("ODDUSDT", frozen(open_time), frozen(values))
    return SymbolJob(candles, product(n_seeds=1).model, REAL_COSTS, control=True)


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_series_is_neither_a_crash_nor_an_edge(name: str) -> None:
    """It is examined like any other, and what is written of it is JSON without NaN."""
    examined = train_symbol(job_on(STRANGE[name]()))

    assert not verdict_on(examined).tradable
    assert json.dumps(examined.trained.metadata, allow_nan=False)
    assert json.dumps(record.as_json(examined.evidence.evaluation), allow_nan=False)


@pytest.mark.parametrize("name", REFUSED)
def test_a_series_that_hardly_moves_is_left_out_with_a_reason(name: str) -> None:
    """The trader is told what was counted, and that a smaller threshold might help."""
    with pytest.raises(NotEnoughHistory, match=r"labelled development candles, 100 needed; .*--threshold"):
        train_symbol(job_on(REFUSED[name]()))


@pytest.mark.parametrize("name", ONE_SIDED)
def test_a_series_whose_models_would_see_one_side_is_left_out_with_a_reason(name: str) -> None:
    """No week of the walk can be scored; a published model would only ever say one thing."""
    with pytest.raises(NotEnoughHistory, match="no week has both rising and falling labelled candles"):
        train_symbol(job_on(ONE_SIDED[name]()))


def test_a_series_on_too_coarse_a_grid_is_left_out_with_a_reason() -> None:
    """Two prices that lie 2 % apart, whatever the tick of the contract: no cost charged for it is honest."""
    two = prices(np.where(np.arange(LENGTH) % 4 < 2, 100.0, 102.0))

    with pytest.raises(UntradablePrices, match=r"steps of 2 USDT, 2\.0 % of the price.* at most 1 % "):
        train_symbol(job_on(two))


def test_a_contract_that_pays_for_taking_is_left_out_with_a_reason() -> None:
    """A slip of a sign in one contract made a random walk earn 1,000 bp a trade, at p 1e-73."""
    paid = replace(REAL_COSTS, taker_fee=-0.05)

    with pytest.raises(UntradablePrices, match="taker's fee of -500 bp; nobody is paid for taking"):
        costs_of(paid, synthesize("noise", 1, symbol="XUSDT", end=END, candles=600), product().learn)


@pytest.mark.parametrize("length", [1, 587, 588, 589, 999, 1_000, 1_001])
def test_the_shortest_histories_are_refused_with_a_reason(length: int) -> None:
    """Around the candles that one row of features needs, and the fewest that are trained on."""
    whole = synthesize("noise", 5_700, symbol="YOUNGUSDT", end=END, candles=1_002)
    young = whole.rows(len(whole) - length, len(whole))

    with pytest.raises(NotEnoughHistory):
        train_symbol(SymbolJob(young, product(min_samples=1).model, REAL_COSTS, control=False))
