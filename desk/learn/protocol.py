"""One symbol, from labelled candles to everything that is known of its model.

A ``LabelledSet`` with its candles comes in; a ``SymbolReport`` goes out: what was chosen, what the walk then
earned, what the guide's figures are, and the models.  Pure.

Two splits of one history.  The guide's: parameters and rounds are chosen on the development part, the first
four fifths; the ``evaluated`` model of that part is measured on the last fifth.  The walk: every week after
the first 40 % of the candles is scored by a model of what lies before it, and traded by thresholds that
earlier weeks chose.  Trades, thresholds and the verdict stand on the walk.

Not here: features and labels (``ml_feature_engineering``), what is written down (``desk.learn.record``),
and what needs all symbols of a run (``desk.learn.verdict.decide_verdicts``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from desk.costs import WIDEST_SPREAD, Costs, coarsest_tick_bps, require_tradable_prices
from desk.errors import NotEnoughHistory, UntradablePrices
from desk.learn.calibration import Calibration
from desk.learn.conditions import examine
from desk.learn.evaluation import Metrics, last_return, measure
from desk.learn.evidence import evidence_start
from desk.learn.recipe import bin_labelled, fit, recipe_of
from desk.learn.settings import LearnSettings
from desk.learn.splits import Fold, Rows, Split, hold_out, walk_forward
from desk.learn.stability import Stability, stability, trailing_volatility
from desk.learn.thresholds import Walked, prequential
from desk.learn.trades import DayLine
from desk.learn.training import Model
from desk.learn.tuning import Tuned, rounds_known_before, tune
from desk.learn.verdict import Evaluation, Examination
from desk.learn.walk import Walk, WalkBlock, score_walk, walk_blocks
from desk.learn.walk_trades import WalkTrades, evidence_of, trade_walk
from desk.policy import TradeRules
from desk.ticks import grid_of, weekly_ticks
from desk.values import UNKNOWN, UP, Candles, LabelledSet


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCosts:
    """What the exchange asks of a trade in one contract.  Fees are fractions: 0.0006 is 6 bp."""

    tick: float | None
    """Price step, in USDT; None where it is unknown."""
    taker_fee: float
    maker_fee: float
    spread_bps: float | None
    """Distance between bid and ask; None where it is unknown."""
    spread_source: str
    """Where it is from, as a clause."""
    turnover: float | None
    """USDT in 24 hours; None where it is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SymbolReport:
    """Everything that is known of one symbol's model before the other symbols are."""

    split: Split
    folds: tuple[Fold, ...]
    tuned: Tuned
    costs: Costs
    walk: Walk
    walked: Walked
    traded: WalkTrades
    kept_lines: tuple[DayLine, ...]
    """Days of the blocks whose models are kept, started flat: what a replay shows."""
    calibration: Calibration | None
    """Of the candles of evidence that fired."""
    stability: Stability
    """Of the walk from its first thresholds on."""
    evaluated: Model
    """The model of the development part, which ``metrics`` describe."""
    metrics: Metrics | None
    published: Model
    """The same recipe on all candles, or ``evaluated`` itself."""
    train_rows: Rows
    """Rows that ``published`` was trained on, neutral ones included."""
    evidence_row: int
    """Row of ``traded.block`` from which on candles are evidence."""
    evidence_window: str
    """Why the evidence is shorter than the walk, as a sentence; empty where it is not."""
    examination: Examination

    def evaluation(self, *, at: str, settings: str) -> Evaluation:
        """The look at the candles of evidence, as the ledger records it.

        Parameters
        ----------
        at : str
            When, ISO 8601 UTC.
        settings : str
            Fingerprint of the settings that can change the model.
        """
        times = self.traded.block.candles.open_time
        return Evaluation(
            kind="train",
            symbol=self.examination.symbol,
            settings=settings,
            first=int(times[min(self.evidence_row, len(times) - 1)]),
            last=int(times[-1]),
            tested=self.examination.tested,
            p_value=self.examination.p_value,
            at=at,
        )


