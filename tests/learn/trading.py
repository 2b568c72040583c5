"""Markets, probabilities and a policy made for tests: the plain version reads candle by candle."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from desk.backtest import Trades, trades_of_sides
from desk.costs import Costs
from desk.learn.trades import Block, DayLine, TradeFigures, day_lines, figures
from desk.policy import Thresholds, TradeRules
from desk.values import CANDLE_MS, UNKNOWN, Candles, frozen

MIDNIGHT = 1_700_006_400_000
"""2023-11-15 00:00 UTC."""
FREE = Costs(tick=0.0, slippage=0.0, fee_entry=0.0, fee_exit=0.0)
TAKER = Costs(tick=0.01, slippage=0.0001, fee_entry=0.0006, fee_exit=0.0006)
OUTER = Thresholds(long=0.62, short=0.35)
"""Which a third of ``some_probabilities`` reach."""
PLAIN = TradeRules(horizon=2, stop_loss=None, take_profit=None)


@dataclass(frozen=True)
class PlainTrade:
    """What the plain version says of a trade."""

    entry: int
    leave: int
    side: int
    gross: float
    net: float
    ended: str


def candles_from(
    prices: list[tuple[float, float, float, float]], holes: AbstractSet[int] = frozenset()
) -> Candles:
    """Candles of open, high, low, close; before each row of ``holes`` two candles are missing."""
    steps = [0 if row == 0 else 3 if row in holes else 1 for row in range(len(prices))]
    values = np.vstack([np.array(prices, dtype=np.float64).T, np.ones((2, len(prices)))])
    return Candles("TESTUSDT", frozen(MIDNIGHT + CANDLE_MS * np.cumsum(steps)), frozen(values))


def walk(
    n: int,
    *,
    seed: int,
    volatility: float = 0.002,
    holes: AbstractSet[int] = frozenset(),
    start: float = 100.0,
) -> Candles:
    """A random walk whose candles open where the last one closed."""
    rng = np.random.default_rng(seed)
    close = start * np.exp(np.cumsum(rng.normal(scale=volatility, size=n)))
    open_ = np.concatenate([[start], close[:-1]])
    reach = np.exp(np.abs(rng.normal(scale=volatility / 2, size=(2, n))))
    high, low = np.maximum(open_, close) * reach[0], np.minimum(open_, close) / reach[1]
    return candles_from(list(zip(open_, high, low, close, strict=True)), holes)


def labels_of(candles: Candles, *, horizon: int, threshold: float) -> NDArray[np.int8]:
    """Labels straight from the definition, candle by candle; none spans a hole."""
    label = np.full(len(candles), UNKNOWN, dtype=np.int8)
    times, close = candles.open_time.tolist(), candles.close.tolist()
    for row in range(len(candles) - horizon):
        if times[row + horizon] == times[row] + horizon * CANDLE_MS:
            move = close[row + horizon] / close[row] - 1
            label[row] = 1 if move >= threshold else 0 if move <= -threshold else -1
    return label


def block_on(
    candles: Candles,
    probability: NDArray[np.float64],
    *,
    horizon: int = 2,
    thresholds: Thresholds = OUTER,
) -> Block:
    """A block of all ``candles``; where there is no probability there is no label and nothing fires."""
    label = labels_of(candles, horizon=horizon, threshold=0.002)
    known = np.where(np.isnan(probability), UNKNOWN, label).astype(np.int8)
    return Block(candles, probability, known, thresholds.sides(probability))


def trades_in(block: Block, rules: TradeRules, costs: Costs) -> Trades:
    """The trades of what fires in the block."""
    return trades_of_sides(block.candles, block.sides, rules=rules, costs=costs)


def earned(block: Block, rules: TradeRules, costs: Costs) -> TradeFigures:
    """Their figures."""
    return figures(day_lines(block, trades_in(block, rules, costs)))


def day_line(date: str, **values: float) -> DayLine:
    """A day of 288 candles; what is not given is zero."""
    nothing = {field.name: 0 for field in fields(DayLine) if field.name != "date"}
    return DayLine(date=date, **{**nothing, "candles": 288, **values})  # type: ignore[arg-type]


def some_probabilities(n: int, *, seed: int, missing: float = 0.05) -> NDArray[np.float64]:
    """Persistent probabilities around one half, with gaps."""
    rng = np.random.default_rng(seed)
    blurred = np.convolve(rng.normal(size=n + 4), np.ones(5) / 5, mode="valid")
    return np.where(rng.random(n) < missing, np.nan, 1 / (1 + np.exp(-blurred)))


def plain_trades(
    candles: Candles,
    probability: NDArray[np.float64],
    thresholds: Thresholds,
    rules: TradeRules,
    costs: Costs,
    *,
    stop_first: bool = True,
) -> list[PlainTrade]:
    """The rules of ``desk.policy`` once more, in the plainest words; shares no line with it.

    ``stop_first=False`` is the optimistic reading of a candle that touches both levels.
    """
    done: list[PlainTrade] = []
    held: tuple[int, str] | None = None
    for row in range(len(candles)):
        if held is not None:
            at, side = held
            paid = float(candles.close[at])
            exits = _plain_exits(candles, at, row, side, rules)
            order = ["stop", "take_profit"] if stop_first else ["take_profit", "stop"]
            ended = next((name for name in [*order, "horizon"] if name in exits), None)
            if ended is not None:
                done.append(_plain_trade(at, row, side, paid, exits[ended], ended, costs))
                held = None
        if held is None:
            p = float(probability[row])
            if thresholds.long is not None and p >= thresholds.long:
                held = (row, "long")
            elif thresholds.short is not None and p <= thresholds.short:
                held = (row, "short")
    return done


def _plain_exits(candles: Candles, at: int, row: int, side: str, rules: TradeRules) -> dict[str, float]:
    """Every price at which the candle could end the position, by cause."""
    open_, high, low, close = (float(price) for price in candles.values[:4, row])
    paid = float(candles.close[at])
    exits: dict[str, float] = {}
    if side == "long":
        if rules.stop_loss is not None and low <= (level := paid * (1 - rules.stop_loss)):
            exits["stop"] = min(level, open_) - rules.stop_overshoot * (min(level, open_) - low)
        if rules.take_profit is not None and high >= (level := paid * (1 + rules.take_profit)):
            exits["take_profit"] = level
    else:
        if rules.stop_loss is not None and high >= (level := paid * (1 + rules.stop_loss)):
            exits["stop"] = max(level, open_) + rules.stop_overshoot * (high - max(level, open_))
        if rules.take_profit is not None and low <= (level := paid * (1 - rules.take_profit)):
            exits["take_profit"] = level
    minutes = int(candles.open_time[row] - candles.open_time[at]) // 60_000
    if minutes >= 5 * rules.horizon:
        exits["horizon"] = close
    return exits


def _plain_trade(
    at: int, row: int, side: str, paid: float, left: float, ended: str, costs: Costs
) -> PlainTrade:
    """Of one USDT of notional: what the contracts bring, less both fees."""
    worse_in = max(costs.slippage * paid, costs.tick / 2, costs.spread * paid / 2)
    worse_out = max(costs.slippage * left, costs.tick / 2, costs.spread * left / 2)
    bought, sold = (
        (paid + worse_in, left - worse_out) if side == "long" else (left + worse_out, paid - worse_in)
    )
    contracts = 1 / (bought if side == "long" else sold)
    profit = contracts * (sold - bought)
    exit_notional = contracts * (sold if side == "long" else bought)
    gross = (left - paid) / paid if side == "long" else (paid - left) / paid
    net = profit - costs.fee_entry - costs.fee_exit * exit_notional
    return PlainTrade(at, row, 1 if side == "long" else -1, gross, net, ended)


def _column(candles: Candles, row: int) -> tuple[float, float, float, float, float]:
    """High, low, close, volume and quote volume of one candle."""
    _, high, low, close, volume, quote = (float(value[row]) for value in candles.values)
    return high, low, close, volume, quote


def plain_entry(candles: Candles, at: int, leave: int, side: int) -> float:
    """The price of whoever follows a signal: of the next candle in which anybody traded before the exit."""
    for row in range(at + 1, leave + 1 if leave == at + 1 else leave):
        high, low, close, volume, quote = _column(candles, row)
        if volume > 0:
            mean = quote / volume
            return mean if low <= mean <= high else min(max((high + low + close) / 3, low), high)
    return _column(candles, leave)[0 if side > 0 else 1]
