"""What Bitget's private websocket says: texts in, values out.

Place in the house: texts come in from ``desk.market.bitget.account.stream``; what rows mean is known to
``desk.market.bitget.account.rows``.  Pure.

Pushes may be late, come twice or in any order, and grow fields over time.  A text or a row that cannot be
read is ``UnreadableMessage`` and never a reason to stop listening: what it reported can be asked for.

References
----------
``docs/bitget.md``, section 11.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from desk.market.bitget.account import rows as private_rows
from desk.market.bitget.account.rows import Row
from desk.orders import AccountUpdate, Balance, Fill
from desk.reading import read_json, time_of
from desk.safe_text import LONGEST, brief, safe_text

ORDERS, POSITIONS, ACCOUNT = "orders", "positions", "account"
CHANNELS = (ORDERS, POSITIONS, ACCOUNT)
BAD_KEY = frozenset({"30005", "30011", "30012", "30015"})
"""Login refused because of the key: it will be refused again."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The key was let in."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A channel is open."""

    channel: str


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """The exchange complains."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PositionsChanged:
    """Something about positions is new; the frame doesn't tell stops, so the positions must be asked for."""


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """A message that nobody here understands."""

    why: str


Received = LoggedIn | Subscribed | ErrorMessage | PositionsChanged | UnreadableMessage | AccountUpdate


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
    try:
        frame = read_json(text)
    except ValueError:
        frame = None
    if not isinstance(frame, dict):
        return (UnreadableMessage("it is no frame"),)
    if frame.get("event"):
        return (_event(private_rows.shown(frame, "event"), frame),)
    arg, rows = frame.get("arg"), frame.get("data")
    if not isinstance(arg, dict) or not isinstance(rows, list):
        return (UnreadableMessage("it has no channel or no data"),)
    channel = arg.get("channel")
    if channel == POSITIONS:
        return (PositionsChanged(),)
    if channel not in (ORDERS, ACCOUNT):
        return (UnreadableMessage(f"its channel is {brief(channel, 40)}"),)
    read = _order if channel == ORDERS else _balance
    return tuple(received for row in rows if (received := _tried(read, row)) is not None)


def _event(event: str, frame: Row) -> Received:
    code = private_rows.shown(frame, "code") if frame.get("code") else "0"
    if event == "login" and code == "0":
        return LoggedIn()
    if event == "subscribe":
        arg = frame.get("arg")
        return Subscribed(private_rows.shown(arg, "channel") if isinstance(arg, dict) else "")
    if event in {"login", "error"}:
        return ErrorMessage(code, private_rows.shown(frame, "msg", LONGEST))
    return UnreadableMessage(f"its event is {event:.40}")


def _tried(read: Callable[[Row], AccountUpdate | None], row: object) -> Received | None:
    if not isinstance(row, dict):
        return UnreadableMessage("a row is no row")
    try:
        return read(row)
    except private_rows.NO_ROW as exc:
        return UnreadableMessage(safe_text(f"a row cannot be read: {type(exc).__name__} {exc}"))


def _order(row: Row) -> AccountUpdate:
    """The order, and the execution that the row tells of.

    An execution is left out where lists of executions say more: where the exchange made the order and the
    row doesn't say why, and where the fee was paid in another coin than USDT.
    """
    detail = private_rows.detail_of(row)
    fill = None
    known = detail.cause != "order" or private_rows.word(row, "enterPointSource") != "sys"
    known &= private_rows.word(row, "fillFeeCoin") in {"usdt", ""}
    if row.get("tradeId") and private_rows.maybe(row.get("fillPrice")) and known:
        fill = Fill(
            trade_id=private_rows.text(row, "tradeId"),
            order_id=detail.state.order_id,
            client_id=detail.state.client_id if detail.cause == "order" else "",
            symbol=detail.state.symbol,
            side=detail.state.side,
            purpose=detail.state.purpose,
            price=private_rows.number(row["fillPrice"]),
            size=private_rows.number(row["baseVolume"]),
            fee=-(private_rows.maybe(row.get("fillFee")) or Decimal(0)) + Decimal(0),
            at=time_of(row.get("fillTime") or detail.state.updated),
            cause=detail.cause,
        )
    return AccountUpdate(order=detail.state, fill=fill)


def _balance(row: Row) -> AccountUpdate | None:
    if private_rows.word(row, "marginCoin") != "usdt":
        return None
    return AccountUpdate(
        balance=Balance(
            equity=private_rows.number(private_rows.text(row, "equity", "usdtEquity")),
            available=private_rows.number(row["available"]),
        )
    )
