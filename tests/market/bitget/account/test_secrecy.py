"""No answer, however it is made, brings a part of the key into a text."""

import asyncio
import contextlib
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from desk.errors import DeskError, ExchangeError, Refused, SettingsError
from desk.market.bitget.account import requests as asked
from desk.market.bitget.account.account import BitgetAccount
from desk.market.bitget.account.credentials import credentials_from
from desk.market.bitget.account.secrecy import MOST_TEXT, NOT_SHOWN, Secrets
from desk.market.bitget.account.signing import Credentials
from desk.market.settings import LinkSettings
from desk.ports import Clock
from tests.market.lines import Answer, Exchange, HandClock, exchange, plain, refuse, tell
from tests.market.samples import NOW, ImpatientClock

CREDENTIALS = Credentials("bg_0123456789abcdef0123456789abcdef", "5e" * 32, "it's a pass'phrase \"9\"")
FRAGMENT = 8

Echo = Callable[[web.Request], Answer]


@contextlib.asynccontextmanager
async def account(clock: Clock) -> AsyncIterator[tuple[BitgetAccount, Exchange]]:
    async with exchange() as served:
        link = LinkSettings(
            base_url=served.url,
            proxy="",
            largest_body_mib=16,
            ws_url=served.ws_url,
            demo=False,
            timeout_s=5.0,
            attempts=1,
            give_up_after_s=30.0,
        )
        served.on("GET /api/v2/public/time", tell({"serverTime": str(NOW)}))
        async with BitgetAccount(link, CREDENTIALS, clock=clock) as client:
            yield client, served


def shows_secret(story: str, *more: str) -> bool:
    """Whether a story holds a part of the key, in the spelling of ``repr`` too."""
    for secret in (CREDENTIALS.key, CREDENTIALS.secret, CREDENTIALS.passphrase, *more):
        for spelling in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
            parts = (spelling[at : at + FRAGMENT] for at in range(len(spelling) - FRAGMENT + 1))
            if any(part in story for part in parts):
                return True
    return False


ECHOES: dict[str, Echo] = {
    "in a refusal": lambda of: refuse("40019", f"bad header {of.headers['ACCESS-KEY']}"),
    "cut at the end of what is shown of a page": lambda of: plain(" " * 45 + of.headers["ACCESS-KEY"]),
    "in a message that is cut": lambda of: refuse("40019", "x" * 250 + of.headers["ACCESS-KEY"] * 3),
    "with its quotes escaped": lambda of: tell([of.headers["ACCESS-PASSPHRASE"]]),
    "as a name of a field": lambda of: tell({of.headers["ACCESS-PASSPHRASE"]: 1}),
    "as the code": lambda of: refuse(of.headers["ACCESS-KEY"], "no"),
    "as a part of the code": lambda of: refuse(of.headers["ACCESS-KEY"][3:15], "no"),
    "the signature": lambda of: refuse("40019", f"sign {of.headers['ACCESS-SIGN']} is wrong"),
    "a part of the signature": lambda of: plain(of.headers["ACCESS-SIGN"][:20], status=502),
    "in capitals": lambda of: refuse("40019", of.headers["ACCESS-KEY"].upper()),
    "percent-encoded": lambda of: refuse("40019", quote(of.headers["ACCESS-PASSPHRASE"], safe="")),
    "with JSON escapes": lambda of: plain(
        '{"code": "40019", "msg": "' + "".join(f"\\u{ord(c):04x}" for c in of.headers["ACCESS-KEY"]) + '"}'
    ),
    "in a plea": lambda _: refuse("429", CREDENTIALS.secret),
    "in an open question": lambda of: refuse("40010", of.headers["ACCESS-PASSPHRASE"]),
    "behind a megabyte": lambda of: plain("x" * (MOST_TEXT + 1) + of.headers["ACCESS-KEY"], status=500),
}


