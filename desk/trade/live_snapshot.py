"""Snapshots of a running session: what its journal says, and what only its process knows.

Place in the house: between ``desk.trade.session`` and whoever shows it.  The journal is read in a thread of
its own and only after it has changed, so that no step of the session waits for a reader; the account as it
was last seen, the models in use and troubles that go on are added from memory.  Nothing here asks the
exchange.

Not here: how a snapshot is shown (``desk.trade.dashboard``, ``desk.reports``).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from desk.orders import Position
from desk.policy import LONG
from desk.ports import Clock
from desk.safe_text import safe_text
from desk.trade.experiment_values import ExperimentView
from desk.trade.forecasting import Forecaster
from desk.trade.journal import Journal
from desk.trade.journal.reading import read_snapshot
from desk.trade.records import OpenTrade
from desk.trade.sentences import utc
from desk.trade.session import Session
from desk.trade.signals import ModelCard
from desk.trade.snapshot import (
    HealthItem,
    HealthState,
    PositionView,
    SessionCondition,
    SessionSnapshot,
    SymbolView,
)
from desk.values import CANDLE_MS

RATE_S = 60.0
"""Stretch of time that requests are counted in."""
BUSY = 0.8
"""Share of the request budget from which on it is reported."""
LATE_S = 180.0
"""Seconds without a comparison with the exchange that are reported."""
UNDECIDED = "no candle was decided on yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketCounters:
    """What the lines to the exchange have counted since the start."""

    websockets_open: int
    websockets: int
    requests: int
    throttled: int
    unanswered: int
    requests_per_minute: float
    """The most that may be sent."""


class LiveSnapshots:
    """Makes snapshots of one running session.

    Parameters
    ----------
    session : Session
    journal : Journal
        Of it.
    forecaster : Forecaster
        Its models.
    clock : Clock
        This machine's.
    counters : callable or None
        Counts of the lines to the exchange now; None: nothing is known of them.
    """

    def __init__(
        self,
        session: Session,
        journal: Journal,
        forecaster: Forecaster,
        clock: Clock,
        *,
        counters: Callable[[], MarketCounters] | None = None,
    ) -> None:
        self._session = session
        self._journal = journal
        self._forecaster = forecaster
        self._clock = clock
        self._counters = counters
        self._stamp: object = None
        self._base: SessionSnapshot | None = None
        self._requests: deque[tuple[float, int]] = deque()

    async def take(self) -> SessionSnapshot | None:
        """The session now; None until it is in the journal."""
        condition = self._session.condition
        stamp = _stamp(self._journal.path)
        if stamp != self._stamp or self._base is None:
            path, now = self._journal.path, condition.now_ms
            self._base = await asyncio.to_thread(read_snapshot, path, now=now, is_running=True)
            self._stamp = stamp
        return None if self._base is None else self._with_live(self._base, self._session.condition)

    def _with_live(self, base: SessionSnapshot, condition: SessionCondition) -> SessionSnapshot:
        now, upkeep = condition.now_ms, self._session.trader.upkeep
        if base.ended is not None:
            return replace(base, at=now)
        counters = None if self._counters is None else self._counters()
        found = replace(
            base,
            at=now,
            next_candle=(now // CANDLE_MS + 1) * CANDLE_MS,
            stopping=condition.stopping,
            symbols=symbol_views(base.symbols, self._forecaster.cards, self._forecaster.refused),
            health=(*health_of(base, condition), *self._line_health(counters)),
            counts={**base.counts, **_totals(counters)},
        )
        if upkeep.has_seen:
            seen = upkeep.seen
            found = replace(
                found,
                equity=seen.balance.equity,
                equity_at=now - int(1_000 * min(condition.reconciled_s_ago, 1e9)),
                available=seen.balance.available,
                day_equity=seen.day_equity,
                peak_equity=seen.peak_equity,
                positions=position_views(seen.positions, self._journal.ledger.open_trades(), base.positions),
                experiment=experiment_view(base.experiment, self._session.trader.experiment_lost()),
            )
        return found

    def _line_health(self, counters: MarketCounters | None) -> list[HealthItem]:
        """Websockets, and requests of the last minute against what may be sent."""
        if counters is None:
            return []
        now, kept = self._clock.monotonic(), self._requests
        kept.append((now, counters.requests))
        while len(kept) > 1 and kept[1][0] <= now - RATE_S:
            kept.popleft()
        sent = counters.requests - kept[0][1]
        share = sent / counters.requests_per_minute
        lost = counters.websockets - counters.websockets_open
        return [
            HealthItem(
                name="websockets",
                state="unknown" if not counters.websockets else "bad" if lost else "good",
                text=f"{counters.websockets_open} of {counters.websockets} open",
            ),
            HealthItem(
                name="request budget",
                state="warning" if share > BUSY else "good",
                text=(
                    f"{sent} public requests in the last minute, at most {counters.requests_per_minute:.0f} "
                    f"may be sent; {counters.throttled} were answered with 429 since the start, "
                    f"{counters.unanswered} not at all"
                ),
            ),
        ]


def position_views(
    held: Sequence[Position], trades: Sequence[OpenTrade], written: Sequence[PositionView] = ()
) -> tuple[PositionView, ...]:
    """What the exchange holds, with what the journal knows of it; and what it has not reported yet.

    Parameters
    ----------
    held : sequence of Position
        As the account was last seen.
    trades : sequence of OpenTrade
    written : sequence of PositionView
        As the journal's file has them, with the price of entries that the exchange has not reported yet.
    """
    known = {(one.symbol, one.side): one for one in trades}
    reported = {(one.symbol, one.side): one for one in held if one.size}
    entries = {(one.symbol, one.side): one.entry_price for one in written}
    found = [_position(reported.get(key), known.get(key)) for key in sorted({*known, *reported})]
    return tuple(
        one if one.entry_price is not None else replace(one, entry_price=entries.get((one.symbol, one.side)))
        for one in found
    )


def experiment_view(written: ExperimentView | None, lost: Decimal | None) -> ExperimentView | None:
    """The journal's experiment, with what is lost (USDT) where the session is of it."""
    return None if written is None else replace(written, lost=lost)


