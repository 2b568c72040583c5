"""Messages of the private topics of the API v3.

Place in the house: the market, inside the emulator.  Changes of the account come in, payloads go out, to
``sockets``.  Pure.

``order``, ``fill`` and ``strategy-order`` send nothing at the subscription; ``account`` and ``position`` send
a snapshot then, after changes, and every five seconds.

References
----------
``docs/bitget.md``, section U10.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from desk.market.emulator.channels import envelope
from desk.market.emulator.private_rows import Row
from desk.market.emulator.uta_account_rows import (
    ended_position_row,
    pushed_assets_row,
    pushed_unified_position_row,
)
from desk.market.emulator.uta_book import StrategyOrder, UnifiedBook
from desk.market.emulator.uta_rows import pushed_fill_row, pushed_strategy_row, pushed_unified_order_row
from desk.market.matching import MatchedFill, Order, SimulatedPosition

TOPICS: Final = ("account", "position", "order", "fill", "strategy-order")
SILENT_TOPICS: Final = ("fast-fill", "adl-notification")
"""Known topics without data: acknowledged, then silent."""
STATE_EVERY_S: Final = 5.0
"""Seconds between two snapshots of positions and balances."""
Wanted = Mapping[str, Mapping[str, object]]
"""Subscribed topics, each with its arg."""


@dataclass(frozen=True, slots=True)
class UnifiedChanges:
    """What happened to a unified account since the last push."""

    steps: tuple[Order | MatchedFill, ...]
    """As ``Matching.drain`` returns them."""
    strategies: tuple[StrategyOrder, ...]
    ended: tuple[SimulatedPosition, ...]
    """Positions that were closed, as they were last pushed."""


def take_changes(book: UnifiedBook, steps: Iterable[Order | MatchedFill], at: int) -> UnifiedChanges:
    """Collect what is to be pushed; it is handed out once.

    Parameters
    ----------
    book : UnifiedBook
    steps : iterable of Order or MatchedFill
        As ``Matching.drain`` returned them.
    at : int
        Server time, ms.
    """
    book.refresh(at)
    strategies = tuple(one for one in book.changes if book.is_listed(one))
    book.changes.clear()
    now_held = dict(book.account.positions)
    ended = tuple(held for key, held in book.pushed.items() if key not in now_held)
    book.pushed = now_held
    return UnifiedChanges(tuple(steps), strategies, ended)


def unified_payloads(book: UnifiedBook, changes: UnifiedChanges, wanted: Wanted, now: int) -> Iterator[str]:
    """Messages about changes: orders, fills and strategy orders one by one, then positions and balances.

    Parameters
    ----------
    book : UnifiedBook
    changes : UnifiedChanges
    wanted : mapping of topic to arg
        Topics that are subscribed.
    now : int
        Server time, ms.
    """
    for step in changes.steps:
        if isinstance(step, Order):
            yield from _push("order", pushed_unified_order_row(book, step), wanted, now)
        else:
            yield from _push("fill", pushed_fill_row(book, step), wanted, now)
    for strategy in changes.strategies:
        yield from _push("strategy-order", pushed_strategy_row(book, strategy), wanted, now)
    for position in changes.ended:
        yield from _push("position", ended_position_row(book, position, now), wanted, now)
    if changes.steps:
        yield from unified_state_payloads(book, wanted, now)


def unified_state_payloads(book: UnifiedBook, wanted: Wanted, now: int) -> Iterator[str]:
    """Messages about the state of the account: open positions, where there are any, and balances.

    Parameters
    ----------
    book : UnifiedBook
    wanted : mapping of topic to arg
        Topics that are subscribed.
    now : int
        Server time, ms.
    """
    if "position" in wanted:
        held = [pushed_unified_position_row(book, one) for one in book.account.positions.values()]
        yield envelope("snapshot", wanted["position"], held, now)
    yield from _push("account", pushed_assets_row(book), wanted, now)


def _push(topic: str, row: Row, wanted: Wanted, now: int) -> Iterator[str]:
    """Message with one row, where its topic is subscribed."""
    if topic not in wanted:
        return
    arg = {**wanted[topic], "symbol": "default"} if topic == "strategy-order" else wanted[topic]
    yield envelope("snapshot", arg, [row], now)
