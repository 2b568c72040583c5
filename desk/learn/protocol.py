"""One symbol, from labelled candles to everything that is known of its model.

A ``LabelledSet`` with its candles comes in; a ``SymbolReport`` goes out: what was chosen on the development
part, what the test part then showed, and the models.  Pure.  The order of the lines is the protocol:
nothing below ``# The one look`` is seen by anything above it.

Not here: features and labels (``ml_feature_engineering``), what is written down (``desk.learn.record``),
and what needs all symbols of a run (``desk.learn.verdict.decide``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.costs import Costs
from desk.errors import NotEnoughHistory
from desk.learn.calibration import Calibration, calibrate
from desk.learn.conditions import examine
from desk.learn.evaluation import Metrics, last_return, measure
from desk.learn.evidence import Evidence
from desk.learn.recipe import Recipe, out_of_fold, recipe_of, teach
from desk.learn.selection import Selection, select
from desk.learn.settings import LearnSettings
from desk.learn.splits import Fold, Rows, Split, hold_out, walk_forward
from desk.learn.stability import Stability, stability, trailing_volatility
from desk.learn.trades import Block, TradeFigures, block_of, day_lines, examine_trades, figures, trades_in
from desk.learn.training import Model, Scores
from desk.learn.tuning import Tuned, tune
from desk.learn.verdict import Evaluation, Examination
from desk.policy import TradeRules
from desk.values import UP, Candles, LabelledSet


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCosts:
    """What the exchange asks of a trade in one contract.  Fees are fractions: 0.0006 is 6 bp."""

    tick: float | None
    """Price step, in USDT; None where it is unknown."""
    taker_fee: float
    maker_fee: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SymbolReport:
    """Everything that is known of one symbol's model before the other symbols are."""

    split: Split
    folds: tuple[Fold, ...]
    tuned: Tuned
    recipe: Recipe
    selection: Selection
    out_of_fold: TradeFigures | None
    """Trades at the thresholds on the development part; None where no fold could judge."""
    judged: Block | None
    """What ``out_of_fold`` was traded on."""
    evaluated: Model
    """Learned the development part; the figures below are its."""
    metrics: Metrics | None
    test: TradeFigures
    tested: Block
    """What ``test`` was traded on."""
    calibration: Calibration | None
    stability: Stability
    published: Model
    """The same recipe on all candles, or ``evaluated`` itself."""
    taught: Rows
    """Rows that ``published`` learned from."""
    examination: Examination
    symbol: str
    test_first: int
    """Open time of the first test candle, ms."""
    test_last: int

    def evaluation(self, *, at: str, settings: str) -> Evaluation:
        """The look at the test part, for the ledger; ``settings`` is their fingerprint."""
        return Evaluation(
            kind="train",
            symbol=self.symbol,
            test_first=self.test_first,
            test_last=self.test_last,
            settings=settings,
            passed_gate=self.examination.passed_gate,
            p_value=self.examination.p_value,
            at=at,
        )


def study(
    labelled: LabelledSet,
    candles: Candles,
    *,
    terms: ContractCosts,
    settings: LearnSettings,
    seed: int,
    lap: Callable[[str], object],
) -> SymbolReport:
    """Choose on development, look at the test part once, and fit what is published.

    Parameters
    ----------
    labelled : LabelledSet
        Made from ``candles``.
    lap : callable
        Told the name of each stage when it ends.

    Raises
    ------
    NotEnoughHistory
        If there are too few labelled candles to learn from.
    """
    split = hold_out(labelled, candles=len(candles), test_share=settings.test_share)
    learnable = split.development[labelled.decided[split.development]]
    if len(learnable) < settings.min_labels:
        raise NotEnoughHistory(
            f"Insufficient data: {len(learnable)} labelled development candles, {settings.min_labels} "
            f"needed; closes rarely move {settings.min_price_change:.2%} in {settings.prediction_horizon} "
            "candles: give a smaller --threshold or a longer history"
        )
    folds = walk_forward(
        labelled, split.development, folds=settings.n_folds, first_share=settings.first_share
    )
    tuned = tune(labelled, folds, settings, seed=seed)
    lap("tuning")

    recipe = recipe_of(tuned.parameters, tuned.rounds, settings, seed=seed)
    rules, costs = rules_of(settings), costs_of(terms, settings)
    judged, scores = out_of_fold(labelled, folds, recipe)
    probability = probability_of(scores)
    features = labelled.features
    selection = select(
        probability,
        labelled.label[judged],
        features.open_time[judged],
        horizon=labelled.horizon,
        rules=settings.selection,
    )
    thresholds = selection.thresholds
    judged_block, earned = None, None
    if len(judged):
        judged_block = block_of(candles, labelled, judged, probability)
        earned = examine_trades(judged_block, thresholds, rules, costs)
    lap("selection")

    evaluated = teach(labelled, split.development, recipe)
    taught = np.arange(len(labelled)) if settings.refit_on_all else split.development
    published = teach(labelled, taught, recipe) if settings.refit_on_all else evaluated
    lap("fit")

    # The one look at the test part.
    scores = evaluated.scores(features.x[split.test])
    decided = labelled.decided[split.test]
    seen = split.test[decided]
    majority = int(2 * np.sum(labelled.label[learnable] == UP) >= len(learnable))
    metrics = measure(
        scores[decided],
        labelled.label[seen],
        features.open_time[seen],
        last_return(candles, features.row[seen]),
        majority=majority,
    )
    block = block_of(candles, labelled, split.test, probability_of(scores))
    trades = trades_in(block, thresholds, rules, costs)
    test = figures(day_lines(block, trades, thresholds))
    calibration = calibrate(
        probability_of(scores[decided]), labelled.label[seen], bins=settings.calibration_bins
    )
    volatility = trailing_volatility(candles)[block.start : block.start + len(block)]
    examination = examine(
        Evidence(
            symbol=features.symbol,
            selection=selection,
            out_of_fold=earned,
            test=test,
            calibration_error_points=calibration.error_points if calibration else None,
            labelled=len(learnable),
            faults=(),
        ),
        settings.verdict,
    )
    lap("evaluation")
    return SymbolReport(
        split=split,
        folds=folds,
        tuned=tuned,
        recipe=recipe,
        selection=selection,
        out_of_fold=earned,
        judged=judged_block,
        evaluated=evaluated,
        metrics=metrics,
        test=test,
        tested=block,
        calibration=calibration,
        stability=stability(block, trades, volatility),
        published=published,
        taught=taught,
        examination=examination,
        symbol=features.symbol,
        test_first=int(features.open_time[split.test[0]]),
        test_last=int(features.open_time[split.test[-1]]),
    )


def rules_of(settings: LearnSettings) -> TradeRules:
    """How trades are held and protected under the settings."""
    trading = settings.trading
    return TradeRules(
        horizon=settings.prediction_horizon, stop_loss=trading.stop_loss, take_profit=trading.take_profit
    )


def costs_of(terms: ContractCosts, settings: LearnSettings) -> Costs:
    """What trades pay: the taker's fee on both sides, and slippage."""
    return Costs(
        tick=terms.tick or 0.0,
        slippage=settings.trading.slippage,
        fee_entry=terms.taker_fee,
        fee_exit=terms.taker_fee,
    )


def probability_of(scores: Scores) -> NDArray[np.float64]:
    """Probability of up for log-odds, elementwise."""
    return 1.0 / (1.0 + np.exp(-scores))
