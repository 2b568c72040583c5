"""Events of the candle feed as sentences, for the journal and the log.

Place in the house: events of ``desk.market.feed.closing`` come in from ``desk.market.feed.stream``; text goes
out.  Pure.

Not here: finished candles and deadlines, which are no news.
"""

from datetime import UTC, datetime

from desk.market.feed.closing import CandleRevised, CandlesAbsent, FeedEvent, FeedRestored, SymbolSilent


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


def _utc(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d %H:%M} UTC"