def run_protocol(
    labelled: LabelledSet,
    candles: Candles,
    *,
    contract_costs: ContractCosts,
    settings: LearnSettings,
    seed: int,
    shown_through: int | None,
    lap: Callable[[str], object],
) -> SymbolReport:
    """Choose on development, walk through the history, evaluate, and fit what is published.

    Parameters
    ----------
    labelled : LabelledSet
        Made from ``candles``.
    candles : Candles
        The whole series.
    contract_costs : ContractCosts
    settings : LearnSettings
    seed : int
        Of the search and of every model.
    shown_through : int or None
        Open time (ms) of the last candle on which ``--explore`` showed this setting; None: it never did.
    lap : callable
        Called with the name of each stage when it ends.

    Raises
    ------
    NotEnoughHistory
        If there are too few labelled candles to learn from.
    UntradablePrices
        If the price step is unknown or above 1 % of the price.
    """
    rules, costs = rules_of(settings), costs_of(contract_costs, candles, settings)
    split = hold_out(labelled, candles=len(candles), test_share=settings.test_share)
    learnable = split.development[labelled.decided[split.development]]
    blocks = walk_blocks(labelled, candles, first_share=settings.walk_first_share)
    _require_learnable(learnable, blocks, settings)
    folds = walk_forward(
        labelled, split.development, folds=settings.n_folds, first_share=settings.first_share
    )
    first = min([blocks[0].train, *(fold.train for fold in folds)], key=len)
    binned = bin_labelled(labelled, first)
    tuned = tune(binned, folds, settings, seed=seed)
    lap("tuning")

    published_recipe = recipe_of(tuned.parameters, tuned.rounds, settings.n_seeds, seed=seed)
    first_rounds = rounds_known_before(binned, blocks[0].train, settings, seed=seed)
    test_first = int(labelled.features.row[split.test[0]])
    walk = score_walk(
        binned,
        blocks,
        early=recipe_of(settings.baseline, first_rounds, settings.walk_seeds, seed=seed),
        late=recipe_of(tuned.parameters, tuned.rounds, settings.walk_seeds, seed=seed),
        late_from=test_first,
        newest=published_recipe,
    )
    lap("walk")

    label = np.full(len(candles), UNKNOWN, dtype=np.int8)
    label[labelled.features.row] = labelled.label
    walked = prequential(
        candles, label, walk.blocks, rules=settings.thresholds, trade_rules=rules, costs=costs
    )
    traded = trade_walk(candles, label, walk, walked, rules=rules, costs=costs)
    lap("thresholds")

    evaluated = fit(binned, split.development, published_recipe)
    train_rows = np.arange(len(labelled)) if settings.refit_on_all else split.development
    published = fit(binned, train_rows, published_recipe) if settings.refit_on_all else evaluated
    lap("fit")

    chosen_through, because = _chosen_through(tuned, labelled, split, shown_through)
    start, window = evidence_start(
        [int(candles.open_time[block.first]) for block in blocks],
        chosen_through=chosen_through,
        because=because,
    )
    evidence_row = len(traded.block) if start is None else int(traded.starts[start])
    evidence = evidence_of(
        traded,
        walk,
        walked,
        candles,
        since=evidence_row,
        window=window,
        labelled=len(learnable),
        bins=settings.calibration_bins,
        level=settings.verdict.calibration_level,
        tick_bps=coarsest_tick_bps(candles, contract_costs.tick, costs.grid),
        turnover=contract_costs.turnover,
        spread_bps=contract_costs.spread_bps,
    )
    since, kept = traded.first_traded, int(traded.starts[walk.late])
    volatility = trailing_volatility(candles)[blocks[0].first : blocks[-1].stop]
    report = SymbolReport(
        split=split,
        folds=folds,
        tuned=tuned,
        costs=costs,
        walk=walk,
        walked=walked,
        traded=traded,
        kept_lines=traded.started_flat(kept, rules=rules, costs=costs),
        calibration=traded.calibration(evidence_row, bins=settings.calibration_bins),
        stability=stability(traded.block, traded.trades, volatility, since=since),
        evaluated=evaluated,
        metrics=_guide_metrics(evaluated, labelled, candles, learnable, split.test),
        published=published,
        train_rows=train_rows,
        evidence_row=evidence_row,
        evidence_window=window,
        examination=examine(evidence, settings.verdict),
    )
    lap("evaluation")
    return report


def _require_learnable(learnable: Rows, blocks: tuple[WalkBlock, ...], settings: LearnSettings) -> None:
    if len(learnable) < settings.min_labels:
        raise NotEnoughHistory(
            f"Insufficient data: {len(learnable)} labelled development candles, {settings.min_labels} "
            f"needed; closes rarely move {settings.min_price_change * 100:g} % in "
            f"{settings.prediction_horizon} candles: give a smaller --threshold or a longer history"
        )
    if not blocks:
        raise NotEnoughHistory(
            "Insufficient data: no week has both rising and falling labelled candles before it: give a "
            "smaller --threshold or a longer history"
        )


def _chosen_through(
    tuned: Tuned, labelled: LabelledSet, split: Split, shown_through: int | None
) -> tuple[int | None, str]:
    """The last candle (open time, ms) on which something of the recipe was chosen, and what that was."""
    developed = int(labelled.features.open_time[split.development[-1]])
    if tuned.chosen == "tuned" and (shown_through is None or developed >= shown_through):
        return developed, "these parameters were"
    return shown_through, "this setting was"


def _guide_metrics(
    evaluated: Model, labelled: LabelledSet, candles: Candles, learnable: Rows, test: Rows
) -> Metrics | None:
    """The guide's figures of the last fifth."""
    rows = test[labelled.decided[test]]
    features = labelled.features
    return measure(
        evaluated.scores(features.x[rows]),
        labelled.label[rows],
        features.open_time[rows],
        last_return(candles, features.row[rows]),
        majority=int(2 * np.sum(labelled.label[learnable] == UP) >= len(learnable)),
    )


def rules_of(settings: LearnSettings) -> TradeRules:
    """How trades are held and protected under the settings."""
    trading = settings.trading
    return TradeRules(
        horizon=settings.prediction_horizon,
        stop_loss=trading.stop_loss,
        take_profit=trading.take_profit,
        stop_overshoot=trading.stop_overshoot,
    )


def costs_of(contract_costs: ContractCosts, candles: Candles, settings: LearnSettings) -> Costs:
    """What trades in these candles pay: the taker's fee on both sides, and slippage.

    Parameters
    ----------
    contract_costs : ContractCosts
    candles : Candles
    settings : LearnSettings

    Raises
    ------
    UntradablePrices
        If the price step is unknown or above 1 % of the price, or the taker's fee is below 0.
    """
    if contract_costs.taker_fee < 0:
        raise UntradablePrices(
            f"{candles.symbol}: the exchange lists a taker's fee of {contract_costs.taker_fee * 1e4:g} bp; "
            "nobody is paid for taking, so 0 or more is needed; leave the symbol out"
        )
    weekly = weekly_ticks(candles)
    require_tradable_prices(candles, contract_costs.tick, weekly)
    grid_from, grid = grid_of(candles, weekly)
    return Costs(
        tick=contract_costs.tick or 0.0,
        slippage=settings.trading.slippage,
        fee_entry=contract_costs.taker_fee,
        fee_exit=contract_costs.taker_fee,
        spread=min((contract_costs.spread_bps or 0.0) / 1e4, WIDEST_SPREAD),
        grid_from=grid_from,
        grid=grid,
    )
