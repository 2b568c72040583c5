"""Values of the matching core: orders, positions, fills, and how orders are filled.

Place in the house: the market, inside the matching core.  Pure.  Money, prices and sizes are ``Decimal``;
``side`` is the direction of the position, as in ``desk.orders``, also of what closes it.

Not here: how they change (``account``, ``exchange``).
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from desk.orders import Fill, MarginMode, OrderKind, OrderState, OrderStatus, Purpose
from desk.settings import check_settings

ZERO: Final = Decimal(0)
HISTORY_MS: Final = 90 * 86_400_000
"""How long the exchange itself keeps ended orders: 90 days."""
Force = Literal["gtc", "ioc", "fok", "post_only"]
Cause = Literal["order", "stop_loss", "take_profit", "liquidation", "wind_up"]
Protection = Literal["stop_loss", "take_profit"]


class Denied(Exception):  # noqa: N818 - an answer, not a fault; the skins turn it into theirs
    """A request was refused, with the exchange's business code.  Nothing has changed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} (code {code})")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class FillCosts:
    """How much worse than the price a taker's fill is, in one symbol."""

    slippage: Decimal = ZERO
    """As a fraction of the price; never less than half a tick."""
    stop_overshoot: Decimal = ZERO
    """Share of the way from a stop to the candle's extreme at which it fills: 0.25 is a quarter.  Where the
    path of the price is known it fills at its level."""
    grid_from: tuple[int, ...] = ()
    """Times from which each of ``grid`` holds, ms, increasing; the first holds before its time too."""
    grid: tuple[Decimal, ...] = ()
    """Price steps in USDT, one per ``grid_from``; half of one is charged where it is above the tick."""

    def __post_init__(self) -> None:
        check_settings("costs of fills", self, self._problems())

    def _problems(self) -> Iterator[str]:
        if not 0 <= self.slippage < Decimal("0.5"):
            yield f"slippage is {self.slippage}, must lie between 0 and 0.5 as a fraction (0.0001 means 1 bp)"
        if not 0 <= self.stop_overshoot <= 1:
            yield f"stop_overshoot is {self.stop_overshoot}, must lie between 0 and 1"
        if len(self.grid) != len(self.grid_from):
            yield f"grid has {len(self.grid)} steps and grid_from {len(self.grid_from)} times"

    def step(self, open_time: int) -> Decimal:
        """Step of the grid on the candle that opens at ``open_time`` (ms); 0 without a grid."""
        if not self.grid:
            return ZERO
        return self.grid[max(bisect_right(self.grid_from, open_time) - 1, 0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FillModel:
    """How orders are filled."""

    slippage: Decimal = ZERO
    """How much worse than the price a taker's fill is, as a fraction; never less than half a tick."""
    stop_overshoot: Decimal = ZERO
    """As that of ``FillCosts``."""
    by_symbol: Mapping[str, FillCosts] = field(default_factory=dict)
    """Costs of single symbols, in place of the two above.  It is asked at every fill, so that it may change
    while the account lives."""
    volume_share: Decimal | None = None
    """Largest share of a candle's volume that the account's own orders get, as a fraction; the rest of a
    market order is cancelled, the rest of a resting order waits.  None: no limit.  Stops and liquidations are
    never limited."""
    rounding: bool = True
    """Whether sizes and prices must lie on the contract's steps and reach its minimums, and fills are
    rounded to the tick against the account.  Without it fills are exactly the formulas' results, for
    comparisons with ``desk.policy``."""
    history_ms: int = HISTORY_MS
    """How long an ended order and its executions are kept at least, ms; then they are removed, unless a
    position of their symbol was already open when the order ended."""

    def __post_init__(self) -> None:
        check_settings("matching", self, self._problems())

    def _problems(self) -> Iterator[str]:
        if not 0 <= self.slippage < Decimal("0.1"):
            yield f"slippage is {self.slippage}, must lie between 0 and 0.1 as a fraction (0.0001 means 1 bp)"
        if not 0 <= self.stop_overshoot <= 1:
            yield f"stop_overshoot is {self.stop_overshoot}, must lie between 0 and 1"
        if self.volume_share is not None and not 0 < self.volume_share <= 1:
            yield f"volume_share is {self.volume_share}, must be None or above 0 and at most 1"
        if self.history_ms <= 0:
            yield f"history_ms is {self.history_ms}, must be above 0 (86400000 means a day)"

    def costs(self, symbol: str) -> FillCosts:
        """Costs of a symbol's fills."""
        found = self.by_symbol.get(symbol)
        return found or FillCosts(slippage=self.slippage, stop_overshoot=self.stop_overshoot)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order as it is submitted."""

    client_id: str
    """Empty: the exchange names it by its own id."""
    symbol: str
    side: int
    purpose: Purpose
    """``close`` never opens; ``open`` against an opposite position in one-way mode reduces that first."""
    size: Decimal
    kind: OrderKind
    price: Decimal | None = None
    force: Force = "gtc"
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    margin_mode: MarginMode | None = None
    """None: as the symbol is set up."""

    @property
    def direction(self) -> int:
        """1: buys, -1: sells."""
        return self.side if self.purpose == "open" else -self.side


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order and its present state."""

    order_id: str
    ticket: NewOrder
    """The size of a closing order is cut to the size of the position."""
    status: OrderStatus
    cause: Cause
    margin_mode: MarginMode
    leverage: Decimal
    created: int
    updated: int
    filled: Decimal = ZERO
    quote: Decimal = ZERO
    """Price times size of its fills, in USDT."""
    fee: Decimal = ZERO
    profit: Decimal = ZERO
    """Profit that it realised, before fees, in USDT."""
    cancel_reason: str = ""

    @property
    def remaining(self) -> Decimal:
        """Size that is not filled yet."""
        return self.ticket.size - self.filled

    @property
    def is_live(self) -> bool:
        """Whether it may still be filled."""
        return self.status in {"live", "partially_filled"}

    def state(self) -> OrderState:
        """State as ``desk.ports.Exchange`` reports it."""
        return OrderState(
            client_id=self.ticket.client_id,
            order_id=self.order_id,
            symbol=self.ticket.symbol,
            side=self.ticket.side,
            purpose=self.ticket.purpose,
            status=self.status,
            size=self.ticket.size,
            filled=self.filled,
            average_price=self.quote / self.filled if self.filled else None,
            fee=self.fee,
            created=self.created,
            updated=self.updated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedFill:
    """A fill, and what only the exchange's own books record of it."""

    fill: Fill
    maker: bool
    profit: Decimal
    """Realised, before the fee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPosition:
    """An open position.  Its entry price is ``cost / size``."""

    symbol: str
    side: int
    size: Decimal
    cost: Decimal
    """Value at entry of the size that is still open, in USDT."""
    leverage: Decimal
    margin_mode: MarginMode
    margin: Decimal
    """Cash bound for it.  Isolated: all that it can lose."""
    opened: int
    updated: int
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    """Paid since it was opened; negative: received."""
    profit: Decimal = ZERO
    """Realised by partial closes, before fees."""

    @property
    def entry_price(self) -> Decimal:
        """Average entry price of the size that is still open."""
        return self.cost / self.size

    def unrealized(self, mark: Decimal) -> Decimal:
        """Profit before the fee if it were closed at ``mark``, in USDT."""
        return self.side * (self.size * mark - self.cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerOrder:
    """A stop or a take-profit that waits for its price, and then closes at market."""

    plan_id: str
    client_id: str
    symbol: str
    side: int
    kind: Protection
    trigger: Decimal
    size: Decimal | None
    """None: it closes the whole position, whatever its size."""
    created: int
    brought_by: str = ""
    """Id of the order that it was attached to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginSetup:
    """Margin mode and leverage of new positions in a symbol."""

    margin_mode: MarginMode = "crossed"
    long_leverage: Decimal = Decimal(10)
    short_leverage: Decimal = Decimal(10)
    cross_leverage: Decimal = Decimal(10)

    def leverage(self, side: int) -> Decimal:
        """Leverage of a new position of ``side``."""
        if self.margin_mode == "crossed":
            return self.cross_leverage
        return self.long_leverage if side > 0 else self.short_leverage
