"""Messages of the websocket channels.

Place in the house: the market, inside the emulator.  Listings, the account and the server time come in;
payloads go out, to ``sockets``.  Pure.

A candle channel sends a snapshot of 500 candles, the last one forming; then, at every update after a trade,
the forming candle; when a later candle has opened, first every candle that finished meanwhile in its final
state.  No flag marks a candle as finished.

References
----------
``docs/bitget.md``, sections 10 and 11.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from desk.market.emulator.endpoints import GRANULARITIES, PRODUCT_TYPE
from desk.market.emulator.listings import Listing, forming_row
from desk.market.emulator.private_rows import (
    Row,
    pushed_account_row,
    pushed_order_row,
    pushed_position_row,
)
from desk.market.matching import MatchedFill, Order
from desk.market.matching.account import SimulatedAccount
from desk.market.series.facts import HOUR_MS

SNAPSHOT: Final = 500
SERVED: Final = ("candle5m", "ticker")
SILENT: Final = frozenset({*(f"candle{name}" for name in GRANULARITIES), "ticker"} - {"candle5m", "ticker"})
"""Known channels without data: acknowledged, then silent."""
PRIVATE_CHANNELS: Final = ("orders", "positions", "account")


@dataclass(slots=True)
class Subscription:
    """One arg that a client subscribed to, and what was sent last."""

    arg: Mapping[str, object]
    listing: Listing | None
    """None: acknowledged, then silent."""
    newest: int = -1
    """Open time of the newest candle that was sent, ms; -1: none."""
    last_row: str = field(default="")
    """The row that was sent last."""

    @property
    def is_candle(self) -> bool:
        """Whether the channel is one of candles."""
        return self.arg.get("channel") == "candle5m"

    def snapshot(self, now: int) -> str:
        """Message after the subscription; empty: none."""
        listing = self.listing
        if listing is None:
            return ""
        if not self.is_candle:
            return envelope("snapshot", self.arg, [ticker_row(listing, now)], now)
        part = listing.forming(now)
        stop = listing.finished(now)
        rows = listing.rows(max(stop - SNAPSHOT + (part is not None), 0), stop)
        if stop:
            self.newest = int(listing.candles.open_time[stop - 1])
        if part is not None:
            rows.append(forming_row(part))
            self.newest = part.open_time
        self.last_row = rows[-1] if rows else ""
        return _of_rows("snapshot", self.arg, rows, now)

    def updates(self, now: int) -> Iterator[str]:
        """Messages about everything since the last one."""
        listing = self.listing
        if listing is None:
            return
        if not self.is_candle:
            yield envelope("snapshot", self.arg, [ticker_row(listing, now)], now)
            return
        stop = listing.finished(now)
        rows = listing.rows(listing.before(self.newest), stop)
        if stop:
            self.newest = max(self.newest, int(listing.candles.open_time[stop - 1]))
        part = listing.forming(now)
        if part is not None and (part.volume or part.open_time > self.newest):
            rows.append(forming_row(part))
            self.newest = part.open_time
        for row in rows:
            if row != self.last_row:
                self.last_row = row
                yield _of_rows("update", self.arg, [row], now)


def ticker_row(listing: Listing, now: int) -> Row:
    """Row of the ``ticker`` channel."""
    row = listing.ticker(now) or {}
    return {
        "instId": listing.symbol,
        "symbolType": "1",
        **row,
        "nextFundingTime": str(_next_funding(listing, now)),
    }


def _next_funding(listing: Listing, now: int) -> int:
    interval = listing.funding.interval_hours * HOUR_MS
    return now - now % interval + interval


def account_payloads(
    account: SimulatedAccount,
    changes: Iterable[Order | MatchedFill],
    wanted: Mapping[str, Mapping[str, object]],
    now: int,
) -> Iterator[str]:
    """Messages of the private channels about ``changes``: a row per step of an order, then the account.

    Parameters
    ----------
    account : SimulatedAccount
    changes : iterable of Order or MatchedFill
        As ``Matching.drain`` returns them.
    wanted : mapping of channel to arg
        Channels that are subscribed.
    now : int
        Server time, ms.
    """
    changes = list(changes)
    if "orders" in wanted:
        for order, execution in _steps(changes):
            yield envelope("snapshot", wanted["orders"], [pushed_order_row(account, order, execution)], now)
    if not changes:
        return
    yield from account_state_payloads(account, wanted, now)


def account_state_payloads(
    account: SimulatedAccount, wanted: Mapping[str, Mapping[str, object]], now: int
) -> Iterator[str]:
    """Messages about the state of the account: positions and balances.

    Parameters
    ----------
    account : SimulatedAccount
    wanted : mapping of channel to arg
        Channels that are subscribed.
    now : int
        Server time, ms.
    """
    if "positions" in wanted:
        held = [pushed_position_row(account, position) for position in account.positions.values()]
        yield envelope("snapshot", wanted["positions"], held, now)
    if "account" in wanted:
        yield envelope("snapshot", wanted["account"], [pushed_account_row(account)], now)


def _steps(changes: Iterable[Order | MatchedFill]) -> Iterator[tuple[Order, MatchedFill | None]]:
    """Pair each state of an order with the executions that led to it."""
    executions: list[MatchedFill] = []
    for change in changes:
        if isinstance(change, MatchedFill):
            executions.append(change)
            continue
        for execution in executions:
            yield change, execution
        if not executions:
            yield change, None
        executions.clear()


def known_instrument(arg: Mapping[str, object], listings: Mapping[str, Listing]) -> Listing | None:
    """Listing that a public arg names; None where the channel has no data.

    Raises
    ------
    LookupError
        If there is no such channel or symbol.
    """
    channel, symbol = arg.get("channel"), arg.get("instId")
    if symbol not in listings or channel not in {*SERVED, *SILENT}:
        raise LookupError
    served = channel in SERVED and arg.get("instType") == PRODUCT_TYPE
    return listings[str(symbol)] if served else None


def envelope(action: str, arg: Mapping[str, object], data: object, now: int) -> str:
    """JSON text of a push.

    Parameters
    ----------
    action : str
        ``snapshot`` or ``update``.
    arg : mapping
        As it was subscribed.
    data : object
        Rows, as JSON values.
    now : int
        Server time, ms.
    """
    return json.dumps({"action": action, "arg": arg, "data": data, "ts": now}, separators=(",", ":"))


def _of_rows(action: str, arg: Mapping[str, object], rows: Iterable[str], now: int) -> str:
    """JSON text of a push of candles, whose rows repeat the volume in USDT as an eighth field."""
    longer = ",".join(f"{row[:-1]},{row[row.rindex(',') + 1 : -1]}]" for row in rows)
    return (
        f'{{"action":"{action}","arg":{json.dumps(arg, separators=(",", ":"))},"data":[{longer}],"ts":{now}}}'
    )
