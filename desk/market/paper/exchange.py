"""An exchange in process: simulated fills on real, stored or invented candles.

Place in the house: the market, as a double.  Satisfies ``desk.ports.Exchange`` over the matching core;
the session feeds it finished candles, last prices and funding rates, and sends it requests like any exchange.
Time comes from the given clock, real or simulated; where a real exchange's public half is given as well, time
and contracts are that exchange's.

An account that is kept in a file is saved before any answer is returned: a power cut cannot undo what an
answer reported.

As it is used::

    paper = PaperExchange(contracts, deposit=Decimal(10_000), clock=clock)
    paper.feed_candle("BTCUSDT", open_time, (o, h, l, c), volume)   # stops, targets, resting orders
    paper.settle_funding("BTCUSDT", Decimal("0.0001"))
    await paper.place(request)                                      # filled at the candle's close

Feed a candle before acting on it: orders are then filled at its close, worsened by the slippage, and the
next candle decides about their stops.

Not here: where candles come from; the rules of matching (``desk.market.matching``); the file
(``desk.market.paper.file``).
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from desk.errors import Meaning, Unanswered
from desk.market.bitget.codes import meaning_of, refusal
from desk.market.matching import Denied, FillModel, MatchedFill, Matching, NewOrder, Order
from desk.market.matching.report import open_positions
from desk.orders import (
    AccountUpdate,
    Balance,
    ContractTerms,
    Fill,
    FundingPayment,
    MarginMode,
    OrderRequest,
    OrderState,
    Position,
    PositionMode,
)
from desk.ports import Clock
from desk.server_time import ServerTime
from desk.values import CANDLE_MS

CLEANED: Final[frozenset[Meaning]] = frozenset({"nothing_there", "not_found"})
"""Nothing to cancel, nothing to close: what was asked for is so."""


class PublicExchange(Protocol):
    """The public half of an exchange."""

    async def server_time(self) -> int:
        """The exchange's clock, in ms."""

    async def contracts(self) -> Sequence[ContractTerms]:
        """What orders in each symbol must obey."""


class AccountStore(Protocol):
    """Storage of an account."""

    def load(self, contracts: Iterable[ContractTerms], fill_model: FillModel | None) -> Matching | None:
        """The account as it was saved last; None: there is none."""

    def save(self, core: Matching) -> None:
        """Save the account before returning; ``OSError`` if it cannot be written."""


