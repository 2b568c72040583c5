"""What a replay is given of stored candles."""

import numpy as np

from desk.market.series.stored import StoredMarket, usual_contract
from desk.market.series.synthetic import synthesize
from desk.values import CANDLE_MS

END = 1_767_225_600_000


def test_series_end_with_their_span_and_keep_what_lies_before_it() -> None:
    """Features need a history; candles after the span are those of other models."""
    names = ("INSIDE", "OLDER", "NEWER", "UNKNOWN")
    series = tuple(synthesize("noise", 1, symbol=name, end=END, candles=100) for name in names)
    market = StoredMarket(series, tuple(map(usual_contract, series)), {"INSIDE": {END: 0.0001}})
    first, last = END - 50 * CANDLE_MS, END - 20 * CANDLE_MS
    span = {
        "INSIDE": (first, last),
        "OLDER": (END, END + CANDLE_MS),
        "NEWER": (END - 900 * CANDLE_MS, END - 101 * CANDLE_MS),
    }

    found = market.between(span)

    (part,), (contract,) = found.series, found.contracts
    assert (part.symbol, contract.symbol) == ("INSIDE", "INSIDE")
    assert (int(part.open_time[0]), int(part.open_time[-1])) == (END - 100 * CANDLE_MS, last)
    np.testing.assert_array_equal(part.values, series[0].values[:, :81])
    assert found.funding == market.funding
