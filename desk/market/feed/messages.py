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

from desk.reading import float_of, read_json, time_of
from desk.safe_text import LONGEST, LONGEST_NAME, brief, is_name, safe_text
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

    A row that is no candle is left out where there are others: what it reported is asked for.  As they
    travel; rows have eight fields, the last one is not read::

        {"event": "subscribe",
         "arg": {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "BTCUSDT"}}
        {"action": "update",
         "arg": {"instType": "USDT-FUTURES", "channel": "candle5m", "instId": "BTCUSDT"},
         "data": [["1762560300000", "102288.5", "102290", "102271.6", "102280.3", "0.91", "93284", "93284"]],
         "ts": 1762560302050}
        {"event": "error", "arg": {"instId": "NOPEUSDT"}, "code": 30001, "msg": "… doesn't exist"}
    """
    try:
        frame = read_json(text)
    except ValueError:
        frame = None
    if not isinstance(frame, dict):
        return UnreadableFrame("the text is no JSON object")
    arg = frame.get("arg")
    symbol = _words(arg.get("instId"), LONGEST_NAME) if isinstance(arg, dict) else ""
    if event := frame.get("event"):
        return _event(_words(event, LONGEST_NAME), symbol, frame)
    if not isinstance(arg, dict) or not is_name(arg.get("instId")) or arg.get("channel") != CHANNEL:
        return UnreadableFrame("the message is not of the candle channel")
    return _candles(symbol, frame.get("data"), frame.get("ts") or 0)


def _candles(symbol: str, rows: object, sent: object) -> PublicMessage:
    """The rows that can be read, of a message that was sent at ``sent``."""
    updates: list[CandleUpdate] = []
    why = "" if isinstance(rows, list) else f"the rows are {brief(rows)}"
    for row in rows if isinstance(rows, list) else []:
        try:
            updates.append(_update(row))
        except (ValueError, TypeError, KeyError, IndexError) as exc:
            why = f"{type(exc).__name__} {exc}"
    try:
        at = time_of(sent)
    except ValueError as exc:
        updates, why = [], f"its time is none: {exc}"
    if why and not updates:
        return UnreadableFrame(safe_text(f"{symbol}: a row is no candle: {why}"))
    return CandleUpdates(symbol, tuple(sorted(updates)), at)


def _event(event: str, symbol: str, frame: Mapping[str, object]) -> PublicMessage:
    if event == "subscribe":
        return Acknowledged(symbol)
    if event == "error":
        return ChannelError(
            _words(frame.get("code"), LONGEST_NAME), _words(frame.get("msg"), LONGEST), symbol
        )
    return UnreadableFrame(f"the event {event:.40} is not known")


def _words(value: object, most: int) -> str:
    """Text of the exchange's, whatever it is; "" where it is absent."""
    return "" if value is None else safe_text(value, most) if isinstance(value, str) else brief(value, most)


def _update(row: list[str]) -> CandleUpdate:
    values = tuple(float_of(field) for field in row[1 : 1 + len(COLUMNS)])
    if len(values) != len(COLUMNS):
        raise ValueError(f"{len(row)} fields, {1 + len(COLUMNS)} were expected")
    return CandleUpdate(time_of(row[0]), values)


def _message(args: list[str]) -> str:
    return f'{{"op":"subscribe","args":[{",".join(args)}]}}'
