"""What Bitget's private websocket says: texts in, values out.

Place in the house: texts come in from ``desk.market.bitget.account.stream``; what rows mean is known to
``desk.market.bitget.account.classic.rows``.  Pure.

References
----------
``docs/bitget.md``, section 11.
"""

import json
from decimal import Decimal

from desk.market.bitget.account.classic import rows as private_rows
from desk.market.bitget.account.fields import Row, maybe, number, text, word
from desk.market.bitget.account.messages import (
    PositionsChanged,
    PushedRows,
    Received,
    UnreadableMessage,
    frame_of,
    tried,
)
from desk.market.bitget.account.stream import StreamDialect
from desk.orders import AccountUpdate, Balance, Fill
from desk.reading import time_of

ORDERS, POSITIONS, ACCOUNT = "orders", "positions", "account"
CHANNELS = (ORDERS, POSITIONS, ACCOUNT)


def subscription() -> str:
    """The message that opens all channels.

    As it travels::

        {"op": "subscribe", "args": [{"instType": "USDT-FUTURES", "channel": "orders", "instId": "default"},
                                     {"instType": "USDT-FUTURES", "channel": "account", "coin": "default"}]}
    """
    args = [
        {"instType": "USDT-FUTURES", "channel": name, "coin" if name == ACCOUNT else "instId": "default"}
        for name in CHANNELS
    ]
    return json.dumps({"op": "subscribe", "args": args})


def read_account_message(text: str) -> tuple[Received, ...]:
    """Read one text.

    As they travel (rows shortened)::

        {"event": "login", "code": 0, "msg": ""}
        {"event": "subscribe", "arg": {"instType": "USDT-FUTURES", "channel": "orders", "instId": "default"}}
        {"event": "error", "code": 30005, "msg": "error"}
        {"action": "snapshot", "arg": {"instType": "USDT-FUTURES", "channel": "orders", "instId": "default"},
         "data": [{"orderId": "1", "clientOid": "t-1", "instId": "BTCUSDT", "status": "filled", …}]}
    """
    frame = frame_of(text, named="channel")
    if not isinstance(frame, PushedRows):
        return (frame,)
    if frame.channel == POSITIONS:
        return (PositionsChanged(),)
    if frame.channel not in {ORDERS, ACCOUNT}:
        return (UnreadableMessage(f"its channel is {frame.channel:.40}"),)
    read = _order if frame.channel == ORDERS else _balance
    return tuple(received for row in frame.rows if (received := tried(read, row)) is not None)


def _order(row: Row) -> AccountUpdate:
    """The order, and the execution that the row tells of.

    An execution is left out where lists of executions say more: where the exchange made the order and the
    row doesn't say why, and where the fee was paid in another coin than USDT.
    """
    detail = private_rows.detail_of(row)
    fill = None
    known = detail.cause != "order" or word(row, "enterPointSource") != "sys"
    known &= word(row, "fillFeeCoin") in {"usdt", ""}
    if row.get("tradeId") and maybe(row.get("fillPrice")) and known:
        fill = Fill(
            trade_id=text(row, "tradeId"),
            order_id=detail.state.order_id,
            client_id=detail.state.client_id if detail.cause == "order" else "",
            symbol=detail.state.symbol,
            side=detail.state.side,
            purpose=detail.state.purpose,
            price=number(row["fillPrice"]),
            size=number(row["baseVolume"]),
            fee=-(maybe(row.get("fillFee")) or Decimal(0)) + Decimal(0),
            at=time_of(row.get("fillTime") or detail.state.updated),
            cause=detail.cause,
        )
    return AccountUpdate(order=detail.state, fill=fill)


def _balance(row: Row) -> AccountUpdate | None:
    if word(row, "marginCoin") != "usdt":
        return None
    return AccountUpdate(
        balance=Balance(
            equity=number(text(row, "equity", "usdtEquity")),
            available=number(row["available"]),
        )
    )


STREAM = StreamDialect("/v2/ws/private", frozenset(CHANNELS), subscription(), read_account_message)
"""How a classic account is listened to."""
