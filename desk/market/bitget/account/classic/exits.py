"""Stops and take-profits that wait at Bitget.

Place in the house: the part of ``desk.market.bitget.account.account`` that binds and cancels them.  Requests
go out by ``desk.market.bitget.account.rest``.

What an answer does not name counts as not done, until the list of waiting ones shows that it is: the exchange
answers a cancellation of the wrong kind with success and two empty lists.

Not here: what a position's stop is (``desk.market.bitget.account.bound_exits``).

References
----------
``docs/bitget.md``, section 8.4.
"""

from collections.abc import Sequence
from decimal import Decimal

from desk.errors import AccountError, Meaning, Refused, Unanswered
from desk.market.bitget.account.bound_exits import BoundExit
from desk.market.bitget.account.classic import receipts, wire
from desk.market.bitget.account.classic import requests as asked
from desk.market.bitget.account.lists import PagedLists
from desk.market.bitget.account.rest import SignedRest
from desk.orders import PositionMode

GONE: frozenset[Meaning] = frozenset({"nothing_there", "not_found"})
"""Refusals to cancel that are as good as done."""


class PositionExits:
    """Those of one account.

    Parameters
    ----------
    rest : SignedRest
    lists : PagedLists
    """

    def __init__(self, rest: SignedRest, lists: PagedLists) -> None:
        self._rest = rest
        self._lists = lists

    async def waiting(self, symbol: str | None = None, *, attempts: int | None = None) -> list[BoundExit]:
        """Stops and take-profits that wait, of one symbol or of all."""
        return await self._lists.rows(
            asked.PENDING_PLANS,
            lambda before: asked.pending_plans(symbol, before=before),
            wire.read_bound_exits,
            attempts=attempts,
        )

    async def bind(
        self,
        symbol: str,
        side: int,
        *,
        stop_loss: Decimal,
        take_profit: Decimal | None,
        mode: PositionMode,
    ) -> None:
        """Bind a stop, and perhaps a take-profit, to a position; cancel whatever else waits for it.

        Parameters
        ----------
        symbol : str
        side : int
            ``LONG`` or ``SHORT``.
        stop_loss : Decimal
            USDT.
        take_profit : Decimal or None
            USDT; None: none is left.
        mode : PositionMode
            Of the account.

        Raises
        ------
        Unanswered
            Also if the answer names no stop, and none is there.
        Refused
            Also if a former stop or take-profit waits on.
        """
        body = asked.bind_exits(symbol, side, stop_loss=stop_loss, take_profit=take_profit, mode=mode)
        named = await self._rest.write(asked.BIND_EXITS, body, receipts.read_bound)
        bound = {"pos_loss"} if take_profit is None else {"pos_loss", "pos_profit"}
        waiting = [one for one in await self.waiting(symbol) if one.is_of(symbol, side)]
        if not named and ("pos_loss", stop_loss) not in {(one.kind, one.trigger) for one in waiting}:
            raise Unanswered("it was taken, and no stop is there", endpoint=asked.BIND_EXITS)
        await self._cancel(symbol, [one for one in waiting if one.kind not in bound])

    async def _cancel(self, symbol: str, stale: Sequence[BoundExit]) -> None:
        """Cancel kind by kind, as the exchange wants it, and see that they are gone."""
        left: set[str] = set()
        why: list[str] = []
        for kind in sorted({one.kind for one in stale}):
            ids = [one.order_id for one in stale if one.kind == kind]
            for at in range(0, len(ids), asked.MOST_CANCELLED):
                part = tuple(ids[at : at + asked.MOST_CANCELLED])
                try:
                    body = asked.cancel_plans(symbol, kind, part)
                    outcome = await self._rest.write(asked.CANCEL_PLAN, body, receipts.read_batch)
                except AccountError:
                    raise
                except Refused as exc:
                    left.update(() if exc.meaning in GONE else part)
                    why.append(str(exc))
                    continue
                left.update(set(part) - set(outcome.done))
                why += [message for _, message in outcome.failures]
        if left:
            left &= {one.order_id for one in await self.waiting(symbol)}
        if left:
            text = f"bound, but {len(left)} former stops or take-profits of {symbol} wait on"
            raise Refused(". ".join([text, *why]), endpoint=asked.CANCEL_PLAN, code="")
