"""Stops and take-profits that wait for the positions of a unified account.

Place in the house: the part of ``desk.market.bitget.account.unified.account`` that binds, moves and cancels
them.  Requests go out by ``desk.market.bitget.account.rest``.

A row of a position tells no stop: the list of strategy orders is the only proof of one, and what was bound
counts as bound once the list shows it.  A position has at most one strategy order that follows the whole of
it.  That one is moved; only to take its take-profit away it is cancelled and bound again, which leaves the
position without a stop for the time of two requests.

What the sources disagree about, or what is not established, is tried in turn: the fields that name the
position in one-way mode, and a second and a half later, since a position may be unknown to strategy orders
just after its entry was filled.

References
----------
``docs/bitget.md``, sections U8 and U15.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal

from desk.errors import AccountError, Meaning, Refused, Unanswered
from desk.market.bitget.account.bound_exits import BoundExit, with_exits
from desk.market.bitget.account.lists import PagedLists
from desk.market.bitget.account.rest import SignedRest
from desk.market.bitget.account.unified import requests as asked
from desk.market.bitget.account.unified import wire
from desk.market.bitget.account.unified.requests import BindForm
from desk.market.bitget.account.unified.strategies import StrategyExit
from desk.orders import MarginMode, Position, PositionMode
from desk.ports import Clock

GONE: frozenset[Meaning] = frozenset({"nothing_there", "not_found"})
"""Refusals to cancel that are as good as done."""
NOT_SEEN: frozenset[Meaning] = frozenset({"nothing_there", "mode"})
"""Refusals to bind that say that the position is not seen, or not by these fields."""
SEEN_AFTER_S = 1.5
"""So long a new position may be unknown to strategy orders."""
LISTED_AFTER_S = (0.0, 0.5, 1.0)
"""Pauses before the list is asked whether it shows what was bound."""
log = logging.getLogger(__name__)


class StrategyExits:
    """Those of one account.

    Parameters
    ----------
    rest : SignedRest
    lists : PagedLists
    clock : Clock
    """

    def __init__(self, rest: SignedRest, lists: PagedLists, *, clock: Clock) -> None:
        self._rest = rest
        self._lists = lists
        self._clock = clock
        self._followers: set[str] = set()
        self._form: BindForm | None = None
        self._number = 0

    async def waiting(self, *, attempts: int | None = None) -> list[StrategyExit]:
        """Strategy orders that wait, of all symbols."""
        return await self._lists.rows(
            asked.BOUND, lambda _: asked.bound_exits(), wire.read_strategies, attempts=attempts
        )

    def protected(
        self, positions: Iterable[Position], waiting: Sequence[StrategyExit]
    ) -> tuple[Position, ...]:
        """``positions`` with the stops and take-profits that end the whole of each."""
        exits: list[BoundExit] = []
        for one in waiting:
            exits += one.exits(followers=self._followers)
        return tuple(with_exits(one, exits) for one in positions)

    async def bind(
        self,
        position: Position,
        *,
        stop_loss: Decimal,
        take_profit: Decimal | None,
        mode: PositionMode,
    ) -> None:
        """Bind a stop, and perhaps a take-profit, to a position; cancel whatever else waits for it.

        Parameters
        ----------
        position : Position
        stop_loss : Decimal
            USDT.
        take_profit : Decimal or None
            USDT; None: none is left.
        mode : PositionMode
            Of the account.

        Raises
        ------
        Unanswered
            Also if the list doesn't show the stop afterwards.
        Refused
            Also if a former stop or take-profit waits on.
        """
        former = await self._of(position)
        follower = next((one for one in former if self._follows(one)), None)
        bound = ""
        if follower is None:
            try:
                bound = await self._place(position, stop_loss, take_profit, mode)
            except Refused as exc:
                if exc.meaning != "duplicate":
                    raise
                former = await self._of(position)  # one follows it already, and no row said so
                follower = max(former, key=lambda one: one.size or position.size, default=None)
                if follower is None:
                    raise
        if follower is not None:
            self._followers.add(follower.order_id)
            bound = follower.order_id
            if follower.take_profit is not None and take_profit is None:
                await self._cancel(follower)
                bound = await self._place(position, stop_loss, take_profit, mode)
            else:
                await self._move(follower, stop_loss, take_profit)
        left = await self._listed(position, bound, stop_loss, take_profit)
        await self._cancel_all(position, [one for one in left if one.order_id != bound])

    async def sweep(self, symbol: str, read_positions: Callable[[], Awaitable[Iterable[Position]]]) -> None:
        """Cancel what waits for positions of a symbol that are not held: leftovers of former ones.

        Parameters
        ----------
        symbol : str
        read_positions : callable
            Asks for the positions.  It is called after the list is read: a stop that arrives meanwhile with
            its position is never taken for a leftover.

        Raises
        ------
        AccountError, Refused, Throttled, Unanswered
            If they cannot be cancelled.
        """
        waiting = [one for one in await self.waiting() if one.symbol == symbol]
        if not waiting:
            return
        sides = {one.side for one in await read_positions() if one.symbol == symbol}
        for one in waiting:
            if one.side not in sides and not (one.side is None and sides):
                log.warning("%s: a stop or take-profit of a former position is cancelled", symbol)
                await self._cancel(one)

    def _follows(self, one: StrategyExit) -> bool:
        return one.follows or one.order_id in self._followers

    async def _of(self, position: Position) -> list[StrategyExit]:
        return [one for one in await self.waiting() if one.is_of(position.symbol, position.side)]

    async def _place(
        self, position: Position, stop_loss: Decimal, take_profit: Decimal | None, mode: PositionMode
    ) -> str:
        """Bind a strategy order that follows the whole position; its id."""
        forms = self._forms(position.margin_mode, mode)
        *others, last = (forms[0], *forms)
        for form in others:
            try:
                return await self._send(position, stop_loss, take_profit, form)
            except Refused as exc:
                if exc.meaning not in NOT_SEEN:
                    raise
            await self._clock.sleep(SEEN_AFTER_S)
        return await self._send(position, stop_loss, take_profit, last)

    async def _send(
        self, position: Position, stop_loss: Decimal, take_profit: Decimal | None, form: BindForm
    ) -> str:
        self._number += 1
        body = asked.bind_exits(
            position.symbol,
            position.side,
            stop_loss=stop_loss,
            take_profit=take_profit,
            margin=position.margin_mode,
            form=form,
            client_id=f"tpsl-{self._rest.now_ms()}-{self._number}",
        )
        order_id = await self._rest.write(asked.BIND, body, wire.read_id)
        self._form = form
        self._followers.add(order_id)
        return order_id

    def _forms(self, margin: MarginMode, mode: PositionMode) -> list[BindForm]:
        """What may name the position, the likeliest first."""
        forms: list[BindForm] = (
            ["side_and_margin", "side"] if margin == "isolated" else ["side", "side_and_margin"]
        )
        if mode == "one_way":
            forms.append("reduce_only")
        return sorted(forms, key=lambda form: form != self._form)

    async def _move(self, follower: StrategyExit, stop_loss: Decimal, take_profit: Decimal | None) -> None:
        if (follower.stop_loss, follower.take_profit) == (stop_loss, take_profit):
            return
        body = asked.move_exits(
            follower.order_id, stop_loss=stop_loss, take_profit=take_profit, size=follower.size
        )
        try:
            await self._rest.write(asked.MOVE, body, wire.read_id)
        except Refused as exc:
            if exc.meaning != "setting_unchanged":
                raise

    async def _listed(
        self, position: Position, bound: str, stop_loss: Decimal, take_profit: Decimal | None
    ) -> list[StrategyExit]:
        """What waits for the position, once the list shows what was bound."""
        for pause in LISTED_AFTER_S:
            if pause:
                await self._clock.sleep(pause)
            waiting = await self._of(position)
            for one in waiting:
                is_it = one.order_id == bound or not bound
                if is_it and (one.stop_loss, one.take_profit) == (stop_loss, take_profit):
                    return waiting
        raise Unanswered("it was taken, and no such stop is there", endpoint=asked.BIND)

    async def _cancel_all(self, position: Position, stale: Sequence[StrategyExit]) -> None:
        why: list[str] = []
        for one in stale:
            try:
                await self._cancel(one)
            except AccountError:
                raise
            except Refused as exc:
                why.append(str(exc))
        if not stale:
            return
        left = {one.order_id for one in await self._of(position)} & {one.order_id for one in stale}
        if left:
            text = f"bound, but {len(left)} former stops or take-profits of {position.symbol} wait on"
            raise Refused(". ".join([text, *why]), endpoint=asked.UNBIND, code="")

    async def _cancel(self, one: StrategyExit) -> None:
        """Cancel one; one that is gone already is no error."""
        try:
            await self._rest.write(asked.UNBIND, asked.cancel_exits(one.order_id), wire.read_id)
        except Refused as exc:
            if exc.meaning not in GONE:
                raise
