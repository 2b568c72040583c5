"""A unified account at Bitget, which has API v3.

Place in the house: satisfies ``desk.ports.Exchange`` for ``desk.market.bitget.account.account``.  What is
asked is spelled by ``unified.requests`` beside it, travels by ``desk.market.bitget.account.rest`` and is read
by ``unified.wire``; stops are the matter of ``unified.exits``; pushes arrive by
``desk.market.bitget.account.stream``.

Reading order: ``UnifiedAccount`` from the top; reads, then writes, then settings, then pushes.

Two things differ from classic accounts and are made up for here, so that a caller need not know:

- The exchange refuses a client id only while its order rests.  An id whose answer was lost is looked for
  more than once, by order and by execution; an order that opens is not sent a second time under it, whatever
  is found, and one that closes only while the position is there.
- There is no margin mode of a symbol: it goes with every order, and the one of ``set_up`` is remembered.

Not here: whether an order should be sent, and what to do when nobody knows whether it was.

References
----------
``docs/bitget.md``, Part 2 (U).
"""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from functools import partial

from desk.errors import AccountError, DeskError, Meaning, Refused, Throttled, Unanswered
from desk.market.bitget.account.contract_list import ContractList
from desk.market.bitget.account.lists import PagedLists
from desk.market.bitget.account.rest import SignedRest
from desk.market.bitget.account.stream import PrivateStream, account_updates
from desk.market.bitget.account.unified import requests as asked
from desk.market.bitget.account.unified import wire
from desk.market.bitget.account.unified.exits import StrategyExits
from desk.market.bitget.account.unified.lookup import OrderLookup
from desk.market.bitget.account.unified.modes import UnifiedModes
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
from desk.ports import Clock

CANCELLED: frozenset[Meaning] = frozenset({"nothing_there", "not_found"})
"""Refusals to cancel that are as good as done."""
REMEMBERED = 5_000
"""Accepted orders whose ids are kept, so that none is sent twice."""


