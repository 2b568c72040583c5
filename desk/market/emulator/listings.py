"""One symbol as the embedded exchange knows it, spelled as the exchange spells it.

Place in the house: the market, inside the emulator.  A ``Candles`` and funding rates come in from
``sources``; JSON text and plain values go out, to ``endpoints``.  Pure.

The spelling is written down here a second time, on purpose: a double that shared code with the client
(``desk.market.bitget.wire``) would share its mistakes.

Not here: which rows an answer holds, see ``endpoints``.
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np

from desk.market.emulator.forming import Forming, forming
from desk.market.series.facts import DAY_MS, HOUR_MS, USUAL_FUNDING_HOURS, Funding, PriceTick, price_tick
from desk.values import CANDLE_MS, Candles, frozen

TAKER_FEE: Final = "0.0006"
MAKER_FEE: Final = "0.0002"
USUAL_FUNDING_RATE: Final = 0.0001

_ROW: Final = '["%d","%r","%r","%r","%r","%r","%r"]'


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """A symbol with everything that can be asked about it."""

    candles: Candles
    funding: Funding
    tick: PriceTick

    @property
    def symbol(self) -> str:
        """Name on the exchange, such as BTCUSDT."""
        return self.candles.symbol

    def finished(self, now: int) -> int:
        """Count the candles that are closed at the server time ``now``."""
        return self.opened(now - CANDLE_MS)

    def opened(self, now: int) -> int:
        """Count the candles that have opened at ``now``, the forming one included."""
        return int(np.searchsorted(self.candles.open_time, now, side="right"))

    def before(self, bound: int) -> int:
        """Count the candles that open before ``bound``."""
        return int(np.searchsorted(self.candles.open_time, bound, side="left"))

    def rows(self, start: int, stop: int) -> list[str]:
        """Candles ``start`` to ``stop`` (exclusive), each as the JSON text of its row."""
        columns = self.candles.values[:, start:stop].tolist()
        times = self.candles.open_time[start:stop].tolist()
        rows = [_ROW % row for row in zip(times, *columns, strict=True)]
        if any("e" in row for row in rows):  # repr leaves plain decimals below 0.0001 and above 1e16
            rows = [_plain_row(*row) for row in zip(times, *columns, strict=True)]
        return rows

    def forming(self, now: int) -> Forming | None:
        """Candle that is not finished at ``now``: part of a stored one, or flat where the series just ended.

        None in a hole, before the listing, and when the series ended long ago.
        """
        open_time = now - now % CANDLE_MS
        row = self.opened(now) - 1
        if row < 0:
            return None
        newest = int(self.candles.open_time[row])
        if newest == open_time:
            return forming(self.candles, row, now, places=self.tick.places)
        if newest == open_time - CANDLE_MS and row == len(self.candles) - 1:
            close = float(self.candles.close[-1])
            return Forming(open_time, close, close, close, close, 0.0, 0.0)
        return None

    def price(self, now: int) -> float | None:
        """Last price; None before the first candle has opened."""
        row = self.opened(now) - 1
        if row < 0:
            return None
        part = self.forming(now)
        return float(self.candles.close[row]) if part is None else part.close

    def contract(self, now: int) -> dict[str, object]:
        """Row of ``contracts``."""
        price = float(np.median(self.candles.close)) if len(self.candles) else 1.0
        volume_places = min(max(math.ceil(math.log10(price / 5)), 0), 6)
        size_step = f"{Decimal(1).scaleb(-volume_places):f}"
        largest = max(math.floor(2_000_000 / price), 1)
        return {
            "symbol": self.symbol,
            "baseCoin": self.symbol.removesuffix("USDT"),
            "quoteCoin": "USDT",
            "buyLimitPriceRatio": "0.05",
            "sellLimitPriceRatio": "0.05",
            "feeRateUpRatio": "0.005",
            "makerFeeRate": MAKER_FEE,
            "takerFeeRate": TAKER_FEE,
            "openCostUpRatio": "0.01",
            "supportMarginCoins": ["USDT"],
            "minTradeNum": size_step,
            "priceEndStep": str(self.tick.step),
            "volumePlace": str(volume_places),
            "pricePlace": str(self.tick.places),
            "sizeMultiplier": size_step,
            "symbolType": "perpetual",
            "minTradeUSDT": "5",
            "maxSymbolOrderNum": "200",
            "maxProductOrderNum": "1000",
            "maxPositionNum": "150",
            "symbolStatus": "normal" if self.opened(now) else "listed",
            "offTime": "-1",
            "limitOpenTime": "-1",
            "deliveryTime": "",
            "deliveryStartTime": "",
            "deliveryPeriod": "",
            "launchTime": "",
            "fundInterval": str(self.funding.interval_hours),
            "minLever": "1",
            "maxLever": "100",
            "posLimit": "0.1",
            "maintainTime": "",
            "maxMarketOrderQty": str(largest),
            "maxOrderQty": str(6 * largest),
            "isRwa": "NO",
        }

    def ticker(self, now: int) -> dict[str, object] | None:
        """Row of ``tickers``; None before the first candle has opened."""
        stop = self.opened(now)
        if not stop:
            return None
        start = self.before(now - DAY_MS)
        values = self.candles.values[:, min(start, stop - 1) : stop].copy()
        part = self.forming(now)
        if part is not None and part.open_time == self.candles.open_time[stop - 1]:
            values[:, -1] = (part.open, part.high, part.low, part.close, part.volume, part.quote_volume)
        o, h, l, c, base, quote = values
        last, opened = float(c[-1]), float(o[0])
        first_today = self.before(now - now % DAY_MS)
        midnight = float(self.candles.values[0, first_today]) if first_today < stop else last
        fresh = start < stop  # a series that ended more than a day ago has no turnover
        settled = int(np.searchsorted(self.funding.time, now, side="right"))
        rate = float(self.funding.rate[settled - 1]) if settled else USUAL_FUNDING_RATE
        return {
            "symbol": self.symbol,
            "lastPr": decimal_text(last),
            "askPr": decimal_text(round(last + self.tick.size, self.tick.places)),
            "bidPr": decimal_text(last),
            "bidSz": "1",
            "askSz": "1",
            "high24h": decimal_text(float(h.max())),
            "low24h": decimal_text(float(l.min())),
            "ts": str(now),
            "change24h": decimal_text(round(last / opened - 1, 5)),
            "baseVolume": decimal_text(round(float(base.sum()), 4) if fresh else 0.0),
            "quoteVolume": decimal_text(round(float(quote.sum()), 4) if fresh else 0.0),
            "usdtVolume": decimal_text(round(float(quote.sum()), 4) if fresh else 0.0),
            "openUtc": decimal_text(midnight),
            "changeUtc24h": decimal_text(round(last / midnight - 1, 5)),
            "indexPrice": decimal_text(last),
            "fundingRate": decimal_text(rate),
            "holdingAmount": "0",
            "deliveryStartTime": None,
            "deliveryTime": None,
            "deliveryStatus": "",
            "open24h": decimal_text(opened),
            "markPrice": decimal_text(last),
        }

    def funding_page(self, now: int, *, size: int, number: int) -> list[dict[str, str]]:
        """Page ``number`` (from 1) of ``history-fund-rate``: newest first, settled ones only."""
        settled = int(np.searchsorted(self.funding.time, now, side="right"))
        newest = settled - size * (number - 1)
        return [
            {
                "symbol": self.symbol,
                "fundingRate": decimal_text(float(self.funding.rate[row])),
                "fundingTime": str(int(self.funding.time[row])),
            }
            for row in range(newest - 1, max(newest - size, 0) - 1, -1)
        ]


def listing_of(candles: Candles, funding: Funding | None = None) -> Listing:
    """List ``candles``; without funding rates, the usual one is settled as long as they go."""
    return Listing(candles, funding or usual_funding(candles), price_tick(candles))


def usual_funding(candles: Candles) -> Funding:
    """0.01 % every eight hours, as long as the candles go."""
    interval = USUAL_FUNDING_HOURS * HOUR_MS
    first, last = (int(candles.open_time[0]), int(candles.open_time[-1])) if len(candles) else (0, -1)
    time = np.arange(-(-first // interval) * interval, last + CANDLE_MS + 1, interval, dtype=np.int64)
    return Funding(frozen(time), frozen(np.full(len(time), USUAL_FUNDING_RATE)))


def decimal_text(value: float) -> str:
    """Shortest decimal text that reads back as ``value``, without an exponent."""
    text = repr(value)
    return f"{Decimal(text):f}" if "e" in text else text


def forming_row(part: Forming) -> str:
    """JSON text of a candle that is not finished."""
    volumes = (part.volume, part.quote_volume)
    return _plain_row(part.open_time, part.open, part.high, part.low, part.close, *volumes)


def _plain_row(open_time: int, *values: float) -> str:
    """JSON text of a row whose numbers must not be written with exponents."""
    fields = '","'.join([str(open_time), *map(decimal_text, values)])
    return f'["{fields}"]'
