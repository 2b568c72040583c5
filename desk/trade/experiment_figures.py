"""The arithmetic of an experiment: what is lost, what may be, and how fills compare.  Pure.

Place in the house: below ``desk.trade.experiment`` and ``desk.trade.risk``.  Trades, orders, fills and
candles come in; amounts of USDT and differences in basis points go out.

A stop is a market order: it is taken to fill a quarter of its distance beyond its price, and a tick, both
ways with the taker's fee.  A gap that is wider costs more than that.
"""

from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from desk.clustered import clustered_mean
from desk.costs import mean_prices
from desk.orders import ContractTerms, Fill, Position
from desk.policy import Candle, PlannedTrade, exit_of
from desk.trade.experiment_values import EvaluatedPrices, FillDifference, UnpricedTrade
from desk.trade.records import Executed, OpenTrade, OrderRecord, executed, foreign
from desk.trade.risk_values import HOUR_MS
from desk.trade.signals import ModelCard
from desk.values import CANDLE_MS, Candles

STOP_SLIP: Final = Decimal("0.25")
"""Share of its distance by which a stop is taken to fill beyond its price."""
MIN_HEADROOM: Final = Decimal("1.01")
"""Times the smallest notional: the price moves between the close and the order, and an order that is refused
whenever it moved down would leave only the dear fills to be measured."""
ASSUMED_FUNDING: Final = Decimal("0.01")
"""Paid per settlement, as a share of the notional, while the rate is not known: more than is usual."""
AT_LEVEL = frozenset({"stop", "take_profit"})
BPS = 1e4


class OpenResult(NamedTuple):
    """What an open trade comes to, USDT, after the fees of both ways."""

    now: Decimal
    """At the mark price."""
    at_stop: Decimal
    """If its stop is filled, or now, where that is worse already."""


def smallest_size(price: Decimal, contract: ContractTerms) -> Decimal:
    """The smallest size that the exchange takes at a price (USDT), with some headroom, on its step."""
    steps = (contract.min_notional * MIN_HEADROOM / price / contract.size_step).to_integral_value(
        ROUND_CEILING
    )
    least = (contract.min_size / contract.size_step).to_integral_value(ROUND_CEILING)
    return max(steps, least, Decimal(1)) * contract.size_step


def loss_per_coin(price: Decimal, stop: Decimal, tick: Decimal, taker_fee: Decimal) -> Decimal:
    """USDT that one coin may lose from an entry to its stop, fees included.

    Parameters
    ----------
    price, stop : Decimal
        USDT.
    tick : Decimal
        USDT.
    taker_fee : Decimal
        As a fraction.
    """
    distance = abs(price - stop) * (1 + STOP_SLIP) + tick
    return distance + taker_fee * (2 * price + distance)


def open_result(
    trade: OpenTrade,
    orders: Iterable[OrderRecord],
    fills: Iterable[Fill],
    position: Position | None,
    contract: ContractTerms | None,
) -> OpenResult:
    """What a trade that is not over comes to now, and at its stop.

    Parameters
    ----------
    trade : OpenTrade
    orders : iterable of OrderRecord
        Of it; one whose fate is not known counts as filled whole.
    fills : iterable of Fill
        That were kept with it.
    position : Position or None
        As the exchange reported it last; None: it is taken to have ended at its stop.
    contract : ContractTerms or None
        None: a usual taker's fee counts.
    """
    fee, tick = (Decimal("0.001"), Decimal(0)) if contract is None else (contract.taker_fee, contract.tick)
    known, fills = list(orders), list(fills)
    entries = [executed(one, fills, taker_fee=fee) for one in known if one.purpose == "open"]
    exits = [executed(one, fills, taker_fee=fee) for one in known if one.purpose == "close"]
    others = [one for one in foreign(fills, known) if one.purpose == "close" and one.side == trade.side]
    exits += [Executed(one.size, one.size * one.price, one.fee, by_fills=True) for one in others]
    size = sum((one.size for one in entries), Decimal(0))
    paid = sum((one.fee for one in (*entries, *exits)), Decimal(0))
    price = sum((one.value for one in entries), Decimal(0)) / size if size else trade.price
    gone = sum((one.size for one in exits), Decimal(0))
    value = sum((one.value for one in exits), Decimal(0))
    realised = trade.side * (value - price * gone) - paid
    if trade.status == "opening" or not size:
        size = max(size, trade.size, *(one.size for one in known if one.purpose == "open"))
        rest = size
    else:
        rest = max(size - gone, Decimal(0))
    stop = trade.stop if trade.stop is not None else price * (1 - trade.side)
    at_stop = realised - rest * loss_per_coin(price, stop, tick, fee)
    unseen = price if trade.status == "opening" else stop
    mark = unseen if position is None else position.mark_price
    now = realised + rest * (trade.side * (mark - price) - fee * mark)
    return OpenResult(now, min(at_stop, now))


