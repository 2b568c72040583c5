"""An account at Bitget, its real one or its demo, of whatever kind.

Place in the house: satisfies ``desk.ports.Exchange`` for the trade room.  Classic accounts have API v2
(``desk.market.bitget.account.classic``), unified ones API v3 (``desk.market.bitget.account.unified``); which
it is, the key itself tells (``desk.market.bitget.account.kind``).  Nobody else need know.

The kind may change while a session runs.  A call that is then refused for it counts as "later", because
nothing happened; the next call finds the kind again, and what was set up before is set up again.

Not here: whether an order should be sent, and what to do when nobody knows whether it was.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Self, TypeVar

from desk.errors import AccountError, Refused, Throttled
from desk.market.bitget.account.classic import messages as classic_messages
from desk.market.bitget.account.classic import requests as classic_requests
from desk.market.bitget.account.classic.account import ClassicAccount
from desk.market.bitget.account.kind import LONGEST_CHANGE_S, AccountKind, account_kind
from desk.market.bitget.account.rest import SignedRest
from desk.market.bitget.account.signing import Credentials
from desk.market.bitget.account.stream import PrivateStream
from desk.market.bitget.account.unified import messages as unified_messages
from desk.market.bitget.account.unified import requests as unified_requests
from desk.market.bitget.account.unified.account import UnifiedAccount
from desk.market.settings import LinkSettings
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

KindAccount = ClassicAccount | UnifiedAccount
PACE = {**classic_requests.PACE, **unified_requests.PACE}
MOST_REFUSALS = 5
"""So often in a row an account may be refused for its kind."""

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


class BitgetAccount:
    """One account; use as ``async with BitgetAccount(...) as exchange``.

    Parameters
    ----------
    settings : LinkSettings
    credentials : Credentials
    clock : Clock
    """

    def __init__(self, settings: LinkSettings, credentials: Credentials, *, clock: Clock) -> None:
        self._link = settings
        self._credentials = credentials
        self._clock = clock
        self._rest = SignedRest(settings, credentials, PACE, clock=clock)
        self._account: KindAccount | None = None
        self._former: AccountKind | None = None
        self._refusals = 0
        self._finding = asyncio.Lock()
        self._wanted_mode: PositionMode | None = None
        self._wanted: dict[str, tuple[Decimal, MarginMode]] = {}

    async def __aenter__(self) -> Self:
        await self._rest.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._rest.__aexit__(kind, error, trace)

    async def kind(self) -> AccountKind:
        """Which API the account has.

        Raises
        ------
        AccountError, Throttled, Unanswered
            If that cannot be found, see ``kind.account_kind``.
        """
        return _kind_of(await self._found())

    # Reads -------------------------------------------------------------------------------------------

    async def server_time(self) -> int:
        """The exchange's clock, in ms; requests are signed with it from now on."""
        return await self._rest.set_clock()

    async def contracts(self) -> Sequence[ContractTerms]:
        """What orders in each perpetual must obey."""
        return await self._call(lambda account: account.contracts())

    async def balance(self) -> Balance:
        """The account now, in USDT."""
        return await self._call(lambda account: account.balance())

    async def positions(self) -> Sequence[Position]:
        """Every open position, with its stop and take-profit where there are any."""
        return await self._call(lambda account: account.positions())

    async def open_orders(self) -> Sequence[OrderState]:
        """Orders that are live or partially filled."""
        return await self._call(lambda account: account.open_orders())

    async def order(self, symbol: str, client_id: str) -> OrderState | None:
        """What became of an order; None: the exchange does not know it."""
        return await self._call(lambda account: account.order(symbol, client_id))

    async def fills(self, symbol: str, since: int) -> Sequence[Fill]:
        """Executions of a symbol from ``since`` (ms) on, oldest first."""
        return await self._call(lambda account: account.fills(symbol, since))

    # Writes ------------------------------------------------------------------------------------------

    async def place(self, request: OrderRequest) -> str:
        """Send an order; the exchange's id.  Accepted is not filled."""
        return await self._call(lambda account: account.place(request))

    async def cancel(self, symbol: str, client_id: str) -> None:
        """Cancel an order; one that is gone already is no error."""
        await self._call(lambda account: account.cancel(symbol, client_id))

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
        """
        await self._call(
            lambda account: account.protect(symbol, side, stop_loss=stop_loss, take_profit=take_profit)
        )

    async def close(self, symbol: str, side: int) -> None:
        """Close a position at market, whatever its size; being flat already is no error."""
        await self._call(lambda account: account.close(symbol, side))

    # Settings ----------------------------------------------------------------------------------------

    async def set_up(self, symbol: str, *, leverage: Decimal, margin: MarginMode) -> bool:
        """Make leverage and margin mode of a symbol what is asked, and verify it; whether they were others.

        Parameters
        ----------
        symbol : str
        leverage : Decimal
        margin : MarginMode
        """
        changed = await self._call(lambda account: account.set_up(symbol, leverage=leverage, margin=margin))
        self._wanted[symbol] = (leverage, margin)
        return changed

    async def set_position_mode(self, mode: PositionMode) -> None:
        """Make the account's position mode what is asked, and verify it."""
        await self._call(lambda account: account.set_position_mode(mode))
        self._wanted_mode = mode

    # Pushes ------------------------------------------------------------------------------------------

    async def pushes(self) -> AsyncIterator[AccountUpdate]:
        """Pushes of the exchange, for as long as the caller listens.

        Raises
        ------
        AccountError
            If the key is not let in.
        """
        while True:
            account = await self._found()
            try:
                async for push in account.pushes():
                    yield push
            except AccountError:
                if not await self._is_another(account):
                    raise

    # Inside ------------------------------------------------------------------------------------------

    async def _call(self, ask: Callable[[KindAccount], Awaitable[Answer]]) -> Answer:
        """Ask the account; a refusal because of its kind lets the kind be found again.

        Raises
        ------
        AccountError
            Also if the account is refused for its kind again and again.
        Throttled
            Also if the kind has changed: nothing happened, and the next call finds it.
        """
        account = await self._found()
        try:
            answer = await ask(account)
        except Refused as exc:
            if exc.meaning != "account_kind":
                self._refusals = 0
                raise
            self._forget(account)
            self._refusals += 1
            if self._refusals > MOST_REFUSALS:
                raise AccountError(
                    f"the account is refused as classic and as unified in turn: {exc}",
                    endpoint=exc.endpoint,
                    code=exc.code,
                ) from exc
            raise Throttled(
                f"the account is not {_kind_of(account)} now: {exc}", endpoint=exc.endpoint
            ) from exc
        self._refusals = 0
        return answer

    async def _found(self) -> KindAccount:
        """The account by its kind, which is found where it is not known."""
        async with self._finding:
            if self._account is None:
                wait_s = LONGEST_CHANGE_S if self._former is None else 0.0
                kind = await account_kind(self._rest, clock=self._clock, wait_s=wait_s)
                log.info("the account is %s", kind)
                account = self._of_kind(kind)
                if self._former is not None:
                    await self._set_up_again(account)
                self._account, self._former = account, kind
            return self._account

    def _of_kind(self, kind: AccountKind) -> KindAccount:
        dialect = classic_messages.STREAM if kind == "classic" else unified_messages.STREAM
        stream = PrivateStream(self._link, self._credentials, dialect, clock=self._clock)
        if kind == "classic":
            return ClassicAccount(self._rest, stream)
        return UnifiedAccount(self._rest, stream, clock=self._clock)

    async def _set_up_again(self, account: KindAccount) -> None:
        """Make the account after a change what it was before."""
        if self._wanted_mode is not None:
            await account.set_position_mode(self._wanted_mode)
        for symbol, (leverage, margin) in self._wanted.items():
            await account.set_up(symbol, leverage=leverage, margin=margin)

    def _forget(self, account: KindAccount) -> None:
        if self._account is account:
            self._account = None
            account.end_pushes()

    async def _is_another(self, account: KindAccount) -> bool:
        """Whether the kind has changed since ``account`` was found."""
        if await account_kind(self._rest, clock=self._clock, wait_s=0.0) == _kind_of(account):
            return False
        self._forget(account)
        return True


def _kind_of(account: KindAccount) -> AccountKind:
    return "classic" if isinstance(account, ClassicAccount) else "unified"
