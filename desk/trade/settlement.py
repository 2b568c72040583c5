"""What a trade came to that is over, from the exchange's own executions.

Place in the house: below ``desk.trade.execution``.  Trades of which nothing is held come in; the journal
knows their result, or a ``Failure`` says why it is not known yet.

Not here: the arithmetic (``desk.trade.records``).
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from desk.errors import AccountError, ExchangeError, Refused
from desk.orders import Fill
from desk.ports import Clock, Exchange
from desk.trade.journal import Ledger
from desk.trade.records import (
    ClosedTrade,
    OpenTrade,
    OrderRecord,
    Outcome,
    ended_by,
    executed,
    is_fill_of,
    missing_exit,
    settled,
    state_by_fills,
)
from desk.trade.sending import NO_SYMBOL, Failure

CLOCKS_APART_MS = 60_000
"""How much the exchange's times may lie behind ours.  What an earlier trade ended with is known already."""
FILLS_LOOKS, FILLS_LOOK_S = 3, 0.5
"""How often, and how far apart, the fills of a trade that is over are asked for at once."""
FILLS_WAIT_S = 60.0
"""How long a trade that seems to be over waits for the fills that ended it: positions may arrive late."""


class Settlement:
    """Settles trades of one account.

    Parameters
    ----------
    exchange : Exchange
    ledger : Ledger
    clock : Clock
    on_close : callable
        Given every trade that is over, once it is written down.
    taker_fee : callable
        Of a symbol, as a fraction; for orders whose fills are not known.
    """

    def __init__(
        self,
        exchange: Exchange,
        ledger: Ledger,
        clock: Clock,
        *,
        on_close: Callable[[ClosedTrade], None],
        taker_fee: Callable[[str], Decimal],
    ) -> None:
        self._exchange = exchange
        self._ledger = ledger
        self._clock = clock
        self._on_close = on_close
        self._taker_fee = taker_fee
        self._unexplained: dict[str, float] = {}

    async def settle(self, trade: OpenTrade, ended: Outcome | None) -> Failure | None:
        """Write down what a trade came to; None once that is done.

        A trade whose exit the exchange has not reported yet stays open for a while.

        Parameters
        ----------
        trade : OpenTrade
            Of which nothing is held any more.
        ended : Outcome or None
            What ended it; None: the exchange's fills say.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        """
        orders = self._ledger.orders_of(trade.trade)
        held_once = trade.size > 0 or any(one.filled for one in orders)
        if held_once:
            failure = await self._record_fills(trade, orders)
            orders, fills = self._ledger.orders_of(trade.trade), self._ledger.fills_of(trade.trade)
            if missing_exit(trade, orders, fills) > 0:
                if failure is not None:
                    return failure
                now = self._clock.monotonic()
                if now - self._unexplained.setdefault(trade.trade, now) < FILLS_WAIT_S:
                    return Failure(f"{trade.symbol}: is over, and the exchange has not reported how yet")
        self._unexplained.pop(trade.trade, None)
        fills = self._ledger.fills_of(trade.trade)
        outcome = ended or ended_by(trade, fills, orders)
        last = max((fill.at for fill in fills if fill.purpose == "close"), default=self._clock.now_ms())
        taker_fee = self._taker_fee(trade.symbol)
        result = settled(trade, orders, fills, closed=last, ended=outcome, taker_fee=taker_fee)
        if result is None:
            self._ledger.void_trade(trade.trade)
        else:
            self._ledger.close_trade(result)
            self._on_close(result)
        return None

    def still_held(self, trades: Iterable[str]) -> None:
        """Take back that these trades, by name, seem to be over: the exchange has just reported them held."""
        for name in trades:
            self._unexplained.pop(name, None)

    async def _record_fills(self, trade: OpenTrade, orders: Sequence[OrderRecord]) -> Failure | None:
        """Keep what the exchange executed for a trade; None once that is done.

        Fills may be reported a moment after the orders that made them; only they tell what was paid.
        """
        sent = [one for one in orders if one.purpose == "close" or trade.model_file]
        for look in range(FILLS_LOOKS):
            if look:
                await self._clock.sleep(FILLS_LOOK_S)
            if failure := await self._ask_for_fills(trade, orders):
                return failure
            fills = self._ledger.fills_of(trade.trade)
            if all(executed(one, fills).by_fills or not one.filled for one in sent):
                break
        for order in sent:
            self._believe(order, fills)
        return None

    def _believe(self, order: OrderRecord, fills: Sequence[Fill]) -> None:
        """Write down of an order what its fills tell, where it was taken for refused or lost."""
        own = [one for one in fills if is_fill_of(one, order)]
        size = sum((one.size for one in own), Decimal(0))
        if size <= order.filled:
            return
        self._ledger.reported(state_by_fills(order, own), self._clock.now_ms())

    async def _ask_for_fills(self, trade: OpenTrade, orders: Sequence[OrderRecord]) -> Failure | None:
        """Keep what the exchange reports to have executed since the trade began."""
        since = orders[0].written - CLOCKS_APART_MS if orders else trade.opened
        try:
            self._ledger.record_fills(await self._exchange.fills(trade.symbol, since), trade)
        except AccountError:
            raise
        except ExchangeError as exc:
            gone = NO_SYMBOL | {"nothing_there", "not_found"}
            if isinstance(exc, Refused) and exc.meaning in gone:
                return None  # the symbol is gone, and its fills with it
            return Failure(f"{trade.symbol}: its fills could not be asked for: {exc}")
        return None