class PaperExchange:
    """An account with play money; satisfies ``desk.ports.Exchange``.

    Parameters
    ----------
    contracts : iterable of ContractTerms
    deposit : Decimal
        Equity at the start, in USDT.
    clock : Clock
    fill_model : FillModel or None
        Slippage, volume share, rounding.
    public : PublicExchange or None
        The exchange whose time and contracts are used; None: the clock's time, and ``contracts``.
    store : AccountStore or None
        Where the account is saved.  A saved account is continued, and ``deposit`` is then ignored.
    """

    def __init__(
        self,
        contracts: Iterable[ContractTerms],
        *,
        deposit: Decimal,
        clock: Clock,
        fill_model: FillModel | None = None,
        public: PublicExchange | None = None,
        store: AccountStore | None = None,
    ) -> None:
        contracts = tuple(contracts)
        earlier = None if store is None else store.load(contracts, fill_model)
        self._matching = earlier or Matching(contracts, deposit, fill_model)
        self._account = self._matching.account
        self._clock = clock
        self._time = ServerTime(clock)
        self._public = public
        self._store = store
        self._changed = False
        self._listeners: list[asyncio.Queue[AccountUpdate]] = []
        self.continued = earlier is not None
        """Whether the account was there before."""

    # Prices and funding rates -----------------------------------------------------------------------

    def feed_candle(
        self, symbol: str, open_time: int, prices: tuple[float, float, float, float], volume: float
    ) -> None:
        """Play a finished candle to the account.

        Parameters
        ----------
        symbol : str
        open_time : int
            In ms.
        prices : tuple of float
            Open, high, low, close, in USDT.
        volume : float
            In base coin.

        Raises
        ------
        ValueError
            If it is not later than the newest one of the symbol.
        """
        o, h, l, c = map(exactly, prices)
        self._matching.market.candle(symbol, open_time, (o, h, l, c), exactly(volume))
        self._changed = True
        self._publish()

    def live_through(
        self,
        symbol: str,
        times: NDArray[np.int64],
        values: NDArray[np.float64],
        rates: Mapping[int, float],
    ) -> None:
        """Play every candle that was not played yet; without a position or order, only the newest.

        Parameters
        ----------
        symbol : str
        times : ndarray, shape (n,)
            Open times of finished candles, ms, increasing.
        values : ndarray, shape (6, n)
            Rows as in ``desk.values.COLUMNS``.
        rates : mapping
            Funding by time of settlement (ms): charged when the first candle has closed that ends then or
            later.
        """
        before = self._matching.market.newest.get(symbol, int(times[-1]) - CANDLE_MS)
        exposed = symbol in self._account.exposed_symbols()
        start = int(np.searchsorted(times, before, side="right"))
        for row in range(start if exposed else max(start, len(times) - 1), len(times)):
            open_time = int(times[row])
            o, h, l, c, volume = (float(value) for value in values[:5, row])
            self.feed_candle(symbol, open_time, (o, h, l, c), volume)
            for end in range(before + 2 * CANDLE_MS, open_time + CANDLE_MS + 1, CANDLE_MS):
                if (rate := rates.get(end)) is not None:
                    self.settle_funding(symbol, exactly(rate), at=end)
            before = open_time

    def feed_price(self, symbol: str, price: float) -> None:
        """Let ``symbol`` trade at ``price`` now."""
        self._matching.market.jump(symbol, exactly(price), self._now())
        self._changed = True
        self._publish()

    def settle_funding(self, symbol: str, rate: Decimal, *, at: int | None = None) -> None:
        """Let longs pay shorts a share of their position's value.

        Parameters
        ----------
        symbol : str
        rate : Decimal
            As a fraction: 0.0001 is 0.01 %.
        at : int or None
            Time of the settlement, ms; None: now.
        """
        self._matching.market.fund(symbol, rate, self._now() if at is None else at)
        self._changed = True
        self._publish(always=True)

    def funding_payments(self) -> Sequence[FundingPayment]:
        """What positions paid at settlements since this process began, oldest first."""
        return tuple(self._account.funding)

    @property
    def insurance(self) -> Decimal:
        """What positions lost beyond their margin, USDT: borne by the exchange."""
        return self._account.insurance

    @property
    def matching(self) -> Matching:
        """The core, for the closing table and for tests: fees, funding and insurance by position."""
        return self._matching

    # desk.ports.Exchange: questions -----------------------------------------------------------------

    async def server_time(self) -> int:
        """The exchange's time, in ms; by the clock where no exchange is asked."""
        if self._public is None:
            return self._clock.now_ms()
        asked = self._clock.monotonic()
        server = await self._public.server_time()
        self._time.set(server + 500 * (self._clock.monotonic() - asked))
        return server

    async def contracts(self) -> Sequence[ContractTerms]:
        """What orders in each symbol must obey, from now on here as well."""
        if self._public is not None:
            self._matching.update_contracts(await self._public.contracts(), self._now())
            self._changed = True
            self._publish()
        return tuple(self._account.contracts.values())

    async def balance(self) -> Balance:
        """The account now."""
        self._save()
        return self._account.balance()

    async def positions(self) -> Sequence[Position]:
        """Every open position."""
        self._save()
        return open_positions(self._account)

    async def open_orders(self) -> Sequence[OrderState]:
        """Orders that are live or partially filled."""
        self._save()
        return [order.state() for order in self._account.live_orders()]

    async def order(self, symbol: str, client_id: str) -> OrderState | None:
        """State of an order; None: it was never accepted."""
        self._save()
        order = self._matching.find(symbol, client_id=client_id)
        return None if order is None else order.state()

    async def fills(self, symbol: str, since: int) -> Sequence[Fill]:
        """Executions of a symbol from ``since`` (ms) on, oldest first."""
        self._save()
        fills = (execution.fill for execution in self._account.executions)
        return [fill for fill in fills if fill.symbol == symbol and fill.at >= since]

    # desk.ports.Exchange: requests ------------------------------------------------------------------

    async def place(self, request: OrderRequest) -> str:
        """Accept an order; a market order is filled at once.

        Raises
        ------
        Refused
            With what it means, such as ``duplicate`` for a client id that was used before.
        """
        ticket = NewOrder(
            client_id=request.client_id,
            symbol=request.symbol,
            side=request.side,
            purpose=request.purpose,
            size=request.size,
            kind=request.kind,
            price=request.price,
            stop_loss=request.stop_loss,
            take_profit=request.take_profit,
        )
        with self._asked("place"):
            return self._matching.place(ticket, self._now()).order_id

    async def cancel(self, symbol: str, client_id: str) -> None:
        """Cancel an order; one that has ended already is no error."""
        with self._asked("cancel", forgiven=CLEANED):
            self._matching.cancel(self._matching.find(symbol, client_id=client_id), self._now())

    async def protect(
        self, symbol: str, side: int, *, stop_loss: Decimal, take_profit: Decimal | None
    ) -> None:
        """Protect a position with a stop (and a take-profit), replacing every plan that it had.

        Parameters
        ----------
        symbol : str
        side : int
            1 long, -1 short.
        stop_loss : Decimal
            Trigger price, USDT.
        take_profit : Decimal or None
            Trigger price, USDT; None: no take-profit.
        """
        account, now = self._account, self._now()
        with self._asked("protect"):
            former = account.plans_of(symbol, side)
            self._matching.bind(symbol, side, now, stop_loss=stop_loss, take_profit=take_profit)
            for plan in former:
                account.plans.pop(plan.plan_id, None)

    async def close(self, symbol: str, side: int) -> None:
        """Close a position at market; being flat already is no error."""
        with self._asked("close", forgiven=CLEANED):
            self._matching.close(symbol, self._now(), side=side)

    async def set_up(self, symbol: str, *, leverage: Decimal, margin: MarginMode) -> bool:
        """Set leverage and margin mode of a symbol.

        Parameters
        ----------
        symbol : str
        leverage : Decimal
            At least 1.
        margin : MarginMode

        Returns
        -------
        bool
            Whether they were others before.
        """
        before = self._account.setup(symbol)
        with self._asked("set_up"):
            self._matching.set_margin_mode(symbol, margin)
            return self._matching.set_leverage(symbol, leverage) != before

    async def set_position_mode(self, mode: PositionMode) -> None:
        """Set the position mode of the account."""
        with self._asked("set_position_mode"):
            self._matching.set_position_mode(mode)

    async def pushes(self) -> AsyncIterator[AccountUpdate]:
        """Every order, fill, position and balance as they change, from now on."""
        queue: asyncio.Queue[AccountUpdate] = asyncio.Queue()
        self._listeners.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.remove(queue)

    @contextmanager
    def _asked(self, call: str, *, forgiven: frozenset[Meaning] = frozenset()) -> Iterator[None]:
        """Turn the core's refusals into ours, save the account, and notify the listeners."""
        self._changed = True  # even where it is refused: of two settings one may have been taken
        try:
            yield
        except Denied as denied:
            if meaning_of(denied.code) not in forgiven:
                raise refusal(denied.message, endpoint=f"paper {call}", code=denied.code) from denied
        self._save()
        self._publish()

    def _save(self) -> None:
        """Save the account if it changed: no answer may be returned before."""
        if self._store is None or not self._changed:
            return
        try:
            self._store.save(self._matching)
        except OSError as exc:
            raise Unanswered(f"the account could not be saved: {exc}", endpoint="paper") from exc
        self._changed = False

    def _now(self) -> int:
        """The exchange's time, ms."""
        return self._time.now_ms()

    def _publish(self, *, always: bool = False) -> None:
        """Push every change to the listeners, and with ``always`` positions and balance too."""
        changes = self._matching.drain()
        if not (changes or always) or not self._listeners:
            return
        pushes = [_push(change) for change in changes]
        pushes.append(
            AccountUpdate(positions=tuple(open_positions(self._account)), balance=self._account.balance())
        )
        for queue in self._listeners:
            for push in pushes:
                queue.put_nowait(push)


def _push(change: Order | MatchedFill) -> AccountUpdate:
    if isinstance(change, Order):
        return AccountUpdate(order=change.state())
    return AccountUpdate(fill=change.fill)


def exactly(value: float) -> Decimal:
    """The decimal number as which ``value`` is printed: 0.1 is one tenth."""
    return Decimal(repr(float(value)))
