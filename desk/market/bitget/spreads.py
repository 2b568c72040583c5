"""How far bid and ask are apart now, for who is about to open something.

Place in the house: the public client, as ``desk.ports.SpreadSource``.  Symbols come in; distances in basis
points go out, of those whose book was read in time.

Not here: how far they may be apart (``desk.trade.risk_rules``).
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from desk.errors import DeskError
from desk.market.bitget.public import TICKERS, BitgetPublic
from desk.market.bitget.websocket import within
from desk.ports import Clock

log = logging.getLogger(__name__)
TIMEOUT_S: Final = 2.0
"""An order is sent within seconds after its candle has closed; usually the answer takes a tenth of one."""


class PresentSpreads:
    """Bid and ask of one exchange; satisfies ``desk.ports.SpreadSource``.

    Parameters
    ----------
    market : BitgetPublic
        The client, opened.
    clock : Clock
        Measures the timeout.
    """

    def __init__(self, market: BitgetPublic, *, clock: Clock) -> None:
        self._market = market
        self._clock = clock

    async def spreads_bps(self, symbols: Sequence[str]) -> Mapping[str, float]:
        """Distance between bid and ask by symbol, in one request; what could not be read is left out."""
        asked = self._market.spreads_bps(symbols[0] if len(symbols) == 1 else "")
        try:
            known = await within(self._clock, TIMEOUT_S, asked, endpoint=TICKERS)
        except DeskError as exc:
            log.warning("bid and ask of %s could not be read: %s", ", ".join(symbols), exc)
            return {}
        return {symbol: known[symbol] for symbol in symbols if symbol in known}
