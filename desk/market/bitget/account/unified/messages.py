"""What the private websocket of a unified account says: texts in, values out.

Place in the house: the counterpart of ``classic.messages`` for API v3.  Texts come in from
``desk.market.bitget.account.stream``; what rows mean is known to ``unified.rows``.  Pure.

Order rows hold no executions: these arrive by a topic of their own.  A position that is missing from a push
proves nothing, so a push of positions or of strategy orders only says that they must be asked for.

References
----------
``docs/bitget.md``, section U10.
"""

import json
from collections.abc import Callable

from desk.market.bitget.account.fields import Row, word
from desk.market.bitget.account.messages import (
    PositionsChanged,
    PushedRows,
    Received,
    UnreadableMessage,
    frame_of,
    tried,
)
from desk.market.bitget.account.stream import StreamDialect
from desk.market.bitget.account.unified import rows as unified_rows
from desk.orders import AccountUpdate

ORDER, FILL, POSITION, ACCOUNT, STRATEGY = "order", "fill", "position", "account", "strategy-order"
TOPICS = (ORDER, FILL, POSITION, ACCOUNT, STRATEGY)
CATEGORY = "usdt-futures"


def subscription() -> str:
    """The message that opens all topics.

    As it travels::

        {"op": "subscribe", "args": [{"instType": "UTA", "topic": "order"}, …]}
    """
    return json.dumps({"op": "subscribe", "args": [{"instType": "UTA", "topic": name} for name in TOPICS]})


def read_account_message(text: str) -> tuple[Received, ...]:
    """Read one text; events are those of API v2, pushes name a ``topic`` instead of a channel.

    As they travel (rows shortened)::

        {"event": "subscribe", "arg": {"instType": "UTA", "topic": "order"}, "code": "", "msg": ""}
        {"action": "snapshot", "arg": {"instType": "UTA", "topic": "fill"},
         "data": [{"execId": "2", "orderId": "1", "clientOid": "t-1", "category": "usdt-futures", …}]}
    """
    frame = frame_of(text, named="topic")
    if not isinstance(frame, PushedRows):
        return (frame,)
    topic, rows = frame.channel, frame.rows
    if topic in {POSITION, STRATEGY}:
        return (PositionsChanged(),)
    readers: dict[str, Callable[[Row], AccountUpdate | None]] = {
        ORDER: _order,
        FILL: _fill,
        ACCOUNT: _balance,
    }
    if topic not in readers:
        return (UnreadableMessage(f"its topic is {topic:.40}"),)
    return tuple(received for row in rows if (received := tried(readers[topic], row)) is not None)


def _order(row: Row) -> AccountUpdate | None:
    if word(row, "category") != CATEGORY:
        return None  # spot and other products share the topic
    return AccountUpdate(order=unified_rows.order_of(row).state)


def _fill(row: Row) -> AccountUpdate | None:
    """The execution, where the row says all; else None, since lists of executions say more.

    That is so where the exchange made the order, and where the fee was paid in another coin than USDT.
    """
    if word(row, "category") != CATEGORY:
        return None
    fill = unified_rows.fill_of(row)
    if not fill.client_id or unified_rows.other_coins(row):
        return None
    return AccountUpdate(fill=fill)


def _balance(row: Row) -> AccountUpdate | None:
    balance = unified_rows.balance_of(row)
    return None if balance is None else AccountUpdate(balance=balance)


STREAM = StreamDialect("/v3/ws/private", frozenset(TOPICS), subscription(), read_account_message)
"""How a unified account is listened to."""
