"""Features of candles, the contract that names them, and labels of what followed.

Place in the house: a door, between the checked candles and the learning.  ``Candles`` come in; a
``FeatureSet`` goes out to training (``build_features``), bare rows to live trading (``newest_rows``), a
``LabelledSet`` to training (``attach_labels``).  Pure: no file, no network, no clock.

Reading order: ``FEATURES`` is the whole list in column order, each feature with the number of candles that it
needs; the functions below only go through that table.

Not here: the formulas, see ``desk.indicators``; splits and models, see ``desk.learn``.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from desk.errors import MissingFeatures, NotEnoughHistory
from desk.indicators import oscillators, price, time_of_day, trend, volatility, volume
from desk.indicators.panel import Panel
from desk.indicators.windows import Array
from desk.values import CANDLE_MS, DOWN, NEUTRAL, UNKNOWN, UP, Candles, FeatureSet, LabelledSet, frozen

CONTRACT_VERSION = 1
"""Raise it whenever a formula changes: models that were trained before are then refused by live trading."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of every model."""

    name: str
    family: str
    memory: int
    """Candles that one value needs, its own included."""
    compute: Callable[[Panel], Array]
    """From a panel of (..., n) to (..., n - memory + 1), the newest last; empty where n < memory."""
    meaning: str


_MACD_HISTOGRAM = partial(
    trend.macd_histogram, fast=12, slow=26, signal=9, fast_reach=128, slow_reach=320, signal_reach=96
)

