"""What became of orders and executions of a unified account, as far as the exchange tells.

Place in the house: the part of ``desk.market.bitget.account.unified.account`` that asks for them.  Requests
go out by ``desk.market.bitget.account.rest``.

That an order is not known proves little: how soon ``order-info`` knows one that was accepted is not
established.  So it is asked more than once, with pauses, and then for executions under the same client id.

References
----------
``docs/bitget.md``, sections U6.1, U6.2 and U7.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial

from desk.errors import Refused, Unreadable
from desk.market.bitget.account.contract_list import ContractList
from desk.market.bitget.account.fields import OrderDetail
from desk.market.bitget.account.lists import PagedLists
from desk.market.bitget.account.rest import SignedRest
from desk.market.bitget.account.unified import requests as asked
from desk.market.bitget.account.unified import wire
from desk.market.bitget.account.unified.rows import of_order
from desk.orders import Fill, OrderState
from desk.ports import Clock

LOOKS_S = (0.0, 0.5, 1.0)
"""Pauses before each question for an order that may not be known yet."""
RECENT_MS = 600_000
"""How far back the executions of an order are looked for that nobody knows."""
REMEMBERED = 5_000
"""Orders that are kept, so that their executions need not ask for them."""


class OrderLookup:
    """Orders and executions of one account.

    Parameters
    ----------
    rest : SignedRest
    lists : PagedLists
    contracts : ContractList
        Its fees value what was paid in another coin.
    clock : Clock
        For pauses.
    """

    def __init__(self, rest: SignedRest, lists: PagedLists, contracts: ContractList, *, clock: Clock) -> None:
        self._rest = rest
        self._lists = lists
        self._contracts = contracts
        self._clock = clock
        self._orders: dict[str, OrderDetail] = {}

    async def order(self, symbol: str, client_id: str) -> OrderState | None:
        """What became of an order; None: the exchange does not know it.

        An order of another symbol under that id counts as unknown.
        """
        for pause in LOOKS_S:
            if pause:
                await self._clock.sleep(pause)
            if (found := await self._order_info(asked.order_by_client_id(client_id))) is not None:
                return found.state if found.state.symbol == symbol else None
        return await self._order_of_fills(symbol, client_id)

    async def fills(self, symbol: str, since: int) -> Sequence[Fill]:
        """Executions of a symbol from ``since`` (ms) on, oldest first.

        The list has those of all symbols.  Why the exchange itself ended a position stands in the order
        alone: each of those is asked for once; where that cannot be read, what the list tells is kept.
        """
        return [await self._completed(one) for one in await self._listed_fills(symbol, since)]

    async def _order_info(self, query: Mapping[str, str]) -> OrderDetail | None:
        """An order; None where the exchange does not know it."""
        try:
            return await self._rest.read(asked.ORDER, query, wire.read_order, briefly=True)
        except Refused as exc:
            if exc.meaning == "not_found":
                return None
            raise

    async def _order_of_fills(self, symbol: str, client_id: str) -> OrderState | None:
        """An order of which only executions are known."""
        recent = await self._listed_fills(symbol, self._rest.now_ms() - RECENT_MS)
        own = [one for one in recent if one.client_id == client_id]
        if not own:
            return None
        if (found := await self._order_info(asked.order_by_id(own[0].order_id))) is not None:
            return found.state
        size = sum((one.size for one in own), Decimal(0))
        return OrderState(
            client_id=client_id,
            order_id=own[0].order_id,
            symbol=symbol,
            side=own[0].side,
            purpose=own[0].purpose,
            status="filled",
            size=size,
            filled=size,
            average_price=sum((one.price * one.size for one in own), Decimal(0)) / size,
            fee=sum((one.fee for one in own), Decimal(0)),
            created=own[0].at,
            updated=own[-1].at,
        )

    async def _listed_fills(self, symbol: str, since: int) -> list[Fill]:
        """Executions of a symbol as they are listed, oldest first, each once."""
        rows = await self._lists.rows(
            asked.FILLS,
            lambda before: asked.fills(since, before=before),
            partial(wire.read_fills, taker_fees=self._contracts.taker_fees),
        )
        once = {one.trade_id: one for one in reversed(rows) if one.at >= since and one.symbol == symbol}
        return sorted(once.values(), key=lambda one: one.at)

    async def _completed(self, fill: Fill) -> Fill:
        """``fill`` with what its order knows, where the exchange made it."""
        if fill.client_id:
            return fill
        if fill.order_id not in self._orders:
            try:
                found = await self._order_info(asked.order_by_id(fill.order_id))
            except Unreadable as exc:
                text = f"an order of {fill.symbol} cannot be read, its fills are taken as they are: {exc}"
                self._lists.remark(asked.ORDER, text)
                return fill
            if found is None:
                return fill
            if len(self._orders) >= REMEMBERED:
                self._orders.pop(next(iter(self._orders)))
            self._orders[fill.order_id] = found
        return of_order(fill, self._orders[fill.order_id])
