"""Messages of Bitget's public websocket about candles: texts in, values out.

Place in the house: texts come in from ``desk.market.feed.stream``; candle updates go out to
``desk.market.feed.closing``.  Pure.

Not here: whether a candle is finished; the exchange does not say.

References
----------
``docs/bitget.md``, section 10.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from desk.values import COLUMNS

INSTRUMENTS, CHANNEL = "USDT-FUTURES", "candle5m"
MOST_BYTES = 3_500
"""Of the arguments of one message; the exchange accepts 4,096, however it counts blanks."""


class CandleUpdate(NamedTuple):
    """A row of the channel: a candle, finished or not, unchecked."""

    open_time: int
    values: tuple[float, ...]
    """As in ``desk.values.COLUMNS``."""


@dataclass(frozen=True, slots=True)
class CandleUpdates:
    """Updates of one symbol's candles, oldest first."""

    symbol: str
    updates: tuple[CandleUpdate, ...]
    at: int
    """When the exchange sent them, ms; messages may arrive out of order."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The exchange confirms a subscription; it does so too where it will send nothing."""

    symbol: str


@dataclass(frozen=True, slots=True)
class ChannelError:
    """The exchange reports an error."""

    code: str
    message: str
    symbol: str
    """The symbol that it concerns; "" where it is the whole connection."""


@dataclass(frozen=True, slots=True)
class UnreadableFrame:
    """A message that cannot be read."""

    why: str


PublicMessage = CandleUpdates | Acknowledged | ChannelError | UnreadableFrame


def subscriptions(symbols: Iterable[str]) -> tuple[str, ...]:
    """Messages that subscribe to the candles of ``symbols``, each short enough.

    As they travel::

        {"op": "subscribe",
         "args": [{"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "BTCUSDT"}]}
    """
    messages: list[str] = []
    args: list[str] = []
    size = 0
    for symbol in symbols:
        arg = json.dumps(
            {"instType": INSTRUMENTS, "channel": CHANNEL, "instId": symbol}, separators=(",", ":")
        )
        if args and size + len(arg) + 1 > MOST_BYTES:
            messages.append(_message(args))
            args, size = [], 0
        args.append(arg)
        size += len(arg) + 1
    return (*messages, _message(args)) if args else ()


def read_candle_message(text: str) -> PublicMessage:
    """Read one text message; one that cannot be read becomes an ``UnreadableFrame``, never an error.

    As they travel; rows have eight fields, the last one is not read::

        {"event": "subscribe",
         "arg": {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "BTCUSDT"}}
        {"action": "update",
         "arg": {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "BTCUSDT"},
         "data": [["1762560300000", "102288.5", "102290", "102271.6", "102280.3", "0.91", "93284", "93284"]],
         "ts": 1762560302050}
        {"event": "error", "arg": {"instId": "NOPEUSDT"}, "code": 30001, "msg": "… doesn't exist"}
    """
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        frame = None
    if not isinstance(frame, dict):
        return UnreadableFrame("the text is no JSON object")
    arg = frame.get("arg")
    symbol = str(arg.get("instId") or "") if isinstance(arg, dict) else ""
    if event := frame.get("event"):
        return _event(str(event), symbol, frame)
    if not symbol or not isinstance(arg, dict) or arg.get("channel") != CHANNEL:
        return UnreadableFrame("the message is not of the candle channel")
    try:
        updates = tuple(sorted(_update(row) for row in frame["data"]))
        return CandleUpdates(symbol, updates, int(frame.get("ts") or 0))
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as exc:
        return UnreadableFrame(f"{symbol}: a row is no candle: {type(exc).__name__} {exc}")


def _event(event: str, symbol: str, frame: Mapping[str, object]) -> PublicMessage:
    if event == "subscribe":
        return Acknowledged(symbol)
    if event == "error":
        return ChannelError(str(frame.get("code", "")), str(frame.get("msg", "")), symbol)
    return UnreadableFrame(f"the event {event!r:.40} is not known")


def _update(row: list[str]) -> CandleUpdate:
    values = tuple(float(field) for field in row[1 : 1 + len(COLUMNS)])
    if len(values) != len(COLUMNS):
        raise ValueError(f"{len(row)} fields, {1 + len(COLUMNS)} were expected")
    return CandleUpdate(int(row[0]), values)


def _message(args: list[str]) -> str:
    return f'{{"op":"subscribe","args":[{",".join(args)}]}}'
