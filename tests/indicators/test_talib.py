"""TA-Lib as the oracle: an independent implementation that traders know must say the same."""

from functools import cache

import numpy as np
import pytest
import talib

from desk.indicators.panel import Panel
from desk.indicators.windows import Array
from desk.values import Candles
from ml_feature_engineering import FEATURES
from tests.indicators.markets import real_series

COMPUTE = {feature.name: feature.compute for feature in FEATURES}
WARM = 2000
"""Candles after which TA-Lib's own recursions have forgotten how they began."""


@cache
def oracle(symbol: str) -> tuple[Candles, dict[str, Array]]:
    """TA-Lib's value of each of our columns that it knows too, scaled as ours are."""
    candles = real_series(symbol)
    _, h, l, c, v, _ = candles.values
    upper, middle, lower = talib.BBANDS(c, 20, 2, 2)
    macd, _, histogram = talib.MACD(c, 12, 26, 9)
    slow_k, slow_d = talib.STOCH(h, l, c, fastk_period=14, slowk_period=3, slowd_period=3)
    aroon_down, aroon_up = talib.AROON(h, l, 25)
    return candles, {
        "rsi_6": talib.RSI(c, 6),
        "rsi_14": talib.RSI(c, 14),
        "cmo_24": talib.CMO(c, 24),
        "ema_distance_9": c / talib.EMA(c, 9) - 1,
        "ema_distance_50": c / talib.EMA(c, 50) - 1,
        "sma_distance_144": c / talib.SMA(c, 144) - 1,
        "sma_distance_576": c / talib.SMA(c, 576) - 1,
        "macd_12_26": macd / c,
        "macd_histogram_12_26_9": histogram / c,
        "natr_14": talib.ATR(h, l, c, 14) / c,
        "adx_14": talib.ADX(h, l, c, 14),
        "plus_di_14": talib.PLUS_DI(h, l, c, 14),
        "minus_di_14": talib.MINUS_DI(h, l, c, 14),
        "band_position_20": (c - middle) / (upper - middle),
        "band_width_20": (upper - lower) / middle,
        "stochastic_k_14": slow_k,
        "stochastic_d_14": slow_d,
        "cci_20": talib.CCI(h, l, c, 20),
        "williams_r_28": talib.WILLR(h, l, c, 28),
        "mfi_14": talib.MFI(h, l, c, v, 14),
        "ultimate_7_14_28": talib.ULTOSC(h, l, c, 7, 14, 28),
        "aroon_up_25": aroon_up,
        "aroon_down_25": aroon_down,
        "aroon_oscillator_287": talib.AROONOSC(h, l, 287),
        "trix_12": talib.TRIX(c, 12) / 100,
        "roc_9": talib.ROC(c, 9) / 100,
        "regression_slope_14": talib.LINEARREG_SLOPE(c, 14) / c,
    }


COLUMNS = (
    *(
        "rsi_6",
        "rsi_14",
        "cmo_24",
        "ema_distance_9",
        "ema_distance_50",
        "sma_distance_144",
        "sma_distance_576",
    ),
    *("macd_12_26", "macd_histogram_12_26_9", "natr_14", "adx_14", "plus_di_14", "minus_di_14"),
    *("band_position_20", "band_width_20", "stochastic_k_14", "stochastic_d_14", "cci_20", "williams_r_28"),
    *(
        "mfi_14",
        "ultimate_7_14_28",
        "aroon_up_25",
        "aroon_down_25",
        "aroon_oscillator_287",
        "trix_12",
        "roc_9",
    ),
    "regression_slope_14",
)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "1000PEPEUSDT"])
@pytest.mark.parametrize("name", COLUMNS)
def test_talib_agrees(name: str, symbol: str) -> None:
    """To 1e-6 of the deviation of the column, and to 1e-6 outright, in every one of 52,000 candles."""
    candles, columns = oracle(symbol)
    theirs = columns[name][WARM:]

    ours = COMPUTE[name](Panel(candles.values, candles.open_time))[-len(theirs) :]

    assert np.isfinite(theirs).all()
    assert np.abs(ours - theirs).max() <= 1e-6 * min(1.0, float(theirs.std()))


def test_every_indicator_that_talib_has_is_held_to_it() -> None:
    """A column added to the oracle but not to the list would be checked by nobody."""
    assert set(oracle("BTCUSDT")[1]) == set(COLUMNS)
