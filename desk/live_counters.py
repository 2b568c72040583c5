"""What the lines to the exchange have counted, for the page of a session.

A service between the market's client and feed, and ``desk.trade.live_snapshot``.
"""

from desk.market.bitget.public import BitgetPublic
from desk.market.bitget.throttle import PER_SECOND_OVER_ALL
from desk.market.feed.following import FollowingFeed
from desk.trade.live_snapshot import MarketCounters


def market_counters(market: BitgetPublic, feed: FollowingFeed) -> MarketCounters:
    """Counts since the start; of the public lines, which hundreds of symbols share."""
    opened, wanted = feed.connections
    return MarketCounters(
        websockets_open=opened,
        websockets=wanted,
        requests=market.sent.total(),
        throttled=market.throttled,
        unanswered=market.unanswered,
        requests_per_minute=60 * PER_SECOND_OVER_ALL,
    )
