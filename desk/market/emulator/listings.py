"""One symbol of the embedded exchange, and its rows as the exchange writes them.

Place in the house: the market, inside the emulator.  A ``Candles`` and funding rates come in from
``sources``; JSON text and plain values go out, to ``endpoints``.  Pure.

The format is written down here a second time, on purpose: a double that shared code with the client
(``desk.market.bitget.wire``) would share its mistakes.

Not here: which rows an answer holds, see ``endpoints``.
"""

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import numpy as np

from desk.market.emulator.forming import Forming, forming
from desk.market.series.facts import DAY_MS, HOUR_MS, USUAL_FUNDING_HOURS, Funding, PriceTick, price_tick
from desk.values import CANDLE_MS, Candles, frozen

TAKER_FEE: Final = "0.0006"
MAKER_FEE: Final = "0.0002"
USUAL_FUNDING_RATE: Final = 0.0001
LEVEL_USDT: Final = 20_000.0
"""Value of one level of the order book."""

_ROW: Final = '["%d","%r","%r","%r","%r","%r","%r"]'


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """A symbol with everything that a client can request about it."""

    candles: Candles
    funding: Funding
    tick: PriceTick
    spread_bps: float = 0.0
    """Distance of bid and ask over the last price, in basis points; never less than one tick."""
    mark: Candles | None = None
    """Candles of the mark price; None: the mark price is the last price."""
    interval_ms: int = CANDLE_MS
    """From one open time to the next, ms."""
    parts: "Listing | None" = None
    """The same symbol in candles of five minutes, of which longer ones are made (``intervals``)."""

    @property
    def symbol(self) -> str:
        """Name on the exchange, such as BTCUSDT."""
        return self.candles.symbol

    def finished(self, now: int) -> int:
        """Count the candles that are closed at the server time ``now``."""
        return self.opened(now - self.interval_ms)

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
        """Unfinished candle at ``now``: part of a stored one, or flat where the series has just ended.

        None in a hole, before the listing, and when the series ended earlier.
        """
        open_time = now - now % CANDLE_MS
        row = self.opened(now) - 1
        if row < 0:
            return None
        if self.parts is not None:
            return self._forming_of_parts(self.parts, now)
        newest = int(self.candles.open_time[row])
        if newest == open_time:
            return forming(self.candles, row, now, places=self.tick.places)
        if newest == open_time - CANDLE_MS and row == len(self.candles) - 1:
            close = float(self.candles.close[-1])
            return Forming(open_time, close, close, close, close, 0.0, 0.0)
        return None

    def _forming_of_parts(self, parts: "Listing", now: int) -> Forming | None:
        """Unfinished longer candle at ``now``: its finished parts, and the one that is forming."""
        row = self.opened(now) - 1
        open_time = int(self.candles.open_time[row])
        if now >= open_time + self.interval_ms:
            return None
        o, h, l, c, base, quote = parts.candles.values[:, parts.before(open_time) : parts.finished(now)]
        rows = [(o[0], h.max(), l.min(), c[-1], base.sum(), quote.sum())] if len(o) else []
        if (part := parts.forming(now)) is not None:
            rows.append((part.open, part.high, part.low, part.close, part.volume, part.quote_volume))
        if not rows:
            return None
        return Forming(
            open_time,
            float(rows[0][0]),
            float(max(row[1] for row in rows)),
            float(min(row[2] for row in rows)),
            float(rows[-1][3]),
            float(sum(row[4] for row in rows)),
            float(sum(row[5] for row in rows)),
        )

    def price(self, now: int) -> float | None:
        """Last price; None before the first candle has opened."""
        row = self.opened(now) - 1
        if row < 0:
            return None
        part = self.forming(now)
        return float(self.candles.close[row]) if part is None else part.close

    def mark_listing(self) -> "Listing":
        """The same symbol with the mark price in place of the last price, and without volumes."""
        source = self.mark or self.candles
        values = source.values.copy()
        values[4:] = 0.0
        candles = Candles(self.symbol, source.open_time, frozen(values))
        return replace(self, candles=candles, mark=None)

    def mark_price(self, now: int) -> float | None:
        """Mark price; None before the first candle has opened."""
        return self.price(now) if self.mark is None else replace(self, candles=self.mark).price(now)

    def quotes(self, price: float) -> tuple[float, float]:
        """Best bid and best ask around a price, on the tick; one tick apart, the bid is the price itself."""
        ticks = max(round(self.spread_bps * 1e-4 * price / self.tick.size), 1)
        below = min(ticks // 2, max(round(price / self.tick.size) - 1, 0))
        bid = round(price - below * self.tick.size, self.tick.places)
        return bid, round(bid + ticks * self.tick.size, self.tick.places)

    def depth(self, now: int, *, levels: int) -> dict[str, object] | None:
        """Data of ``merge-depth``, not merged; None before the first candle has opened.

        Every level is one tick from the next and holds ``LEVEL_USDT``.

        Parameters
        ----------
        now : int
            Server time, ms.
        levels : int
            Number of levels on each side, at most.
        """
        mark = self.mark_price(now)
        if mark is None:
            return None
        bid, ask = self.quotes(mark)
        sides = {}
        for name, best, way in (("asks", ask, 1), ("bids", bid, -1)):
            prices = (round(best + way * level * self.tick.size, self.tick.places) for level in range(levels))
            sides[name] = [[price, self.level_size(price)] for price in prices if price > 0]
        scale = decimal_text(self.tick.size)
        return {**sides, "ts": str(now), "scale": scale, "precision": "scale0", "isMaxPrecision": "NO"}

    def level_size(self, price: float) -> float:
        """Size of one level of the book, in base coin."""
        return float(f"{LEVEL_USDT / price:.4g}")

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
        mark_price = self.mark_price(now) or last
        bid, ask = self.quotes(mark_price)
        mark = decimal_text(mark_price)
        first_today = self.before(now - now % DAY_MS)
        midnight = float(self.candles.values[0, first_today]) if first_today < stop else last
        fresh = start < stop  # a series that ended more than a day ago has no turnover
        settled = int(np.searchsorted(self.funding.time, now, side="right"))
        rate = float(self.funding.rate[settled - 1]) if settled else USUAL_FUNDING_RATE
        return {
            "symbol": self.symbol,
            "lastPr": decimal_text(last),
            "askPr": decimal_text(ask),
            "bidPr": decimal_text(bid),
            "bidSz": decimal_text(self.level_size(bid)),
            "askSz": decimal_text(self.level_size(ask)),
            "high24h": decimal_text(float(h.max())),
            "low24h": decimal_text(float(l.min())),
            "ts": str(now),
            "change24h": decimal_text(round(last / opened - 1, 5)),
            "baseVolume": decimal_text(round(float(base.sum()), 4) if fresh else 0.0),
            "quoteVolume": decimal_text(round(float(quote.sum()), 4) if fresh else 0.0),
            "usdtVolume": decimal_text(round(float(quote.sum()), 4) if fresh else 0.0),
            "openUtc": decimal_text(midnight),
            "changeUtc24h": decimal_text(round(last / midnight - 1, 5)),
            "indexPrice": mark,
            "fundingRate": decimal_text(rate),
            "holdingAmount": "0",
            "deliveryStartTime": None,
            "deliveryTime": None,
            "deliveryStatus": "",
            "open24h": decimal_text(opened),
            "markPrice": mark,
        }

    def funding_page(self, now: int, *, size: int, number: int) -> list[dict[str, str]]:
        """Page ``number`` (from 1) of ``history-fund-rate``: newest first, settled ones only.

        Parameters
        ----------
        now : int
            Server time, ms.
        size : int
            Rows a page, at least 1.
        number : int
            Of the page, from 1.
        """
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


def listing_of(
    candles: Candles,
    funding: Funding | None = None,
    *,
    tick: PriceTick | None = None,
    spread_bps: float = 0.0,
    mark: Candles | None = None,
) -> Listing:
    """Make a listing of ``candles``.

    Parameters
    ----------
    candles : Candles
        Of the last price.
    funding : Funding or None
        None: the usual rate is settled throughout.
    tick : PriceTick or None
        None: the smallest difference between two prices.
    spread_bps : float
        Distance of bid and ask, in basis points; at least one tick in any case.
    mark : Candles or None
        Of the mark price; None: the last price.
    """
    return Listing(candles, funding or usual_funding(candles), tick or price_tick(candles), spread_bps, mark)


def leading_mark(candles: Candles, lag: int) -> Candles:
    """Mark price that the last price follows ``lag`` candles later: the candles, moved forward in time.

    The newest ``lag`` candles, whose future the series does not hold, are flat.
    """
    if not lag:
        return candles
    values = np.repeat(candles.values[3:4], 6, axis=0)
    values[:, :-lag] = candles.values[:, lag:]
    values[:, -lag:] = candles.close[-1]
    return Candles(candles.symbol, candles.open_time, frozen(values))


def usual_funding(candles: Candles) -> Funding:
    """Funding of 0.01 % every eight hours, from the first candle to the last."""
    interval = USUAL_FUNDING_HOURS * HOUR_MS
    first, last = (int(candles.open_time[0]), int(candles.open_time[-1])) if len(candles) else (0, -1)
    time = np.arange(-(-first // interval) * interval, last + CANDLE_MS + 1, interval, dtype=np.int64)
    return Funding(frozen(time), frozen(np.full(len(time), USUAL_FUNDING_RATE)))


def decimal_text(value: float) -> str:
    """Shortest decimal text without an exponent that reads back as ``value``."""
    text = repr(value)
    return f"{Decimal(text):f}" if "e" in text else text


def forming_row(part: Forming) -> str:
    """JSON text of an unfinished candle."""
    volumes = (part.volume, part.quote_volume)
    return _plain_row(part.open_time, part.open, part.high, part.low, part.close, *volumes)


def _plain_row(open_time: int, *values: float) -> str:
    """JSON text of a row, its numbers written without exponents."""
    fields = '","'.join([str(open_time), *map(decimal_text, values)])
    return f'["{fields}"]'
