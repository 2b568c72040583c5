"""A classic account at Bitget, which has API v2.

Place in the house: satisfies ``desk.ports.Exchange`` for ``desk.market.bitget.account.account``.  What is
asked is spelled by ``classic.requests`` beside it, travels by ``desk.market.bitget.account.rest`` and is read
by ``classic.wire``; pushes arrive by ``desk.market.bitget.account.stream``.

Reading order: ``ClassicAccount`` from the top; reads, then writes, then settings, then pushes.

What the exchange calls a failure and a trader doesn't is settled here: nothing to cancel, nothing to close,
an order that was never there.  A client id that was used before is looked up: where it is the very order that
was to be placed, it is as good as placed.  An order that is meant for the other position mode was refused
before it took effect; the mode is asked for and the order sent once more.

Not here: whether an order should be sent, and what to do when nobody knows whether it was.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from functools import partial

from desk.errors import Meaning, Refused, Unanswered, Unreadable
from desk.market.bitget.account.bound_exits import with_exits
from desk.market.bitget.account.classic import receipts, wire
from desk.market.bitget.account.classic import requests as asked
from desk.market.bitget.account.classic.exits import PositionExits
from desk.market.bitget.account.classic.rows import Modes, completed
from desk.market.bitget.account.contract_list import ContractList
from desk.market.bitget.account.fields import OrderDetail
from desk.market.bitget.account.lists import PagedLists
from desk.market.bitget.account.rest import SignedRest
from desk.market.bitget.account.stream import PrivateStream, account_updates
from desk.market.bitget.codes import PASSING, meaning_of, refusal
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
from desk.policy import LONG, SHORT

CANCELLED: frozenset[Meaning] = frozenset({"nothing_there", "not_found"})
"""Refusals to cancel that are as good as done."""
FLAT: frozenset[Meaning] = frozenset({"nothing_there"})
"""Refusals to close that are as good as done."""
UNCHANGED: frozenset[Meaning] = frozenset({"setting_unchanged"})
MOST_QUESTIONS = 3
"""So often an order is asked for without an answer; then its executions are taken as they are."""
REMEMBERED = 5_000
"""Orders whose client id is kept, so that their executions need not ask for it."""


class ClassicAccount:
    """One account.

    Parameters
    ----------
    rest : SignedRest
        Open.
    stream : PrivateStream
        Of ``messages.STREAM``.
    """

    def __init__(self, rest: SignedRest, stream: PrivateStream) -> None:
        self._rest = rest
        self._stream = stream
        self._position_mode: PositionMode | None = None
        self._margin: dict[str, MarginMode] = {}
        self._orders: dict[str, OrderDetail | None] = {}
        self._unknown_orders: Counter[str] = Counter()
        self._contracts = ContractList(rest)
        self._lists = PagedLists(rest)
        self._exits = PositionExits(rest, self._lists)

    # Reads -------------------------------------------------------------------------------------------

    async def server_time(self) -> int:
        """The exchange's clock, in ms; requests are signed with it from now on."""
        return await self._rest.set_clock()

    async def contracts(self) -> Sequence[ContractTerms]:
        """What orders in each perpetual must obey."""
        return await self._contracts.read()

    async def balance(self) -> Balance:
        """The account now, in USDT.

        Raises
        ------
        Refused
            Also if the account has no USDT at all: neither in the list of balances, nor asked for by itself.
        """
        found = await self._rest.read(asked.ACCOUNTS, asked.accounts(), wire.read_balance)
        if found is None:
            query = asked.account(next(iter(self._contracts.taker_fees), "BTCUSDT"))
            found = await self._rest.read(asked.ACCOUNT, query, wire.read_balance)
        if found is None:
            raise Refused(
                "the futures account holds no USDT: transfer some to it at Bitget",
                endpoint=asked.ACCOUNTS,
                code="",
                meaning="no_margin",
            )
        return found

    async def positions(self) -> Sequence[Position]:
        """Every open position, with its stop and take-profit where there are any.

        The list of positions names one stop of each, for whatever part of it: so the waiting stops are asked
        for.  Counted is only what ends the whole position, see ``bound_exits.with_exits``.
        """
        return await self._positions()

    async def open_orders(self) -> Sequence[OrderState]:
        """Orders that are live or partially filled."""
        return await self._lists.rows(
            asked.PENDING, lambda before: asked.pending_orders(before=before), wire.read_orders
        )

    async def order(self, symbol: str, client_id: str) -> OrderState | None:
        """What became of an order; None: the exchange does not know it."""
        try:
            query = asked.order_by_client_id(symbol, client_id)
            return (await self._rest.read(asked.DETAIL, query, wire.read_order, briefly=True)).state
        except Refused as exc:
            if exc.meaning == "not_found":
                return None
            raise

    async def fills(self, symbol: str, since: int) -> Sequence[Fill]:
        """Executions of a symbol from ``since`` (ms) on, oldest first.

        The list names no client ids: each order is asked for once; where that cannot be read, what the list
        tells is kept.  A fee that was paid in another coin counts at the contract's taker rate, once
        ``contracts`` were asked for.
        """
        rows = await self._lists.rows(
            asked.FILLS,
            lambda before: asked.fills(symbol, since, before=before),
            partial(wire.read_fills, taker_fees=self._contracts.taker_fees),
        )
        once = {fill.trade_id: fill for fill in reversed(rows) if fill.at >= since}
        return sorted([await self._completed(fill) for fill in once.values()], key=lambda fill: fill.at)

    # Writes ------------------------------------------------------------------------------------------

    async def place(self, request: OrderRequest) -> str:
        """Send an order; the exchange's id.  Accepted is not filled."""
        try:
            return await self._send_order(request)
        except Refused as exc:
            if exc.meaning == "duplicate":
                return await self._placed_before(request, exc)
            if exc.meaning != "mode":
                raise
        self._position_mode = None  # somebody changed it meanwhile
        return await self._send_order(request)

    async def cancel(self, symbol: str, client_id: str) -> None:
        """Cancel an order; one that is gone already is no error."""
        body = asked.cancel_order(symbol, client_id)
        await self._tolerant(asked.CANCEL, body, unless=CANCELLED)

    async def protect(
        self, symbol: str, side: int, *, stop_loss: Decimal, take_profit: Decimal | None
    ) -> None:
        """Bind a stop (and a take-profit) to a position, replacing what was bound to it.

        The new ones are bound first: there is no moment without a stop.  What waits besides is cancelled.

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
            If the exchange names no stop that it bound, and there is none.
        Refused
            Also if a former stop or take-profit waits on.
        """
        mode = await self._mode(symbol)
        await self._exits.bind(symbol, side, stop_loss=stop_loss, take_profit=take_profit, mode=mode)

    async def close(self, symbol: str, side: int) -> None:
        """Close a position at market, whatever its size; being flat already is no error.

        Raises
        ------
        Unanswered
            Also if the exchange names nothing that it closed, and the position is still there.
        """
        body = asked.close_position(symbol, side, mode=await self._mode(symbol))
        if await self._tolerant(asked.CLOSE, body, unless=FLAT):
            return
        held = await self._rest.read(asked.ALL_POSITIONS, asked.all_positions(), wire.read_positions)
        if (symbol, side) in {(one.symbol, one.side) for one in held}:
            raise Unanswered("it was taken, and the position is still there", endpoint=asked.CLOSE)

    # Settings ----------------------------------------------------------------------------------------

    async def set_up(self, symbol: str, *, leverage: Decimal, margin: MarginMode) -> bool:
        """Make leverage and margin mode of a symbol what is asked, and verify it; whether they were others.

        Parameters
        ----------
        symbol : str
        leverage : Decimal
        margin : MarginMode

        Raises
        ------
        Refused
            If they are not what was asked afterwards; also when positions or orders hold them where they are.
        """
        modes = before = await self._modes(symbol)
        if modes.margin != margin:
            await self._tolerant(
                asked.SET_MARGIN_MODE, asked.set_margin_mode(symbol, margin), unless=UNCHANGED
            )
            modes = await self._modes(symbol)
        if not modes.has(leverage, margin):
            apart = margin == "isolated" and modes.position == "hedge"
            for side in (LONG, SHORT) if apart else (None,):
                body = asked.set_leverage(symbol, leverage, side=side)
                await self._tolerant(asked.SET_LEVERAGE, body, unless=UNCHANGED)
            modes = await self._modes(symbol)
        if not modes.has(leverage, margin):
            raise Refused(
                f"{symbol}: {margin} margin, leverage {leverage} was asked for, it is {modes.described()}",
                endpoint=asked.SET_LEVERAGE,
                code="",
                meaning="setting_locked",
            )
        return modes is not before

    async def set_position_mode(self, mode: PositionMode) -> None:
        """Make the account's position mode what is asked, and verify it.

        Raises
        ------
        Refused
            If it is another afterwards; positions or orders of any symbol hold it where it is.
        """
        body = asked.set_position_mode(mode)
        try:
            confirmed = await self._rest.write(asked.SET_POSITION_MODE, body, receipts.read_position_mode)
        except Refused as exc:
            perhaps_so = exc.meaning in {"setting_locked", "setting_unchanged", "unknown", *PASSING}
            if not perhaps_so or await self._mode_in_use() != mode:
                raise (Unanswered.of(exc) if exc.meaning in PASSING else exc) from None
            confirmed = mode
        if confirmed != mode:
            raise Refused(
                f"position mode {mode} was asked for, it is {confirmed}",
                endpoint=asked.SET_POSITION_MODE,
                code="",
                meaning="setting_locked",
            )
        self._position_mode = mode

    # Pushes ------------------------------------------------------------------------------------------

    def pushes(self) -> AsyncIterator[AccountUpdate]:
        """Pushes of the exchange, for as long as the caller listens, or until ``end_pushes``.

        Pushes of positions tell no stops, so they are taken as a sign to ask; where that fails, a push says
        that something was missed.

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

    async def _positions(self, *, attempts: int | None = None) -> tuple[Position, ...]:
        positions = await self._rest.read(
            asked.ALL_POSITIONS, asked.all_positions(), wire.read_positions, attempts=attempts
        )
        if not positions:
            return positions
        waiting = await self._exits.waiting(attempts=attempts)
        return tuple(with_exits(one, waiting) for one in positions)

    async def _completed(self, fill: Fill) -> Fill:
        detail: OrderDetail | None
        if fill.order_id not in self._orders:
            try:
                query = asked.order_by_id(fill.symbol, fill.order_id)
                detail = await self._rest.read(asked.DETAIL, query, wire.read_order, briefly=True)
            except Refused as exc:
                if exc.meaning == "not_found":
                    return fill
                raise
            except Unanswered as exc:
                self._unknown_orders[fill.order_id] += 1
                again = self._unknown_orders[fill.order_id] < MOST_QUESTIONS
                if again and not isinstance(exc, Unreadable):
                    raise
                text = f"an order of {fill.symbol} cannot be read, its fills are taken as they are: {exc}"
                self._lists.remark(asked.DETAIL, text)
                detail = None
            if len(self._orders) >= REMEMBERED:
                self._orders.pop(next(iter(self._orders)))
            self._orders[fill.order_id] = detail
        order = self._orders[fill.order_id]
        return fill if order is None else completed(fill, order)

    async def _send_order(self, request: OrderRequest) -> str:
        mode, margin = await self._mode(request.symbol), await self._margin_mode(request.symbol)
        body = asked.place_order(request, margin=margin, mode=mode)
        order_id = await self._rest.write(asked.PLACE, body, receipts.read_placed)
        return order_id or (await self._found(request)).order_id

    async def _placed_before(self, request: OrderRequest, refusal: Refused) -> str:
        """The id of the order that bears the client id already, if it is the same order."""
        found = await self._found(request)
        theirs = (found.symbol, found.side, found.purpose, found.size)
        if theirs != (request.symbol, request.side, request.purpose, request.size):
            raise refusal
        return found.order_id

    async def _found(self, request: OrderRequest) -> OrderState:
        found = await self.order(request.symbol, request.client_id)
        if found is None:
            raise Unanswered(f"order {request.client_id} was taken and is not found", endpoint=asked.PLACE)
        return found

    async def _tolerant(self, path: str, body: Mapping[str, object], *, unless: frozenset[Meaning]) -> bool:
        """Write; refusals with one of the meanings ``unless`` are none, as a whole or in part.

        Returns whether the answer names anything that it did or found done.

        Parameters
        ----------
        path : str
        body : mapping
        unless : frozenset of Meaning
        """
        try:
            outcome = await self._rest.write(path, body, receipts.read_batch)
        except Refused as exc:
            if exc.meaning not in unless:
                raise
            return True
        for code, message in outcome.failures:
            if meaning_of(code) not in unless:
                raise refusal(message, endpoint=path, code=code)
        return bool(outcome.done or outcome.failures)

    async def _modes(self, symbol: str) -> Modes:
        modes = await self._rest.read(asked.ACCOUNT, asked.account(symbol), wire.read_modes)
        self._margin[symbol], self._position_mode = modes.margin, modes.position
        return modes

    async def _mode(self, symbol: str) -> PositionMode:
        return self._position_mode or (await self._modes(symbol)).position

    async def _margin_mode(self, symbol: str) -> MarginMode:
        return self._margin.get(symbol) or (await self._modes(symbol)).margin

    async def _mode_in_use(self) -> PositionMode | None:
        """The account's position mode, as any symbol that is traded tells it; None without one."""
        contracts = sorted(await self.contracts(), key=lambda one: one.status != "normal")
        return (await self._modes(contracts[0].symbol)).position if contracts else None
