"""Events of the candle feed as sentences, for the journal and the log.

Place in the house: events of ``desk.market.feed.closing`` come in from ``desk.market.feed.stream``; text goes
out.  Pure.

Not here: finished candles and deadlines, which are no news.
"""

from datetime import UTC, datetime

from desk.market.feed.closing import CandleRevised, CandlesAbsent, FeedEvent, FeedRestored, SymbolSilent
from desk.market.feed.window import NOT_YET

SILENT = (
    "no candle of any symbol arrives by websocket: they are asked for one by one, and every decision is "
    "late. Check whether the line, and a proxy, let websockets through"
)


def event_text(event: FeedEvent) -> str:
    """An event as a sentence; "" for those that are no news."""
    match event:
        case CandleRevised():
            return f"{event.symbol}: the candle of {_utc(event.open_time)} was revised"
        case CandlesAbsent():
            hole = event.hole
            return f"{event.symbol}: {hole.candles} candles from {_utc(hole.first)} on do not exist"
        case SymbolSilent():
            return (
                f"{event.symbol}: no update since {_utc(event.since)}{f', {event.why}' if event.why else ''}"
            )
        case FeedRestored():
            unfilled = f", REST has no answer for {', '.join(event.unfilled)}" if event.unfilled else ""
            return (
                f"{len(event.symbols)} symbols: connected again, {event.filled} candles filled in{unfilled}"
            )
        case _:
            return ""


def why_absent(newest: int, open_time: int, *, error: str, in_doubt: bool, count: int, needed: int) -> str:
    """Why a symbol has no candle for a decision.

    Parameters
    ----------
    newest : int
        Open time of its newest candle, ms, or ``NOT_YET``.
    open_time : int
        Of the candle that is decided on, ms.
    error : str
        Of the last request about it; empty without one.
    in_doubt : bool
        Whether the candle may have changed since it was confirmed.
    count : int
        Candles that are there.
    needed : int
        Candles that a decision needs.
    """
    last_error = f" ({error})" if error else ""
    if newest == NOT_YET:
        return error or "it has no candles"
    if newest < open_time:
        return "its candle has not arrived" + last_error
    if newest > open_time:
        return "a newer candle has closed"
    if in_doubt:
        return "its candle is in doubt" + last_error
    if count < needed:
        return f"{count} candles, {needed} needed"
    return "its candle was not confirmed" + last_error


def _utc(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d %H:%M} UTC"
