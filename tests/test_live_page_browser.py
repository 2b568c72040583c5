"""The live page in a browser: it follows its session or says that it does not; its buttons want the token."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from benchmarks.browser import Page, find_browser, open_page
from desk.clock import SystemClock
from desk.trade.dashboard import Dashboard, DashboardAddress, open_dashboard
from desk.trade.dashboard import server as dashboard_server
from desk.trade.dashboard.updates import event_bytes
from desk.trade.events import Event
from desk.trade.session import SessionResult
from desk.trade.snapshot import HealthItem, NoteView, SessionSnapshot, snapshot_json
from tests.trade.dashboard.test_page import full
from tests.trade.dashboard.test_server import HOSTILE, TOKEN, Shown
from tests.trade.samples import NOON
from tests.trade.stage import Stage
from tests.trade.test_session import rounds_of, two_symbols

BROWSER = find_browser()
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed, and CHROMIUM names none"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
SHOWN = '!document.getElementById("figures").hidden'
LOST = 'document.getElementById("line").classList.contains("lost")'
FOCUS = "(at => at.id || at.dataset.action || at.dataset.sort || at.textContent)(document.activeElement)"
DISABLED = "[...document.querySelectorAll('#actions button')].every(one => one.disabled)"
LABEL = "document.activeElement.ariaLabel"
MODES = {
    "live": "LIVE: REAL MONEY",
    "demo": "DEMO ACCOUNT: no real money",
    "paper": "PAPER: simulated fills",
    "replay": "REPLAY: stored candles",
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session is looked at more often than a user needs."""
    monkeypatch.setattr(dashboard_server, "LOOK_S", 0.05)


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    assert BROWSER is not None
    async with open_page(BROWSER) as page:
        await page.screen(1440, 900)
        yield page
        assert page.complaints == []
        asked = {urlsplit(url).hostname for url in page.requests if not url.startswith(("about:", "data:"))}
        assert asked == {"127.0.0.1"}


def text(name: str) -> str:
    """What an element says, as an expression."""
    return f"document.getElementById({name!r}).innerText"


def made(shown: Shown, *, token: str = TOKEN, host: str = "127.0.0.1", port: int = 0) -> Dashboard:
    """A page of what the test wants it to show."""
    names = ("stop-entries", "flatten")
    buttons = {name: (lambda name=name: shown.pressed.append(name)) for name in names}
    address = DashboardAddress(host=host, port=port, token=token)
    return Dashboard(address, shown.take, SystemClock(), buttons=buttons)


def everything() -> SessionSnapshot:
    """A session all of whose texts are from somebody who means no good."""
    found = full()
    return replace(
        found,
        mode="paper",
        stopping=HOSTILE,
        symbols=tuple(replace(one, reasons=(HOSTILE,), action=HOSTILE) for one in found.symbols),
        health=(HealthItem(name=HOSTILE, state="bad", text=HOSTILE),),
        notes=(NoteView(at=NOON, kind=HOSTILE, symbol=HOSTILE, text=HOSTILE),),
    )


@dataclass
class Following:
    """A session on a simulated clock that goes on by as many candles as it is let."""

    play: Stage
    allowed: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def let(self, rounds: int) -> None:
        """Let it go on."""
        for _ in range(rounds):
            self.allowed.release()

    async def run(self) -> SessionResult:
        async def events() -> AsyncIterator[Event]:
            rounds = rounds_of(self.play, 1_000)
            async with contextlib.aclosing(rounds):
                async for event in rounds:
                    yield event
                    self.play.journal.settle()
                    await self.allowed.acquire()

        return await self.play.session.run(events(), mode="paper", settings="{}")  # type: ignore[arg-type]


async def test_the_page_follows_a_session_and_its_buttons_stop_it(page: Page, tmp_path: Path) -> None:
    """The whole way: candles, decisions, positions on a paper exchange, and a user who ends it."""
    following = Following(two_symbols(tmp_path))
    play = following.play
    address = DashboardAddress(host="127.0.0.1", port=0, token=TOKEN)
    dashboard = open_dashboard(address, play.session, play.journal, play.forecaster, SystemClock())
    held = '[...document.querySelectorAll("#positions tbody tr th")].map(one => one.textContent).join()'
    async with dashboard.serving() as url:
        running = asyncio.create_task(following.run())
        following.let(1)
        await page.open(url)
        await page.until(f"{text('mode')} === {MODES['paper']!r}")
        await page.until(f"{held} === 'BTCUSDT,ETHUSDT'")
        before = await page.value(text("state"))

        following.let(8)
        await page.until('document.querySelectorAll("#delivered tbody th").length === 2')
        await page.until('Number(document.querySelector("#delivered tbody td").textContent) > 1')
        assert await page.value(text("state")) != before
        assert await page.value('document.querySelectorAll("#curve-line")[0].points.length') > 1

        await ask(page, "stop-entries", TOKEN)
        await page.until(f"{text('warning')}.includes('new entries were stopped by the page')")
        await ask(page, "flatten", TOKEN)
        following.let(1_000)
        ending = await running
        assert ending.status == 3
        play.journal.settle()
        assert page.failures == []
    await page.until(f"{text('state')}.includes('with status 3')")
    await page.until(f"{text('line')} === 'The session has ended: these are its last figures.'")
    assert await page.value(DISABLED)


