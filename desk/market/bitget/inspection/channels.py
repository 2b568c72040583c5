"""What the websockets say in some seconds, for a record.

Place in the house: settings, a key and subscriptions come in; the messages that were received go out, as JSON
was read, each under the name of what it is.  Nothing but logins, subscriptions and pings is ever sent.

Not here: websockets that stay up (``desk.market.bitget.websocket``).
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from desk.market.bitget.account.kind import AccountKind
from desk.market.bitget.account.secrecy import NOT_SHOWN, Secrets
from desk.market.bitget.account.signing import Credentials, login_message
from desk.market.bitget.transport import DEMO, http_session
from desk.market.bitget.websocket import open_socket
from desk.market.settings import LinkSettings
from desk.reading import read_json
from desk.safe_text import LONGEST_NAME, safe_text

LISTEN_S = 4.0
"""A channel with trades is pushed once a second."""
OPEN_S = 10.0
MOST_NAMES = 40
"""Of messages that are kept; the exchange's have some ten."""
INSTRUMENTS = "USDT-FUTURES"
Messages = dict[str, object]
"""By a name like ``update of candle5m``; the first message of each name."""


def candle_subscriptions(symbol: str) -> list[dict[str, str]]:
    """The channel that live trading opens, and one that does not exist."""
    return [
        {"instType": INSTRUMENTS, "channel": "candle5m", "instId": symbol},
        {"instType": INSTRUMENTS, "channel": "candle5m", "instId": "NOPEUSDT"},
    ]


def account_subscriptions(kind: AccountKind) -> list[dict[str, str]]:
    """The private channels that live trading opens."""
    if kind == "unified":
        topics = ("account", "position", "order", "fill", "strategy-order")
        return [{"instType": "UTA", "topic": topic} for topic in topics]
    return [
        {"instType": INSTRUMENTS, "channel": name, "coin" if name == "account" else "instId": "default"}
        for name in ("orders", "positions", "account")
    ]


async def record_channels(
    settings: LinkSettings,
    path: str,
    args: Sequence[dict[str, str]],
    *,
    credentials: Credentials | None = None,
    log_in: bool = False,
    now_ms: int = 0,
    listen_s: float = LISTEN_S,
) -> Messages | str:
    """Subscribe, listen for some seconds, and return what was received, or why nothing could be.

    Parameters
    ----------
    settings : LinkSettings
    path : str
        Of the websocket.
    args : sequence of dict
        Channels.
    credentials : Credentials or None
        A message that quotes them is not kept.
    log_in : bool
        Whether to log in with them first.
    now_ms : int
        The exchange's time, for the login.
    listen_s : float
        Seconds of listening.
    """
    kept = _Kept(None if credentials is None else Secrets(credentials))
    try:
        async with (
            http_session(timeout_s=OPEN_S) as session,
            open_socket(
                session,
                settings.ws_url.rstrip("/") + path,
                proxy=settings.proxy,
                headers=DEMO if settings.demo and credentials is not None else {},
            ) as socket,
        ):
            await socket.send_str("ping")
            if credentials is not None and log_in:
                login = login_message(credentials, timestamp=now_ms // 1000)
                kept.signed = str(json.loads(login)["args"][0]["sign"])
                await socket.send_str(login)
                await _listen(socket, kept, listen_s, until="event login")
            await socket.send_str(json.dumps({"op": "subscribe", "args": list(args)}, separators=(",", ":")))
            await _listen(socket, kept, listen_s)
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        return f"the websocket cannot be opened ({type(exc).__name__})"
    return kept.messages


@dataclass(slots=True)
class _Kept:
    """The first message of each name, as far as there is room, and none that quotes the key."""

    secrets: Secrets | None
    signed: str = ""
    messages: Messages = field(default_factory=dict)

    def add(self, text: str) -> str:
        """Keep a message; return its name."""
        name, content = _named(text)
        if name not in self.messages and len(self.messages) < MOST_NAMES:
            if self.secrets is not None and self.secrets.quoted_in(text, name, signed=self.signed):
                name, content = NOT_SHOWN, None
            self.messages.setdefault(name, content)
        return name


async def _listen(
    socket: aiohttp.ClientWebSocketResponse, kept: _Kept, seconds: float, *, until: str = ""
) -> None:
    """Take messages for some seconds, or until one of the name ``until`` was received."""
    try:
        async with asyncio.timeout(seconds):
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    name = kept.add(message.data)
                    if name == until or (name == "event error" and until):
                        return
    except TimeoutError:
        return


def _named(text: str) -> tuple[str, object]:
    """A message, and the name of what it is."""
    if text == "pong":
        return "pong", text
    try:
        message = read_json(text)
    except ValueError:
        return "unreadable", safe_text(text, 60)
    if not isinstance(message, dict):
        return "unreadable", safe_text(text, 60)
    arg = message.get("arg")
    channel = str(arg.get("channel") or arg.get("topic") or "") if isinstance(arg, dict) else ""
    if event := message.get("event"):
        return safe_text(f"event {event} {channel}".strip(), LONGEST_NAME), message
    return safe_text(f"{message.get('action', 'message')} of {channel}", LONGEST_NAME), message
