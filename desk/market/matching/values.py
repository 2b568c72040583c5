"""What an account holds and what is asked of it, as values.

Place in the house: the market, inside the matching core.  Pure.  Money, prices and sizes are ``Decimal``;
``side`` is the direction of the position, as in ``desk.orders``, also of what closes it.

Not here: what happens to them (``account``, ``exchange``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from desk.orders import Fill, MarginMode, OrderKind, OrderState, OrderStatus, Purpose
from desk.settings import check_settings

ZERO: Final = Decimal(0)
HISTORY_MS: Final = 90 * 86_400_000
"""The exchange's own memory: 90 days."""
Force = Literal["gtc", "ioc", "fok", "post_only"]
Cause = Literal["order", "stop_loss", "take_profit", "liquidation"]
Protection = Literal["stop_loss", "take_profit"]


class Denied(Exception):  # noqa: N818 - an answer, not a fault; the skins turn it into theirs
    """The exchange says no, with its business code.  Nothing has changed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} (code {code})")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class FillModel:
    """How orders are filled."""

    slippage: Decimal = ZERO
    """How much worse than the price a taker's fill is, as a fraction; never less than half a tick."""
    volume_share: Decimal | None = None
    """The most of a candle's volume that the account's own orders get, as a fraction; what a market order
    does not get is cancelled, what a resting order does not get waits.  None: everything.  Stops and
    liquidations always get everything."""
    rounding: bool = True
    """Whether sizes and prices must lie on the contract's steps and reach its minimums, and fills are
    rounded to the tick against the account.  Off, they are what the formulas say: for comparisons with
    ``desk.policy``."""
    history_ms: int = HISTORY_MS
    """How long an ended order and its executions can be asked for at least; then they are let go, unless a
    position of their symbol was open already when the order ended."""

    def __post_init__(self) -> None:
        check_settings("matching", self._problems())

    def _problems(self) -> Iterator[str]:
        if not 0 <= self.slippage < Decimal("0.1"):
            yield f"slippage is {self.slippage}, must lie between 0 and 0.1 as a fraction (0.0001 means 1 bp)"
        if self.volume_share is not None and not 0 < self.volume_share <= 1:
            yield f"volume_share is {self.volume_share}, must be None or above 0 and at most 1"
        if self.history_ms <= 0:
            yield f"history_ms is {self.history_ms}, must be above 0 (86400000 means a day)"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order as it is handed in."""

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
    """An order and what has become of it."""

    order_id: str
    ticket: NewOrder
    """Its size is what is left after the cut that ``close`` makes to the position's size."""
    status: OrderStatus
    cause: Cause
    margin_mode: MarginMode
    leverage: Decimal
    created: int
    updated: int
    filled: Decimal = ZERO
    quote: Decimal = ZERO
    """Price times size of what is filled, in USDT."""
    fee: Decimal = ZERO
    profit: Decimal = ZERO
    """Realised by it, before fees."""
    cancel_reason: str = ""

    @property
    def remaining(self) -> Decimal:
        """Size that is not filled."""
        return self.ticket.size - self.filled

    @property
    def is_live(self) -> bool:
        """Whether it may still be filled."""
        return self.status in {"live", "partially_filled"}

    def state(self) -> OrderState:
        """As ``desk.ports.Exchange`` tells it."""
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
    """A fill, and what only the exchange's own books say about it."""

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
    """What the size that is still held was bought (sold) for, in USDT."""
    leverage: Decimal
    margin_mode: MarginMode
    margin: Decimal
    """Bound for it.  Isolated: all that it can lose."""
    opened: int
    updated: int
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    """Paid since it was opened; negative: received."""
    profit: Decimal = ZERO
    """Realised by partial closes, before fees."""

    @property
    def entry_price(self) -> Decimal:
        """Average of what is still held."""
        return self.cost / self.size

    def unrealized(self, mark: Decimal) -> Decimal:
        """Profit if it were closed at ``mark``, before the fee."""
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
    """None: bound to the position, whatever its size."""
    created: int
    brought_by: str = ""
    """Id of the order that it was attached to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginSetup:
    """How new positions in a symbol are margined."""

    margin_mode: MarginMode = "crossed"
    long_leverage: Decimal = Decimal(10)
    short_leverage: Decimal = Decimal(10)
    cross_leverage: Decimal = Decimal(10)

    def leverage(self, side: int) -> Decimal:
        """Leverage of a new position of ``side``."""
        if self.margin_mode == "crossed":
            return self.cross_leverage
        return self.long_leverage if side > 0 else self.short_leverage