def _position(held: Position | None, trade: OpenTrade | None) -> PositionView:
    """One position; at least one of both is there, and the exchange's word counts."""
    one = held or trade
    if one is None:
        raise ValueError("there is nothing to show")
    return PositionView(
        symbol=one.symbol,
        side="long" if one.side == LONG else "short",
        size=one.size,
        entry_price=None if held is None else held.entry_price,
        mark_price=None if held is None else held.mark_price,
        unrealized=None if held is None else held.unrealized,
        stop=one.stop_loss if isinstance(one, Position) else one.stop,
        take_profit=one.take_profit,
        due=None if trade is None else trade.due + CANDLE_MS,
        opened=None if trade is None else trade.opened + CANDLE_MS,
        model_file="" if trade is None else trade.model_file,
        is_tracked=trade is not None,
        experiment=None if trade is None else trade.experiment,
    )


def symbol_views(
    decided: Sequence[SymbolView], cards: Mapping[str, ModelCard], refused: Mapping[str, str]
) -> tuple[SymbolView, ...]:
    """The last decision of every symbol with a model in use, also of those that have none yet.

    Parameters
    ----------
    decided : sequence of SymbolView
        As the journal has them; symbols without a model in use are left out.
    cards : mapping
        Models in use, by symbol.
    refused : mapping
        Symbols whose newest model may not be used, and why.
    """
    last = {one.symbol: one for one in decided}
    found = []
    for symbol in sorted({*cards, *refused}):
        card, view = cards.get(symbol), last.get(symbol)
        why = (f"its newest model is refused: {refused[symbol]}",) if symbol in refused else ()
        if view is None or card is None:
            found.append(
                SymbolView(
                    symbol=symbol,
                    model_file="" if card is None else card.model_file,
                    open_time=None,
                    close=None,
                    probability=None,
                    long_threshold=None if card is None else card.thresholds.long,
                    short_threshold=None if card is None else card.thresholds.short,
                    action="",
                    reasons=why or (UNDECIDED,),
                    is_tradable=None if card is None else card.tradable,
                )
            )
        else:
            reasons = view.reasons or (() if card.tradable else card.reasons[:1])
            found.append(replace(view, is_tradable=card.tradable, reasons=(*reasons, *why)))
    return tuple(found)


def health_of(base: SessionSnapshot, condition: SessionCondition) -> tuple[HealthItem, ...]:
    """What the process knows about its journal, its clock and its comparisons with the exchange.

    Parameters
    ----------
    base : SessionSnapshot
    condition : SessionCondition
    """
    now, ago = condition.now_ms, condition.reconciled_s_ago
    ongoing = [HealthItem(name=kind, state="bad", text=safe_text(text)) for kind, text in condition.ongoing]
    clock = [] if any(one.name == "clock" for one in ongoing) else [_good("clock", "follows the exchange's")]
    compared: HealthState = "good" if ago <= LATE_S else "warning"
    text = "not compared with the exchange yet"
    if ago < 1e9:
        text = f"compared with the exchange at {utc(now - int(1_000 * ago))}"
    journal = condition.journal_trouble
    return (
        _candles(base.newest_candle, now),
        *clock,
        HealthItem(name="reconciliation", state=compared if ago < 1e9 else "unknown", text=text),
        HealthItem(name="journal", state="bad" if journal else "good", text=safe_text(journal) or "written"),
        *(one for one in ongoing if one.name != "no decision"),
    )


def _candles(closed: int | None, now: int) -> HealthItem:
    if closed is None:
        return HealthItem(name="candles", state="unknown", text=UNDECIDED)
    state: HealthState = "good" if now - closed < 2 * CANDLE_MS else "bad"
    return HealthItem(name="candles", state=state, text=f"the last decision is on that of {utc(closed)}")


def _good(name: str, text: str) -> HealthItem:
    return HealthItem(name=name, state="good", text=text)


def _totals(counters: MarketCounters | None) -> dict[str, float]:
    if counters is None:
        return {}
    return {
        "websockets_open": float(counters.websockets_open),
        "websockets": float(counters.websockets),
        "requests": float(counters.requests),
        "requests_throttled": float(counters.throttled),
        "requests_unanswered": float(counters.unanswered),
    }


def _stamp(path: Path) -> object:
    """Changes when the journal does."""
    found = []
    for one in (path, path.with_name(f"{path.name}-wal")):
        with contextlib.suppress(OSError):
            status = one.stat()
            found.append((status.st_mtime_ns, status.st_size))
    return tuple(found)