@pytest.mark.parametrize("name", ECHOES)
async def test_an_answer_that_quotes_the_key_is_not_shown(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Six of eight such answers leaked: cut, represented, as a code, or by the signature."""
    caplog.set_level(logging.DEBUG)
    signed: list[str] = []

    def echo(request: web.Request, text: str) -> web.StreamResponse:
        signed.append(request.headers["ACCESS-SIGN"])
        return ECHOES[name](request)(request, text)

    async with account(ImpatientClock()) as (client, served):
        served.on(f"GET {asked.ACCOUNTS}", echo)
        served.on(f"GET {asked.ACCOUNT}", echo)
        with pytest.raises(ExchangeError) as caught:
            await client.balance()

    story = "".join(traceback.format_exception(caught.value)) + caplog.text
    if name != "as a name of a field":  # an answer of that form holds no balance, which is said in our words
        assert NOT_SHOWN in str(caught.value)
    assert not shows_secret(story, *signed)


async def test_a_refusal_that_is_not_shown_keeps_its_code() -> None:
    """Whoever decides by it must not be kept from that."""
    async with account(ImpatientClock()) as (client, served):
        served.on(f"GET {asked.ACCOUNTS}", refuse("40762", f"no margin, {CREDENTIALS.key}"))
        with pytest.raises(Refused) as caught:
            await client.balance()

    assert (caught.value.code, caught.value.meaning) == ("40762", "no_margin")


async def test_a_refusal_without_the_key_is_shown() -> None:
    """Else nobody would learn what is wrong."""
    async with account(ImpatientClock()) as (client, served):
        served.on(f"GET {asked.ACCOUNTS}", refuse("40762", "the balance is too small"))
        with pytest.raises(Refused, match="the balance is too small"):
            await client.balance()


@pytest.mark.parametrize(
    "message",
    [
        lambda login: {"event": "error", "code": login["apiKey"], "msg": "no"},
        lambda login: {"event": login["passphrase"]},
        lambda login: {"action": "snapshot", "arg": {"channel": login["sign"]}, "data": []},
        lambda login: {"arg": {"channel": "orders"}, "data": [{"side": login["apiKey"][:20]}]},
    ],
)
async def test_a_push_that_quotes_the_key_is_not_shown(
    message: Callable[[dict[str, str]], dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """The log of a session is read by more people than trade."""
    caplog.set_level(logging.DEBUG)
    clock = HandClock()
    async with account(clock) as (client, served):
        pushes = client.pushes()
        waiting = asyncio.ensure_future(anext(pushes))
        peer = await served.opened.get()
        (login,) = json.loads(await peer.heard.get())["args"]
        await peer.say(message(login))
        while "/v2/ws/private" not in caplog.text:
            await clock.advance(0.1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    assert NOT_SHOWN in caplog.text
    assert not shows_secret(caplog.text, login["sign"])


@pytest.mark.parametrize("odd", ["s3cr\nb", "s3cr\x00b", "s3cr\r\nX-In: 1", "s3cr\ud800", "s3cr\x1b[2J"])
@pytest.mark.parametrize("name", ["BITGET_API_KEY", "BITGET_API_SECRET", "BITGET_API_PASSPHRASE"])
def test_a_key_with_a_line_break_is_an_error_of_the_settings(name: str, odd: str) -> None:
    """It was a defect when the first request was made, or a header of its own."""
    whole = {"BITGET_API_KEY": "k", "BITGET_API_SECRET": "s", "BITGET_API_PASSPHRASE": "p"}
    with pytest.raises(SettingsError, match=f"^{name} in the environment holds") as caught:
        credentials_from({**whole, name: odd})

    assert "s3cr" not in str(caught.value)
    assert isinstance(caught.value, DeskError)


def test_what_is_searched_has_bounds() -> None:
    """An error of megabytes is not searched sixty times over; it is not shown either."""
    secrets = Secrets(CREDENTIALS)

    assert secrets.quoted_in("x" * (MOST_TEXT + 1))
    assert not secrets.quoted_in("x" * MOST_TEXT, b"\xff\xfe", '{"a": [1, null, "b"]}')
    assert secrets.quoted_in(b'[{"a": ["' + CREDENTIALS.key.encode() + b'"]}]')
