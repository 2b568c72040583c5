"""What an experiment with a price consists of, as values.  Pure.

Place in the house: between ``desk.trade.experiment``, the journal that keeps it, risk that decides within
what is left of it, and the pages that show it.  Money is ``Decimal`` in USDT, times are ms.
"""

from dataclasses import dataclass
from decimal import Decimal

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """An experiment as the journal has it."""

    number: int
    """Its number, from 1 on."""
    began: int
    amount: Decimal
    """May be lost in all."""
    ended: int | None
    """When it was over for good; None while it goes on, in whatever session."""
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRoom:
    """What risk must know of an experiment to decide on an untested model's order."""

    number: int
    left: Decimal
    """May still be lost, beyond what open positions lose at their stops."""
    orders_last_minute: int
    """Of the experiment."""
    losses_in_a_row: int
    """Of its trades."""
    last_loss_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpricedTrade:
    """A trade that is over, to be compared with what the evaluation would have made of its signal."""

    trade: str
    symbol: str
    side: int
    model_file: str
    opened: int
    due: int
    price: Decimal
    """The signal candle's close."""
    stop: Decimal | None
    take_profit: Decimal | None
    ended: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedPrices:
    """Prices of the evaluation for the signal of a trade; None where they cannot be known."""

    next_mean: float | None
    """Volume-weighted mean of the next candle: the executable entry."""
    exit_price: float | None
    """Before slippage; None also where something else ended the trade: a stop of the session, a hand."""
    entry_charged: float | None
    """Slippage that the evaluation charges the entry with, in basis points."""
    exit_charged: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillDifference:
    """How much worse real fills were than a price of the evaluation."""

    name: str
    trades: int
    mean_bps: float
    """Of the fill less the price, against the trade: above 0 the fill was worse."""
    ci95: Interval | None
    """Counts days; None: too few of them."""
    charged_bps: float | None
    """What the evaluation charges for it, mean; None where it charges nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentView:
    """An experiment as it is shown."""

    number: int
    began: int
    amount: Decimal
    ended: int | None
    why: str
    trades: int
    """That are over."""
    open: int
    result: Decimal
    """Of the trades that are over, after fees and funding."""
    funding: Decimal
    """Paid by them; negative where more was received."""
    lost: Decimal | None
    """So far, with what open positions have lost; None where only the journal is known."""
    fills: tuple[FillDifference, ...]