# One column a line or two, so that the whole list can be read.
# fmt: off
FEATURES: tuple[Feature, ...] = (
    # name, family, memory, function, meaning
    Feature("return_1", "returns", 2, partial(price.past_return, over=1), "log return over 5 minutes"),
    Feature("return_2", "returns", 3, partial(price.past_return, over=2), "log return over 10 minutes"),
    Feature("return_3", "returns", 4, partial(price.past_return, over=3), "log return over 15 minutes"),
    Feature("return_6", "returns", 7, partial(price.past_return, over=6), "log return over half an hour"),
    Feature("return_12", "returns", 13, partial(price.past_return, over=12), "log return over an hour"),
    Feature("return_24", "returns", 25, partial(price.past_return, over=24), "log return over 2 hours"),
    Feature("return_48", "returns", 49, partial(price.past_return, over=48), "log return over 4 hours"),
    Feature("return_96", "returns", 97, partial(price.past_return, over=96), "log return over 8 hours"),
    Feature("return_288", "returns", 289, partial(price.past_return, over=288), "log return over a day"),
    Feature("return_1_ago_1", "lagged returns", 3,
            partial(price.past_return, over=1, ago=1), "log return of the candle before"),
    Feature("return_1_ago_2", "lagged returns", 4,
            partial(price.past_return, over=1, ago=2), "log return 2 candles before"),
    Feature("return_1_ago_3", "lagged returns", 5,
            partial(price.past_return, over=1, ago=3), "log return 3 candles before"),
    Feature("return_6_ago_6", "lagged returns", 13,
            partial(price.past_return, over=6, ago=6), "log return over the half hour before the last"),
    Feature("return_12_ago_276", "lagged returns", 289,
            partial(price.past_return, over=12, ago=276), "log return over this coming hour, yesterday"),
    Feature("normalised_return_1", "normalised returns", 97,
            partial(price.normalised_return, over=1, window=96), "return over 5 minutes, in volatilities"),
    Feature("normalised_return_3", "normalised returns", 97,
            partial(price.normalised_return, over=3, window=96), "return over 15 minutes, in volatilities"),
    Feature("normalised_return_12", "normalised returns", 97,
            partial(price.normalised_return, over=12, window=96), "return over an hour, in volatilities"),
    Feature("roc_9", "rate of change", 10,
            partial(price.rate_of_change, window=9), "close against 9 candles ago"),
    Feature("efficiency_8", "efficiency", 9,
            partial(price.efficiency, window=8), "net move over sum of moves, signed, 40 minutes"),
    Feature("efficiency_48", "efficiency", 49,
            partial(price.efficiency, window=48), "net move over sum of moves, signed, 4 hours"),
    Feature("body", "candle shape", 1, price.body, "body over range, signed"),
    Feature("upper_wick", "candle shape", 1, price.upper_wick, "share of the range above the body"),
    Feature("lower_wick", "candle shape", 1, price.lower_wick, "share of the range below the body"),
    Feature("close_location", "candle shape", 1, price.close_location, "close between low (-1) and high (1)"),
    Feature("body_balance_6", "candle shape", 6,
            partial(price.body_balance, window=6), "bodies over ranges, half an hour"),
    Feature("wick_balance_12", "candle shape", 12,
            partial(price.wick_balance, window=12), "lower less upper wicks, an hour"),
    Feature("run", "runs", 13,
            partial(price.signed_run, longest=12), "closes in a row in one direction, signed"),
    Feature("direction_balance_24", "runs", 25,
            partial(price.direction_balance, window=24), "rising less falling closes, 2 hours"),
    Feature("unchanged_share_48", "runs", 49,
            partial(price.unchanged_share, window=48), "share of closes that did not move"),
    Feature("close_volatility_12", "volatility", 13,
            partial(volatility.close_volatility, window=12), "volatility from closes, an hour"),
    Feature("close_volatility_288", "volatility", 289,
            partial(volatility.close_volatility, window=288), "volatility from closes, a day"),
    Feature("parkinson_6", "volatility", 6,
            partial(volatility.parkinson_volatility, window=6), "volatility from ranges, half an hour"),
    Feature("garman_klass_24", "volatility", 24,
            partial(volatility.garman_klass_volatility, window=24), "volatility from whole candles, 2 hours"),
    Feature("rogers_satchell_96", "volatility", 96,
            partial(volatility.rogers_satchell_volatility, window=96), "volatility without drift, 8 hours"),
    Feature("natr_14", "volatility", 257,
            partial(volatility.average_true_range, period=14, reach=256), "average true range over close"),
    Feature("range_surprise_14", "volatility ratios", 257,
            partial(volatility.range_surprise, period=14, reach=256), "newest true range against average"),
    Feature("volatility_change_6_48", "volatility ratios", 49,
            partial(volatility.volatility_change, short=6, long=48), "half an hour against 4 hours"),
    Feature("volatility_change_48_576", "volatility ratios", 577,
            partial(volatility.volatility_change, short=48, long=576), "4 hours against 2 days"),
    Feature("range_to_close_96", "volatility ratios", 97,
            partial(volatility.range_to_close, window=96), "ranges against closes: are moves taken back"),
    Feature("downside_share_48", "form of returns", 49,
            partial(volatility.downside_share, window=48), "falling part of the squared returns"),
    Feature("largest_share_48", "form of returns", 49,
            partial(volatility.largest_share, window=48), "part of the largest in the squared returns"),
    Feature("return_skew_96", "form of returns", 97,
            partial(volatility.return_skew, window=96), "skewness of the returns"),
    Feature("range_unevenness_48", "form of returns", 49,
            partial(volatility.unevenness, window=48), "deviation of the true range over its mean"),
    Feature("autocorrelation_96", "autocorrelation", 98,
            partial(volatility.autocorrelation, window=96), "returns with those before, 8 hours"),
    Feature("autocorrelation_288", "autocorrelation", 290,
            partial(volatility.autocorrelation, window=288), "returns with those before, a day"),
    Feature("variance_ratio_6_96", "autocorrelation", 102,
            partial(volatility.variance_ratio, over=6, window=96), "do moves go on, 8 hours"),
    Feature("band_position_20", "Bollinger", 20,
            partial(volatility.band_position, window=20), "close between the bands (-1, 1)"),
    Feature("band_width_20", "Bollinger", 20,
            partial(volatility.band_width, window=20), "distance of the bands over the mean"),
    Feature("rsi_6", "RSI", 129, partial(oscillators.rsi, period=6, reach=128), "relative strength index"),
    Feature("rsi_14", "RSI", 321, partial(oscillators.rsi, period=14, reach=320), "relative strength index"),
    Feature("cmo_24", "CMO", 513,
            partial(oscillators.chande_momentum, period=24, reach=512), "Chande momentum oscillator"),
    Feature("stochastic_k_14", "stochastic", 16,
            partial(oscillators.stochastic_k, window=14, smoothing=3), "slow stochastic %K"),
    Feature("stochastic_d_14", "stochastic", 18,
            partial(oscillators.stochastic_d, window=14, smoothing=3), "slow stochastic %D"),
    Feature("williams_r_28", "Williams %R", 28,
            partial(oscillators.williams_r, window=28), "close below the highest high"),
    Feature("cci_20", "CCI", 20,
            partial(oscillators.commodity_channel, window=20), "commodity channel index"),
    Feature("mfi_14", "MFI", 15, partial(oscillators.money_flow_index, window=14), "money flow index"),
    Feature("ultimate_7_14_28", "ultimate oscillator", 29,
            partial(oscillators.ultimate, short=7, middle=14, long=28), "buying pressure in three windows"),
    Feature("channel_position_288", "channel", 288,
            partial(oscillators.channel_position, window=288), "close between the extremes of a day"),
    Feature("channel_width_288", "channel", 288,
            partial(trend.channel_width, window=288), "extremes of a day, over close"),
    Feature("macd_12_26", "MACD", 320,
            partial(trend.macd, fast=12, slow=26, fast_reach=128, slow_reach=320), "fast less slow average"),
    Feature("macd_histogram_12_26_9", "MACD", 415, _MACD_HISTOGRAM, "MACD less its signal"),
    Feature("plus_di_14", "directional movement", 321,
            partial(trend.directional_index, period=14, reach=320, rising=True),
            "upward movement over range"),
    Feature("minus_di_14", "directional movement", 321,
            partial(trend.directional_index, period=14, reach=320, rising=False),
            "downward movement over range"),
    Feature("adx_14", "directional movement", 576,
            partial(trend.average_directional_index, period=14, reach=288), "how one-sided movement is"),
    Feature("aroon_up_25", "Aroon", 26, partial(trend.aroon_up, period=25), "how new the highest high is"),
    Feature("aroon_down_25", "Aroon", 26, partial(trend.aroon_down, period=25), "how new the lowest low is"),
    Feature("aroon_oscillator_287", "Aroon", 288,
            partial(trend.aroon_oscillator, period=287), "which extreme of the day is newer"),
    Feature("trix_12", "TRIX", 383,
            partial(trend.trix, span=12, reach=128), "change of the triple exponential average"),
    Feature("sma_distance_144", "moving averages", 144,
            partial(trend.sma_distance, window=144), "close over mean close of 12 hours"),
    Feature("sma_distance_576", "moving averages", 576,
            partial(trend.sma_distance, window=576), "close over mean close of 2 days"),
    Feature("ema_distance_9", "moving averages", 128,
            partial(trend.ema_distance, span=9, reach=128), "close over fast exponential average"),
    Feature("ema_distance_50", "moving averages", 576,
            partial(trend.ema_distance, span=50, reach=576), "close over slow exponential average"),
    Feature("sma_slope_20_5", "slopes", 25,
            partial(trend.sma_slope, window=20, steps=5), "change of the mean close"),
    Feature("ema_slope_50_12", "slopes", 588,
            partial(trend.ema_slope, span=50, reach=576, steps=12), "change of the exponential average"),
    Feature("regression_slope_14", "slopes", 14,
            partial(trend.regression_slope, window=14), "slope of the line fitted to the closes"),
    Feature("time_correlation_48", "slopes", 48,
            partial(trend.time_correlation, window=48), "correlation of the close with time, 4 hours"),
    Feature("time_correlation_288", "slopes", 288,
            partial(trend.time_correlation, window=288), "correlation of the close with time, a day"),
    Feature("volume_surprise_12", "volume", 12,
            partial(volume.volume_surprise, window=12), "volume against its mean of an hour"),
    Feature("volume_surprise_288", "volume", 288,
            partial(volume.volume_surprise, window=288), "volume against its mean of a day"),
    Feature("volume_change_12_288", "volume", 288,
            partial(volume.volume_change, short=12, long=288), "volume of an hour against a day"),
    Feature("volume_against_yesterday_12", "volume", 300,
            partial(volume.volume_against_yesterday, window=12, day=288),
            "volume of an hour against yesterday"),
    Feature("volume_unevenness_48", "volume", 48,
            partial(volume.volume_unevenness, window=48), "deviation of the volume over its mean"),
    Feature("zero_volume_share_48", "volume", 48,
            partial(volume.zero_volume_share, window=48), "share of candles without a trade"),
    Feature("directed_surprise_48", "signed volume", 48,
            partial(volume.directed_surprise, window=48), "volume surprise with the sign of the candle"),
    Feature("volume_balance_6", "signed volume", 7,
            partial(volume.volume_balance, window=6), "volume of rising less falling candles, half an hour"),
    Feature("volume_balance_24", "signed volume", 25,
            partial(volume.volume_balance, window=24), "volume of rising less falling candles, 2 hours"),
    Feature("weighted_return_12", "signed volume", 97,
            partial(volume.weighted_return, window=12, unit_window=96), "volume-weighted return"),
    Feature("money_flow_20", "Chaikin money flow", 20,
            partial(volume.money_flow, window=20), "volume by close location"),
    Feature("vwap_distance_1", "VWAP", 1,
            partial(volume.vwap_distance, window=1), "close over mean price paid in the candle"),
    Feature("vwap_distance_12", "VWAP", 12,
            partial(volume.vwap_distance, window=12), "close over mean price paid in an hour"),
    Feature("vwap_distance_48", "VWAP", 48,
            partial(volume.vwap_distance, window=48), "close over mean price paid in 4 hours"),
    Feature("vwap_distance_288", "VWAP", 288,
            partial(volume.vwap_distance, window=288), "close over mean price paid in a day"),
    Feature("illiquidity_change_1_48", "illiquidity", 49,
            partial(volume.illiquidity_change, short=1, long=48), "move per USDT, now against 4 hours"),
    Feature("illiquidity_change_12_288", "illiquidity", 289,
            partial(volume.illiquidity_change, short=12, long=288), "move per USDT, an hour against a day"),
    Feature("return_volume_correlation_48", "price and volume", 49,
            partial(volume.return_volume_correlation, window=48), "do volumes come with rises"),
    Feature("move_volume_correlation_48", "price and volume", 49,
            partial(volume.move_volume_correlation, window=48), "do volumes come with moves"),
    Feature("day_sin", "calendar", 1,
            partial(time_of_day.circle_sin, length=time_of_day.DAY), "sine of the time of day"),
    Feature("day_cos", "calendar", 1,
            partial(time_of_day.circle_cos, length=time_of_day.DAY), "cosine of the time of day"),
    Feature("week_sin", "calendar", 1,
            partial(time_of_day.circle_sin, length=time_of_day.WEEK), "sine of the time of week"),
    Feature("week_cos", "calendar", 1,
            partial(time_of_day.circle_cos, length=time_of_day.WEEK), "cosine of the time of week"),
    Feature("step_of_day", "calendar", 1,
            partial(time_of_day.clock_step, length=time_of_day.DAY), "candle of the day: a category"),
)
# fmt: on
CATEGORIES = ("step_of_day",)
"""Features without an order: two splits by size would have to meet to single out one time of day."""


