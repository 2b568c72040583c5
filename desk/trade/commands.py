"""What commands from a distance do to a session, and what they answer.

A session and its snapshots come in; functions go out, for ``desk.trade.telegram``.  They do what the buttons
of the local page do.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal

from desk.trade.sentences import utc
from desk.trade.session import Session
from desk.trade.snapshot import SessionSnapshot

BY = "Telegram"
MOST_POSITIONS = 10


def session_commands(
    session: Session, snapshot: Callable[[], Awaitable[SessionSnapshot | None]]
) -> dict[str, Callable[[], Awaitable[str]]]:
    """What ``status``, ``stop`` and ``flatten`` do.

    Parameters
    ----------
    session : Session
    snapshot : callable
        The session now; None until it is in the journal.
    """

    async def status() -> str:
        found = await snapshot()
        return "The session has only just begun." if found is None else brief_status(found)

    async def stop() -> str:
        session.stop_entries(by=BY)
        return "Nothing is opened any more. Positions end at their time; the session goes on."

    async def flatten() -> str:
        session.ask("kill", by=BY)
        return "Everything is closed now, and the session ends with status 3."

    return {"status": status, "stop": stop, "flatten": flatten}


def brief_status(snapshot: SessionSnapshot) -> str:
    """A session in some lines."""
    lines = [f"{utc(snapshot.at)}, mode {snapshot.mode}" + (", STOPPING" if snapshot.stopping else "")]
    if snapshot.equity is not None:
        change = "" if snapshot.day_change is None else f", today {snapshot.day_change:+.2%}"
        fallen = "" if snapshot.drawdown is None else f", {snapshot.drawdown:.2%} below its peak"
        lines.append(f"equity {snapshot.equity:,.2f} USDT{change}{fallen}")
    if snapshot.stopping:
        lines.append(f"nothing is opened: {snapshot.stopping}")
    if snapshot.candle_age_ms is not None:
        lines.append(f"newest candle {snapshot.candle_age_ms / 60_000:.0f} min old")
    lines += [f"{item.name}: {item.text}" for item in snapshot.health if item.state in {"bad", "warning"}]
    for one in snapshot.positions[:MOST_POSITIONS]:
        until = "" if one.due is None else f", until {utc(one.due)}"
        prices = f"{_price(one.entry_price)}, stop {_price(one.stop)}"
        lines.append(f"{one.symbol}: {one.side} {one.size:f} at {prices}{until}")
    if (more := len(snapshot.positions) - MOST_POSITIONS) > 0:
        lines.append(f"and {more} more positions")
    if not snapshot.positions:
        lines.append("no position is open")
    return "\n".join(lines)


def _price(price: Decimal | None) -> str:
    return "unknown" if price is None else f"{price:f}"