def settlements(opened: int, until: int, hours: int) -> int:
    """How many settlements of funding a position meets.

    Parameters
    ----------
    opened : int
        Open time of its signal candle: it is entered after that candle's close.
    until : int
        ms.
    hours : int
        Between two settlements.
    """
    every = max(hours, 1) * HOUR_MS
    return max(until // every - (opened + CANDLE_MS) // every, 0)


def evaluated_prices(
    trade: UnpricedTrade,
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    card: ModelCard | None,
    tick: float,
) -> EvaluatedPrices | None:
    """Prices that the evaluation takes for the signal of a trade; None while its exit candle is not there.

    Parameters
    ----------
    trade : UnpricedTrade
    times : ndarray, shape (n,)
        Open times of the newest candles of the symbol, ms.
    values : ndarray, shape (6, n)
        Rows as in ``desk.values.COLUMNS``.
    card : ModelCard or None
        Of the model that is in use now; another than the trade's says nothing of its costs.
    tick : float
        Of the contract, USDT; 0 where it is not known.
    """
    mine = card if card is not None and card.model_file == trade.model_file else None
    first = int(np.searchsorted(times, trade.opened, side="right"))
    if len(times) == 0 or times[0] > trade.opened + CANDLE_MS:
        return EvaluatedPrices(next_mean=None, exit_price=None, entry_charged=None, exit_charged=None)
    planned = PlannedTrade(
        side=trade.side,
        opened=trade.opened,
        due=trade.due,
        close=float(trade.price),
        stop=None if trade.stop is None else float(trade.stop),
        take_profit=None if trade.take_profit is None else float(trade.take_profit),
        stop_overshoot=0.0 if mine is None else mine.rules.stop_overshoot,
    )
    for row in range(first, len(times)):
        left = exit_of(planned, Candle(int(times[row]), *(float(one) for one in values[:4, row])))
        if left is not None:
            break
    else:
        return None
    mean = mean_prices(Candles(trade.symbol, times, values))[first : row + 1]
    traded = mean[np.isfinite(mean)]
    charged: list[float | None] = [None, None]
    if mine is not None:
        costs = mine.costs.charged(fee=0.0, tick=tick)
        charged = [
            float(costs.slip(np.array([price]), np.array([at]))[0]) / price * BPS
            for price, at in ((planned.close, trade.opened), (left[0], int(times[row])))
        ]
    ended_as_planned = trade.ended == "horizon" or trade.ended in AT_LEVEL
    return EvaluatedPrices(
        next_mean=float(traded[0]) if len(traded) else None,
        exit_price=left[0] if ended_as_planned else None,
        entry_charged=charged[0],
        exit_charged=charged[1] if ended_as_planned else None,
    )


class ComparedTrade(NamedTuple):
    """A trade that is over, with the evaluation's prices of its signal, as the journal keeps both."""

    opened: int
    side: int
    ended: str
    close: float
    entry: float
    exit: float
    next_mean: float | None
    exit_price: float | None
    entry_charged: float | None
    exit_charged: float | None


def fill_differences(trades: Sequence[ComparedTrade]) -> tuple[FillDifference, ...]:
    """Compare real fills with the evaluation's prices; what no trade tells is left out."""
    entered = [one for one in trades if one.entry > 0]
    timed = [one for one in entered if one.ended == "horizon" and one.exit_price]
    stopped = [one for one in entered if one.ended in AT_LEVEL and one.exit_price]
    found = [
        _difference(
            "entry, to the signal's close",
            [(one.opened, one.side * (one.entry / one.close - 1), one.entry_charged) for one in entered],
        ),
        _difference(
            "entry, to the next candle's mean",
            [
                (one.opened, one.side * (one.entry / one.next_mean - 1), None)
                for one in entered
                if one.next_mean
            ],
        ),
        _difference("exit at its time, to the close", [_exit(one) for one in timed]),
        _difference("exit at a level, to the evaluation's", [_exit(one) for one in stopped]),
    ]
    return tuple(one for one in found if one is not None)


def _exit(one: ComparedTrade) -> tuple[int, float, float | None]:
    return one.opened, one.side * (1 - one.exit / float(one.exit_price or one.exit)), one.exit_charged


def _difference(name: str, rows: Sequence[tuple[int, float, float | None]]) -> FillDifference | None:
    """Mean over trades of (open time of the signal, difference as a fraction, bp charged)."""
    if not rows:
        return None
    values: NDArray[Any] = np.array([value for _, value, _ in rows], dtype=np.float64) * BPS
    mean = clustered_mean(values, np.array([at for at, _, _ in rows], dtype=np.int64))
    charged = [one for *_, one in rows if one is not None]
    return FillDifference(
        name=name,
        trades=len(rows),
        mean_bps=mean.value,
        ci95=mean.reported(),
        charged_bps=sum(charged) / len(charged) if charged else None,
    )