def memory_of(features: tuple[Feature, ...] = FEATURES) -> int:
    """Count the candles, the current one included, that one full row of features needs."""
    return max(feature.memory for feature in features)


def contract_id(features: tuple[Feature, ...] = FEATURES) -> str:
    """Short name of this list of features, kept in the metadata and compared before trading."""
    spec = [CONTRACT_VERSION, *((feature.name, feature.memory) for feature in features)]
    return hashlib.sha256(json.dumps(spec).encode()).hexdigest()[:12]


def build_features(candles: Candles, *, max_missing_share: float, min_feature_share: float) -> FeatureSet:
    """Compute every feature for every candle that has enough history behind it.

    Parameters
    ----------
    candles : Candles
        Windows count the candles that are present.
    max_missing_share : float
        A row has no features if more than this share of the candles between the first and the last that it
        needs is missing: 0.02 is 2 %.
    min_feature_share : float
        Share of the rows with enough candles before them that must end with features.

    Returns
    -------
    FeatureSet
        Columns in the order of ``FEATURES``.

    Raises
    ------
    NotEnoughHistory
        If there are fewer candles than one row needs.
    MissingFeatures
        If fewer rows than ``min_feature_share`` have features, by holes or by values that are not finite.
    """
    needed = memory_of()
    if len(candles) < needed:
        raise NotEnoughHistory(
            f"{candles.symbol}: Insufficient data: {len(candles)} candles, {needed} needed for one row of "
            "features; raise --days, or leave the symbol out until it has traded longer"
        )
    panel = Panel(candles.values, candles.open_time)
    rows = len(candles) - needed + 1
    x = np.empty((rows, len(FEATURES)), dtype=np.float32)
    for column, feature in enumerate(FEATURES):
        x[:, column] = feature.compute(panel)[-rows:]

    has_holes = missing_share(candles.open_time, memory=needed) > max_missing_share
    not_finite: NDArray[np.bool_] = ~np.isfinite(x)
    usable = ~(has_holes | not_finite.any(axis=1))
    if usable.mean() < min_feature_share:
        names = [FEATURES[column].name for column in np.flatnonzero(not_finite.any(axis=0))]
        raise MissingFeatures(
            f"{candles.symbol}: Too many missing features: {(1 - usable.mean()) * 100:.1f} % of {rows} rows "
            f"have none, at most {(1 - min_feature_share) * 100:.1f} % may. {has_holes.mean() * 100:.1f} % "
            f"need candles of a span that misses more than {max_missing_share * 100:.1f} % of its candles "
            f"({candles.missing} are missing)"
            + (f"; not finite: {', '.join(names)}" if names else "")
            + ". Fetch the candles again with --refresh, or leave the symbol out"
        )
    row = np.flatnonzero(usable) + needed - 1
    return FeatureSet(
        symbol=candles.symbol,
        contract=contract_id(),
        names=tuple(feature.name for feature in FEATURES),
        row=frozen(row),
        open_time=frozen(candles.open_time[row]),
        x=frozen(x if usable.all() else x[usable]),
        categories=CATEGORIES,
    )


