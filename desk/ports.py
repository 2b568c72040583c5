"""What the suite asks of the outside, as protocols: time, candles, and an exchange.

Place in the house: foundation.  Implementations: ``desk.clock`` (real time), the tests (simulated time);
``desk.market.bitget.account.account`` (Bitget, signed) and ``desk.market.paper.exchange`` (simulated
fills); ``desk.market.feed.stream`` and the replay of ``live_trade`` for candles;
``desk.market.bitget.spreads`` for the book.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from desk.orders import (
    AccountUpdate,
    Balance,
    ContractTerms,
    Fill,
    MarginMode,
    OrderRequest,
    OrderState,
    Position,
    PositionMode,
)
from desk.values import CandleRound


class Clock(Protocol):
    """The only source of "now", of durations and of waiting."""

    def now_ms(self) -> int:
        """Wall time: milliseconds since 1970-01-01 UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards, from an arbitrary start."""

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass on this clock."""


class CandleFeed(Protocol):
    """Finished candles as they close, those of all symbols together."""

    def rounds(self) -> AsyncIterator[CandleRound]:
        """One round per candle, in the order of time, as soon as all symbols have it or were waited for."""


class SpreadSource(Protocol):
    """The book of an exchange, as far as its best prices go."""

    async def spreads_bps(self, symbols: Sequence[str]) -> Mapping[str, float]:
        """Distance between bid and ask now, in basis points of their mean.

        It is asked seconds after a candle has closed: an answer that takes long, or fails, leaves its symbols
        out instead of raising.
        """


class Exchange(Protocol):
    """An account at an exchange: Bitget, its demo, or a simulated one.

    Every call may raise ``Refused`` (the answer is no; ``meaning`` says why), ``Throttled`` (wait, repeat) or
    ``Unanswered`` (nobody knows whether it took effect).  Reads are repeated inside; writes never are.
    """

    async def server_time(self) -> int:
        """The exchange's clock, in ms."""

    async def contracts(self) -> Sequence[ContractTerms]:
        """What orders in each symbol must obey."""

    async def balance(self) -> Balance:
        """The account now."""

    async def positions(self) -> Sequence[Position]:
        """Every open position, with its stop and take-profit where there are any."""

    async def open_orders(self) -> Sequence[OrderState]:
        """Orders that are live or partially filled; stops are part of their position."""

    async def order(self, symbol: str, client_id: str) -> OrderState | None:
        """What became of an order; None: the exchange has never seen it."""

    async def fills(self, symbol: str, since: int) -> Sequence[Fill]:
        """Executions of a symbol from ``since`` (ms) on, oldest first."""

    async def place(self, request: OrderRequest) -> str:
        """Send an order; the exchange's id.  Accepted is not filled.

        A client id that was used before is ``Refused`` (``duplicate``), or answered with the id of the
        order that is there, if it is the same order: never is there a second one.
        """

    async def cancel(self, symbol: str, client_id: str) -> None:
        """Cancel an order; one that is gone already is no error."""

    async def protect(
        self, symbol: str, side: int, *, stop_loss: Decimal, take_profit: Decimal | None
    ) -> None:
        """Bind a stop (and a take-profit) to a position, replacing what was bound to it.

        Parameters
        ----------
        symbol : str
        side : int
            ``LONG`` or ``SHORT``.
        stop_loss : Decimal
            USDT.
        take_profit : Decimal or None
            USDT.
        """

    async def close(self, symbol: str, side: int) -> None:
        """Close a position at market, whatever its size; being flat already is no error."""

    async def set_up(self, symbol: str, *, leverage: Decimal, margin: MarginMode) -> bool:
        """Make leverage and margin mode of a symbol what is asked, and verify it.

        Parameters
        ----------
        symbol : str
        leverage : Decimal
        margin : MarginMode

        Returns
        -------
        bool
            Whether they were others before.
        """

    async def set_position_mode(self, mode: PositionMode) -> None:
        """Make the account's position mode what is asked, and verify it."""

    def pushes(self) -> AsyncIterator[AccountUpdate]:
        """Pushes of the exchange, for as long as the caller listens."""