async def ask(page: Page, action: str, token: str) -> None:
    """Press a button and confirm with a token, as a mouse and a keyboard do."""
    await page.value(f"document.querySelector('[data-action={action}]').click()")
    await page.write(token)
    await page.press("Enter")


@pytest.mark.parametrize("action", ["stop-entries", "flatten"])
async def test_a_button_does_nothing_without_the_token(page: Page, action: str) -> None:
    """Whoever finds an open page on a desk must not be able to close positions with it."""
    shown = Shown()
    problem = text("confirm-problem")
    async with made(shown).serving() as url:
        await page.open(url)
        await page.until(SHOWN)
        await ask(page, action, "")
        assert await page.value("document.getElementById('confirm').open")
        assert [url for url in page.requests if url.endswith(action)] == []

        await page.write("guess")
        await page.press("Enter")
        await page.until(f"{problem}.startsWith('the token is wrong')")
        assert shown.pressed == []
        assert ["401" in one for one in page.failures] == [True]

        await page.value("document.getElementById('token').value = ''")
        await page.write(TOKEN)
        await page.press("Enter")
        await page.until("!document.getElementById('confirm').open")
        assert shown.pressed == [action]
        assert TOKEN not in await page.value("document.documentElement.outerHTML")
        assert await page.value("document.getElementById('token').value") == ""


async def test_a_session_without_a_token_has_a_page_without_buttons(page: Page) -> None:
    async with made(Shown(), token="").serving() as url:
        await page.open(url)
        await page.until(SHOWN)

        assert await page.value(DISABLED)
        assert "BITGET_DASHBOARD_TOKEN" in await page.value(text("no-buttons"))


async def crash(_: Dashboard, __: object) -> None:
    """Instead of the last event: a process that was killed sends none."""


def port_of(url: str) -> int:
    """The port of an address."""
    return urlsplit(url).port or 0