def missing_share(open_time: NDArray[np.int64], *, memory: int) -> NDArray[np.float64]:
    """Share of missing candles in the span of every ``memory`` candles, shape (..., n - memory + 1)."""
    span = (
        open_time[..., memory - 1 :] - open_time[..., : open_time.shape[-1] - memory + 1]
    ) // CANDLE_MS + 1
    return 1 - memory / span


def newest_rows(values: NDArray[np.float64], open_time: NDArray[np.int64]) -> NDArray[np.float32]:
    """Features of the newest candle of every symbol, in one pass.

    Each feature is given its own ``memory`` candles and no more.  Holes are not checked here: the caller must
    leave out a symbol whose ``missing_share`` is too large, as ``build_features`` does with rows.

    Parameters
    ----------
    values : ndarray, shape (symbols, 6, n), float64
        The newest n ≥ ``memory_of()`` candles of each symbol, rows as in ``desk.values.COLUMNS``.
    open_time : ndarray, shape (symbols, n), int64
        Their open times, ms.

    Returns
    -------
    ndarray, shape (symbols, len(FEATURES)), float32
        Bit for bit the last rows that ``build_features`` gives.
    """
    if values.shape[-1] < memory_of():
        raise ValueError(f"{values.shape[-1]} candles a symbol, {memory_of()} needed for a row of features")
    panels: dict[int, Panel] = {}
    x = np.empty((values.shape[0], len(FEATURES)), dtype=np.float32)
    for column, feature in enumerate(FEATURES):
        if feature.memory not in panels:
            panels[feature.memory] = Panel(values[..., -feature.memory :], open_time[..., -feature.memory :])
        x[:, column] = feature.compute(panels[feature.memory])[..., -1]
    return x


