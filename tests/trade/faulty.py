"""An exchange whose line breaks: it stands between a session and a paper exchange."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import get_args

from desk.errors import AccountError, Meaning, Refused, Throttled, Unanswered
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
from desk.ports import Clock, Exchange

MEANINGS: dict[str, Meaning] = {meaning: meaning for meaning in get_args(Meaning)}


class PowerCut(BaseException):
    """Not an ``Exception``: nothing in the suite may survive it by catching broadly."""


@dataclass
class FaultyExchange:
    """Satisfies ``desk.ports.Exchange``; faults come from a script, or from a seed.

    ``script`` holds, per call name, what the next calls meet, first one first: ``lost`` (done, the answer is
    lost), ``dropped`` (never arrived, the answer is lost too), ``later`` (asked to wait), a ``Meaning``
    (refused with it), or "" (all is well).  With ``share`` above 0, calls meet ``lost`` or ``dropped`` by
    chance.
    """

    inner: Exchange
    clock: Clock
    script: dict[str, list[str]] = field(default_factory=dict)
    share: float = 0.0
    seed: int = 0
    cut_at: int | None = None
    """Number of the call, from 0, during which the power is cut: every other one after it took effect."""
    calls: Counter[str] = field(default_factory=Counter)
    sequence: list[str] = field(default_factory=list)
    """Names of all calls, in their order."""
    placed: list[OrderRequest] = field(default_factory=list)
    """Every order that reached the exchange, refused ones included."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def _fault(self, name: str) -> str:
        number = self.calls.total()
        self.calls[name] += 1
        self.sequence.append(name)
        if self.cut_at is not None and number == self.cut_at:
            return "cut before" if number % 2 else "cut after"
        if waiting := self.script.get(name):
            return waiting.pop(0)
        if self.share and self._random.random() < self.share:
            return self._random.choice(["lost", "dropped"])
        return ""

    def _before(self, name: str) -> str:
        fault = self._fault(name)
        if fault == "cut before":
            raise PowerCut
        if fault == "dropped":
            raise Unanswered("no answer within 10 s", endpoint=name)
        if fault == "later":
            raise Throttled("asks for a pause", endpoint=name)
        if fault == "account":
            raise AccountError("the passphrase is wrong", endpoint=name, code="")
        if fault and fault not in {"lost", "cut after"}:
            raise Refused("the script says no", endpoint=name, code="", meaning=MEANINGS[fault])
        return fault

    def _after(self, name: str, fault: str) -> None:
        if fault == "cut after":
            raise PowerCut
        if fault == "lost":
            raise Unanswered("no answer within 10 s", endpoint=name)

    async def server_time(self) -> int:
        fault = self._before("server_time")
        now = await self.inner.server_time()
        self._after("server_time", fault)
        return now

    async def contracts(self) -> Sequence[ContractTerms]:
        fault = self._before("contracts")
        found = await self.inner.contracts()
        self._after("contracts", fault)
        return found

    async def balance(self) -> Balance:
        fault = self._before("balance")
        found = await self.inner.balance()
        self._after("balance", fault)
        return found

    async def positions(self) -> Sequence[Position]:
        fault = self._before("positions")
        found = await self.inner.positions()
        self._after("positions", fault)
        return found

    async def open_orders(self) -> Sequence[OrderState]:
        fault = self._before("open_orders")
        found = await self.inner.open_orders()
        self._after("open_orders", fault)
        return found

    async def order(self, symbol: str, client_id: str) -> OrderState | None:
        fault = self._before("order")
        found = await self.inner.order(symbol, client_id)
        self._after("order", fault)
        return found

    async def fills(self, symbol: str, since: int) -> Sequence[Fill]:
        fault = self._before("fills")
        found = await self.inner.fills(symbol, since)
        self._after("fills", fault)
        return found

    async def place(self, request: OrderRequest) -> str:
        fault = self._before("place")
        self.placed.append(request)
        name = await self.inner.place(request)
        self._after("place", fault)
        return name

    async def cancel(self, symbol: str, client_id: str) -> None:
        fault = self._before("cancel")
        await self.inner.cancel(symbol, client_id)
        self._after("cancel", fault)

    async def protect(
        self, symbol: str, side: int, *, stop_loss: Decimal, take_profit: Decimal | None
    ) -> None:
        fault = self._before("protect")
        await self.inner.protect(symbol, side, stop_loss=stop_loss, take_profit=take_profit)
        self._after("protect", fault)

    async def close(self, symbol: str, side: int) -> None:
        fault = self._before("close")
        await self.inner.close(symbol, side)
        self._after("close", fault)

    async def set_up(self, symbol: str, *, leverage: Decimal, margin: MarginMode) -> bool:
        fault = self._before("set_up")
        moved = await self.inner.set_up(symbol, leverage=leverage, margin=margin)
        self._after("set_up", fault)
        return moved

    async def set_position_mode(self, mode: PositionMode) -> None:
        fault = self._before("set_position_mode")
        await self.inner.set_position_mode(mode)
        self._after("set_position_mode", fault)

    def pushes(self) -> AsyncIterator[AccountUpdate]:
        return self.inner.pushes()