async def test_a_session_that_was_killed_is_said_and_the_next_one_is_found(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures that stand still look like a calm market."""
    monkeypatch.setattr(Dashboard, "_close", crash)
    shown = Shown()
    async with made(shown).serving() as url:
        await page.open(url)
        await page.until(f"{SHOWN} && !{LOST}")
    await page.pass_time(65)
    await page.until(f"/^No word for (6[5-9]|[7-8].) s: these figures are old.$/.test({text('line')})")
    assert "9,500.10" in await page.value(text("account"))

    assert shown.state is not None
    shown.state = replace(shown.state, equity=Decimal(9400))
    async with made(shown, port=port_of(url)).serving():
        await page.until(f"!{LOST} && {text('account')}.includes('9,400.00')")
        assert await page.value(text("line")) == ""


async def test_a_line_that_is_dead_and_not_closed_is_opened_again(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phone that changes its network is never told that its old connections lead nowhere."""
    send, lines = Dashboard._watch, []

    async def watch(self: Dashboard, response: web.StreamResponse) -> None:
        lines.append(response)
        if len(lines) > 1:
            await send(self, response)
        else:
            await response.write(event_bytes("snapshot", {**snapshot_json(full()), "buttons": True}))
            await asyncio.Event().wait()

    monkeypatch.setattr(Dashboard, "_watch", watch)
    async with made(Shown()).serving() as url:
        await page.open(url)
        await page.until(SHOWN)
        await page.pass_time(60)
        await page.until(f"{text('account')}.includes('9,500.10') && {text('positions')}.includes('Nothing')")
        assert len(lines) == 2
        assert not await page.value(LOST)


async def test_another_machine_shows_the_token_first_and_again_after_a_restart(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restarted session knows no cookie of the one before it."""
    monkeypatch.setattr(Dashboard, "_close", crash)
    everywhere = "0.0.0.0"  # noqa: S104
    login = '!document.getElementById("login").hidden'
    async with made(Shown(), host=everywhere).serving() as url:
        port = port_of(url)
        await page.open(f"http://127.0.0.1:{port}/")
        await page.until(login)
        assert await page.value("document.activeElement.id") == "login-token"
        assert not await page.value(SHOWN)
        await page.write(TOKEN)
        await page.press("Enter")
        await page.until(f"{SHOWN} && !({login})")
    await page.pass_time(60)
    async with made(Shown(), host=everywhere, port=port).serving():
        await page.until(login)
        await page.write(TOKEN)
        await page.press("Enter")
        await page.until(f"{SHOWN} && !({login})")


async def test_texts_of_others_stay_text(page: Page) -> None:
    """Names are the exchange's, reasons and messages anybody's: none becomes an element."""
    shown = Shown(state=everything())
    async with made(shown).serving() as url:
        await page.open(url)
        await page.until(SHOWN)

        assert await page.value("document.querySelectorAll('img, main script').length") == 0
        for name in ("warning", "positions", "symbols", "health", "notes"):
            assert HOSTILE in await page.value(text(name)), name


@pytest.mark.parametrize(("mode", "words"), MODES.items())
async def test_the_mode_is_said_in_words_everywhere(page: Page, mode: str, words: str) -> None:
    """Of ten men one sees no red; and a tab in the background shows its title alone."""
    shown = Shown(state=replace(full(), mode=mode))
    async with made(shown).serving() as url:
        await page.open(url)
        await page.until(SHOWN)

        assert await page.value(text("mode")) == words
        assert str(await page.value("document.title")).startswith(mode.upper())
        for heading in ("Stop new entries?", "Flatten and stop?"):
            await page.value(
                f"[...document.querySelectorAll('#actions button')]"
                f".find(one => {heading!r}.startsWith(one.textContent)).click()"
            )
            assert await page.value(text("confirm-mode")) == words
            await page.press("Escape")
        await page.value("window.scrollTo(0, document.body.scrollHeight)")
        await page.frame()
        assert await page.value("document.getElementById('mode').getBoundingClientRect().top") >= 0


@pytest.mark.parametrize("dark", [False, True])
async def test_a_phone_never_scrolls_sideways(page: Page, dark: bool) -> None:
    """At 390 pixels, in light and dark; tables scroll inside themselves, and the dialog fits."""
    await page.screen(390, 844, dark=dark)
    async with made(Shown(state=everything())).serving() as url:
        await page.open(url)
        await page.until(SHOWN)

        assert await page.value("document.documentElement.scrollWidth") <= 390
        await page.value("document.querySelector('[data-action=flatten]').click()")
        across = "(at => at.scrollWidth - at.clientWidth)(document.getElementById('confirm'))"
        assert await page.value(across) == 0
        back = await page.value("getComputedStyle(document.body).backgroundColor")
        assert back == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")


async def test_all_of_it_is_done_by_the_keyboard(page: Page) -> None:
    """In the order of the page, always with a visible focus; Escape leads back to where one was."""
    shown = Shown(state=full())
    async with made(shown).serving() as url:
        await page.open(url)
        await page.until(SHOWN)
        seen: list[str] = []
        for _ in range(40):
            await page.press("Tab")
            seen.append(await page.value(FOCUS))
            if seen[-1] == "stop-entries":
                break
            ring = "getComputedStyle(document.activeElement)"
            assert await page.value(f"{ring}.outlineStyle") != "none", seen[-1]
        assert seen == ["To the figures", "stop-entries"]

        await page.press(" ")
        assert await page.value(FOCUS) == "token"
        await page.press("Escape")
        assert not await page.value("document.getElementById('confirm').open")
        assert await page.value(FOCUS) == "stop-entries"
        await page.press("Enter")
        await page.write(TOKEN)
        await page.press("Enter")
        await page.until(f"{text('action-outcome')} === 'Asked: stop new entries.'")
        assert shown.pressed == ["stop-entries"]

        for wanted in ("flatten", "Table of positions", "filter", "Table of symbols", "symbol"):
            for _ in range(3):
                await page.press("Tab")
                if wanted in {await page.value(FOCUS), await page.value(LABEL)}:
                    break
            assert wanted in {await page.value(FOCUS), await page.value(LABEL)}
        sorted_by = "document.querySelector('#symbols th').ariaSort"
        assert await page.value(sorted_by) == "none"
        await page.press("Enter")
        assert await page.value(sorted_by) == "ascending"
        await page.press(" ")
        assert await page.value(sorted_by) == "descending"