def attach_labels(features: FeatureSet, candles: Candles, *, horizon: int, threshold: float) -> LabelledSet:
    """Label every row by the move of the close within the next ``horizon`` candles.

    A label exists only when the candle ``horizon`` steps ahead is present, exactly that many rows later: it
    never spans a hole.

    Parameters
    ----------
    features : FeatureSet
        Made from ``candles``.
    candles : Candles
        Finished candles.
    horizon : int
        Candles from the decision to the candle that decides, at least 1.
    threshold : float
        Smallest move that counts, as a fraction: 0.002 is 0.2 %.

    Returns
    -------
    LabelledSet
        One label per row of ``features``.
    """
    if horizon < 1 or threshold <= 0:
        raise ValueError(f"horizon is {horizon} and threshold {threshold}, both must be positive")
    row = features.row
    if not np.array_equal(candles.open_time[row], features.open_time):
        raise ValueError(f"{features.symbol}: these features were not made from these candles")
    ahead = np.minimum(row + horizon, len(candles) - 1)
    steps = candles.open_time[ahead] - features.open_time
    known = (row + horizon == ahead) & (steps == horizon * CANDLE_MS)
    move = np.where(known, candles.close[ahead] / candles.close[row] - 1, np.nan)
    label = np.where(known, NEUTRAL, UNKNOWN).astype(np.int8)
    label[move >= threshold] = UP
    label[move <= -threshold] = DOWN
    return LabelledSet(
        features=features,
        horizon=horizon,
        threshold=threshold,
        label=frozen(label),
        move=frozen(move),
        known_at=frozen(features.open_time + (horizon + 1) * CANDLE_MS),
    )
