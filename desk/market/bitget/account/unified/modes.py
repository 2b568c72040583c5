"""How a unified account is set up: position mode, margin modes, leverages.

Place in the house: the part of ``desk.market.bitget.account.unified.account`` that reads and sets them.
Requests go out by ``desk.market.bitget.account.rest``.

A symbol has no margin mode at the exchange: it goes with every order, so the one of ``set_up`` is remembered.
A call that sets a leverage echoes nothing; what it did is read back.

References
----------
``docs/bitget.md``, sections U4.1 and U4.3.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal

from desk.errors import AccountError, Refused
from desk.market.bitget.account.rest import SignedRest
from desk.market.bitget.account.unified import requests as asked
from desk.market.bitget.account.unified import wire
from desk.market.bitget.account.unified.rows import ISOLATED_ONLY, UnifiedSettings
from desk.orders import MarginMode, Position, PositionMode
from desk.policy import LONG, SHORT


class UnifiedModes:
    """Those of one account.

    Parameters
    ----------
    rest : SignedRest
    """

    def __init__(self, rest: SignedRest) -> None:
        self._rest = rest
        self._position_mode: PositionMode | None = None
        self._margin: dict[str, MarginMode] = {}
        self._both_sides: dict[str, Decimal] = {}
        """Leverages of isolated margin that were set for long and short; the settings show one of them."""

    async def read(self) -> UnifiedSettings:
        """How the account is set up now."""
        settings = await self._rest.read(asked.SETTINGS, {}, wire.read_settings)
        self._position_mode = settings.hold_mode
        for symbol in {name for name, _ in settings.leverages} - set(self._margin):
            if (margin := settings.margin_of(symbol)) is not None:
                self._margin[symbol] = margin
        return settings

    async def position_mode(self) -> PositionMode:
        """The position mode, asked for once."""
        return self._position_mode or (await self.read()).hold_mode

    async def margin_mode(self, symbol: str) -> MarginMode:
        """The margin mode of orders in a symbol: that of ``set_up``, else the one that it was set up with."""
        if symbol not in self._margin:
            await self.read()
        return self._margin.setdefault(symbol, "crossed")  # as the exchange takes an order without one

    def forget_position_mode(self) -> None:
        """Ask for the position mode again before the next order."""
        self._position_mode = None

    async def set_up(
        self,
        symbol: str,
        *,
        leverage: Decimal,
        margin: MarginMode,
        read_positions: Callable[[], Awaitable[Iterable[Position]]],
    ) -> bool:
        """Make leverage and margin mode of a symbol what is asked, and verify it; whether it was another.

        A symbol that the exchange doesn't list among those that were set up counts as set up once the call
        succeeded: the list may be partial.

        Parameters
        ----------
        symbol : str
        leverage : Decimal
        margin : MarginMode
        read_positions : callable
            Asks for the positions.

        Raises
        ------
        AccountError
            If the level of the account has no such margin mode.
        Refused
            If they are not what was asked afterwards; also when a position holds them where they are.
        """
        settings = await self.read()
        if settings.level == ISOLATED_ONLY and margin == "crossed":
            raise AccountError(
                "the level of the account is isolated, which has no crossed margin: set margin_mode to "
                "isolated, or the level to basic at Bitget",
                endpoint=asked.SETTINGS,
                code="",
            )
        held = [one for one in await read_positions() if one.symbol == symbol]
        if any(one.margin_mode != margin for one in held):
            raise Refused(
                f"{symbol}: {margin} margin was asked for, and a position has the other one",
                endpoint=asked.SET_LEVERAGE,
                code="",
                meaning="setting_locked",
            )
        self._margin[symbol] = margin
        wanted = frozenset({leverage})
        hidden = margin == "isolated" and settings.hold_mode == "hedge"
        known = not hidden or self._both_sides.get(symbol) == leverage
        shown = {*settings.leverages.get((symbol, margin), ()), *_own_leverages(held, margin)}
        if (symbol, margin) in settings.leverages and shown == wanted and known:
            return False
        self._both_sides.pop(symbol, None)
        for side in (LONG, SHORT) if margin == "isolated" else (None,):
            body = asked.set_leverage(symbol, leverage, margin=margin, side=side)
            try:
                await self._rest.write(asked.SET_LEVERAGE, body, wire.read_id)
            except Refused as exc:
                if exc.meaning != "setting_unchanged":
                    raise
        found = {*(await self.read()).leverages.get((symbol, margin), wanted)}
        if held:
            held = [one for one in await read_positions() if one.symbol == symbol]
            found |= _own_leverages(held, margin)
        if found != wanted:
            text = " and ".join(str(one) for one in sorted(found))
            raise Refused(
                f"{symbol}: {margin} margin, leverage {leverage} was asked for, it is {text}",
                endpoint=asked.SET_LEVERAGE,
                code="",
                meaning="setting_locked",
            )
        self._both_sides[symbol] = leverage
        return True

    async def set_position_mode(self, mode: PositionMode) -> None:
        """Make the account's position mode what is asked, and verify it.

        Raises
        ------
        Refused
            If it is another afterwards; positions or orders of any symbol hold it where it is.
        """
        if (await self.read()).hold_mode == mode:
            return
        try:
            await self._rest.write(asked.SET_HOLD_MODE, asked.set_hold_mode(mode), wire.read_id)
        except AccountError:
            raise
        except Refused:
            if (await self.read()).hold_mode != mode:
                raise
        confirmed = (await self.read()).hold_mode
        if confirmed != mode:
            raise Refused(
                f"position mode {mode} was asked for, it is {confirmed}",
                endpoint=asked.SET_HOLD_MODE,
                code="",
                meaning="setting_locked",
            )


def _own_leverages(held: Sequence[Position], margin: MarginMode) -> set[Decimal]:
    """Leverages that positions have of their own; in crossed margin they have none."""
    return {one.leverage for one in held} if margin == "isolated" else set()