class UnifiedAccount:
    """One account.

    Parameters
    ----------
    rest : SignedRest
        Open.
    stream : PrivateStream
        Of ``messages.STREAM``.
    clock : Clock
        For pauses.
    """

    def __init__(self, rest: SignedRest, stream: PrivateStream, *, clock: Clock) -> None:
        self._rest = rest
        self._stream = stream
        self._modes = UnifiedModes(rest)
        self._unknown: set[str] = set()
        self._accepted: dict[str, str] = {}
        self._contracts = ContractList(rest)
        self._lists = PagedLists(rest)
        self._lookup = OrderLookup(rest, self._lists, self._contracts, clock=clock)
        self._exits = StrategyExits(rest, self._lists, clock=clock)

    # Reads -------------------------------------------------------------------------------------------

    async def server_time(self) -> int:
        """The exchange's clock, in ms; requests are signed with it from now on."""
        return await self._rest.set_clock()

    async def contracts(self) -> Sequence[ContractTerms]:
        """What orders in each perpetual must obey."""
        return await self._contracts.read()

    async def balance(self) -> Balance:
        """The account now, in USDT; other coins don't count, whatever they are worth as collateral.

        Raises
        ------
        Refused
            Also if the account has no USDT at all.
        """
        found = await self._rest.read(asked.ASSETS, {}, wire.read_balance)
        if found is None:
            raise Refused(
                "the unified account holds no USDT: transfer some to it at Bitget",
                endpoint=asked.ASSETS,
                code="",
                meaning="no_margin",
            )
        return found

    async def positions(self) -> Sequence[Position]:
        """Every open position, with its stop and take-profit where there are any.

        Rows of positions tell none: those that the list of strategy orders shows count, and no others.
        """
        return await self._positions()

    async def open_orders(self) -> Sequence[OrderState]:
        """Orders that are live or partially filled."""
        return await self._lists.rows(
            asked.UNFILLED, lambda before: asked.unfilled_orders(before=before), wire.read_orders
        )

    async def order(self, symbol: str, client_id: str) -> OrderState | None:
        """What became of an order; None: the exchange does not know it, asked more than once."""
        return await self._lookup.order(symbol, client_id)

    async def fills(self, symbol: str, since: int) -> Sequence[Fill]:
        """Executions of a symbol from ``since`` (ms) on, oldest first."""
        return await self._lookup.fills(symbol, since)

    # Writes ------------------------------------------------------------------------------------------

    async def place(self, request: OrderRequest) -> str:
        """Send an order; the exchange's id.  Accepted is not filled.

        Raises
        ------
        Unanswered
            Also if the answer to an earlier attempt was lost, and the order is not found: it may be there.
        Throttled
            Also if leftovers of a former position could not be cancelled before: nothing was sent.
        """
        if request.client_id in self._accepted:
            return self._accepted[request.client_id]
        if request.client_id in self._unknown:
            if (found := await self.order(request.symbol, request.client_id)) is not None:
                return self._same(request, found, None).order_id
            await self._require_repeatable(request)
        elif request.purpose == "open":
            await self._sweep(request.symbol)
        try:
            return await self._send_order(request)
        except Refused as exc:
            if exc.meaning == "duplicate":
                return self._same(request, await self._found(request), exc).order_id
            if exc.meaning != "mode":
                raise
        self._modes.forget_position_mode()  # somebody changed it meanwhile
        return await self._send_order(request)

    async def cancel(self, symbol: str, client_id: str) -> None:  # noqa: ARG002 - the id alone is enough
        """Cancel an order; one that is gone already is no error."""
        try:
            await self._rest.write(asked.CANCEL, asked.cancel_order(client_id), wire.read_id)
        except Refused as exc:
            if exc.meaning not in CANCELLED:
                raise

    async def protect(
        self, symbol: str, side: int, *, stop_loss: Decimal, take_profit: Decimal | None
    ) -> None:
        """Bind a stop (and a take-profit) to a position, replacing what was bound to it.

        Parameters
        ----------
        symbol : str
        side : int
            ``LONG`` or ``SHORT``.
        stop_loss, take_profit : Decimal
            USDT; None: no take-profit.

        Raises
        ------
        Unanswered
            If no list shows what was bound.
        Refused
            Also if there is no such position, or a former stop or take-profit waits on.
        """
        position = await self._held(symbol, side)
        if position is None:
            raise Refused(
                f"there is no position of {symbol} to protect",
                endpoint=asked.BIND,
                code="",
                meaning="nothing_there",
            )
        await self._exits.bind(
            position, stop_loss=stop_loss, take_profit=take_profit, mode=await self._modes.position_mode()
        )

    async def close(self, symbol: str, side: int) -> None:
        """Close a position at market, whatever its size; being flat already is no error.

        That there is nothing to close is believed only after the positions were read.

        Raises
        ------
        Unanswered
            Also if the exchange finds nothing to close, and the position is still there.
        """
        try:
            await self._rest.write(asked.CLOSE, asked.close_position(symbol, side), wire.read_id)
        except Refused as exc:
            if exc.meaning != "nothing_there":
                raise
            if await self._held(symbol, side) is not None:
                raise Unanswered(
                    "the exchange finds nothing to close, and the position is there", endpoint=asked.CLOSE
                ) from exc
        if await self._held(symbol, side) is None:
            await self._sweep_later(symbol)

    # Settings ----------------------------------------------------------------------------------------

    async def set_up(self, symbol: str, *, leverage: Decimal, margin: MarginMode) -> bool:
        """Make leverage and margin mode of a symbol what is asked, see ``UnifiedModes.set_up``.

        Parameters
        ----------
        symbol : str
        leverage : Decimal
        margin : MarginMode
        """
        return await self._modes.set_up(
            symbol, leverage=leverage, margin=margin, read_positions=self._plain_positions
        )

    async def set_position_mode(self, mode: PositionMode) -> None:
        """Make the account's position mode what is asked, see ``UnifiedModes.set_position_mode``."""
        await self._modes.set_position_mode(mode)

    # Pushes ------------------------------------------------------------------------------------------

    def pushes(self) -> AsyncIterator[AccountUpdate]:
        """Pushes of the exchange, for as long as the caller listens, or until ``end_pushes``.

        A push of positions proves nothing about those that it leaves out, and tells no stops: it is taken as
        a sign to ask; where that fails, a push says that something was missed.

        Raises
        ------
        AccountError
            If the key is not let in.
        """
        pushes = self._stream.pushes(self._rest.session, server_time=self._rest.set_clock)
        return account_updates(pushes, partial(self._positions, attempts=1))

    def end_pushes(self) -> None:
        """Let ``pushes`` come to its end."""
        self._stream.end()

    # Inside ------------------------------------------------------------------------------------------

    async def _plain_positions(self, *, attempts: int | None = None) -> tuple[Position, ...]:
        """Positions as their rows tell them: without stops."""
        return await self._rest.read(
            asked.POSITIONS, asked.positions(), wire.read_positions, attempts=attempts
        )

    async def _positions(self, *, attempts: int | None = None) -> tuple[Position, ...]:
        positions = await self._plain_positions(attempts=attempts)
        if not positions:
            return positions
        return self._exits.protected(positions, await self._exits.waiting(attempts=attempts))

    async def _held(self, symbol: str, side: int) -> Position | None:
        held = await self._plain_positions()
        return next((one for one in held if (one.symbol, one.side) == (symbol, side)), None)

    async def _send_order(self, request: OrderRequest) -> str:
        """Send an order once; its id counts as unknown until an answer says what became of it."""
        margin, mode = await self._modes.margin_mode(request.symbol), await self._modes.position_mode()
        body = asked.place_order(request, margin=margin, mode=mode)
        self._unknown.add(request.client_id)
        try:
            order_id = await self._rest.write(
                asked.PLACE, body, wire.read_id, repeatable=request.purpose == "close"
            )
        except Throttled:
            self._unknown.discard(request.client_id)
            raise
        except Refused as exc:
            if exc.meaning not in {"unknown", "duplicate"}:
                self._unknown.discard(request.client_id)
            raise
        order_id = order_id or (await self._found(request)).order_id
        self._unknown.discard(request.client_id)
        if len(self._accepted) >= REMEMBERED:
            self._accepted.pop(next(iter(self._accepted)))
        self._accepted[request.client_id] = order_id
        return order_id

    async def _require_repeatable(self, request: OrderRequest) -> None:
        """See that an order whose answer was lost, and that is not found, may be sent again.

        Raises
        ------
        Unanswered
            If it opens: it could be filled twice.
        Refused
            If it closes, and the position is gone.
        """
        if request.purpose == "open":
            raise Unanswered(
                f"the answer to order {request.client_id} was lost, and it is not found: it is not repeated",
                endpoint=asked.PLACE,
            )
        if await self._held(request.symbol, request.side) is None:
            raise Refused(
                f"there is no position of {request.symbol} to close",
                endpoint=asked.PLACE,
                code="",
                meaning="nothing_there",
            )

    def _same(self, request: OrderRequest, found: OrderState, refusal: Refused | None) -> OrderState:
        """The order that bears the client id already, if it is the one that was to be placed."""
        self._unknown.discard(request.client_id)
        theirs = (found.symbol, found.side, found.purpose)
        if theirs == (request.symbol, request.side, request.purpose):
            return found
        raise refusal or Refused(
            f"another order has the client id {request.client_id}",
            endpoint=asked.PLACE,
            code="",
            meaning="duplicate",
        )

    async def _found(self, request: OrderRequest) -> OrderState:
        found = await self.order(request.symbol, request.client_id)
        if found is None:
            raise Unanswered(f"order {request.client_id} was taken and is not found", endpoint=asked.PLACE)
        return found

    async def _sweep(self, symbol: str) -> None:
        """Cancel leftovers before a position is opened that they would end.

        Raises
        ------
        AccountError
            If nothing can be traded at all.
        Throttled
            If they could not be cancelled.
        """
        try:
            await self._exits.sweep(symbol, self._plain_positions)
        except (Unanswered, Refused) as exc:
            if isinstance(exc, AccountError):
                raise
            raise Throttled(
                f"not sent: a former stop of {symbol} waits: {exc}", endpoint=asked.PLACE
            ) from exc

    async def _sweep_later(self, symbol: str) -> None:
        """Cancel leftovers after a close; where that fails, it is done before the next entry."""
        try:
            await self._exits.sweep(symbol, self._plain_positions)
        except AccountError:
            raise
        except DeskError as exc:
            self._lists.remark(asked.UNBIND, f"a former stop of {symbol} waits on: {exc}")
