"""The page shows what the snapshot says, and its buttons do what they say, for whoever may press them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from desk.clock import SystemClock
from desk.errors import SettingsError
from desk.trade.dashboard import Dashboard, DashboardAddress
from desk.trade.dashboard import server as dashboard_server
from desk.trade.snapshot import HealthItem, SessionSnapshot, SymbolView
from tests.trade.samples import NOON

TOKEN = "a-token-of-twenty-and-more"  # noqa: S105 - not one
HOSTILE = "<img src=x onerror=alert(1)>"


def snapshot(**changes: Any) -> SessionSnapshot:
    """A session with one symbol whose name is not meant well."""
    view = SymbolView(
        symbol=HOSTILE,
        model_file="m.txt",
        open_time=NOON,
        close=1.0,
        probability=0.55,
        long_threshold=0.6,
        short_threshold=None,
        action="stay out",
        reasons=(),
    )
    values: dict[str, Any] = {
        "at": NOON,
        "mode": "live",
        "is_running": True,
        "began": NOON - 60_000,
        "ended": None,
        "status": None,
        "why": "",
        "stopping": "",
        "equity": Decimal("9500.10"),
        "equity_at": NOON,
        "available": Decimal(9000),
        "day_equity": Decimal(10_000),
        "daily_loss_stop": 0.03,
        "peak_equity": Decimal(10_000),
        "max_drawdown": 0.1,
        "newest_candle": NOON,
        "next_candle": NOON + 300_000,
        "positions": (),
        "symbols": (view,),
        "delivered": (),
        "health": (HealthItem(name="websockets", state="bad", text="1 of 2 open"),),
        "notes": (),
        "counts": {"trades_closed": 3.0, "trades_open": 1.0},
    }
    return SessionSnapshot(**{**values, **changes})


@dataclass
class Shown:
    """A page that is served, and what its buttons did."""

    url: str = ""
    state: SessionSnapshot | None = field(default_factory=snapshot)
    pressed: list[str] = field(default_factory=list)

    async def take(self) -> SessionSnapshot | None:
        return self.state

    def headers(self, **changes: str) -> dict[str, str]:
        """Of a button that is pressed on the page."""
        return {"Authorization": f"Bearer {TOKEN}", "Origin": self.url.rstrip("/"), **changes}


@asynccontextmanager
async def page(
    *, token: str = TOKEN, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[Shown, aiohttp.ClientSession]]:
    shown = Shown()
    buttons = {
        "stop-entries": lambda: shown.pressed.append("stop-entries"),
        "flatten": lambda: shown.pressed.append("flatten"),
    }
    made = Dashboard(
        DashboardAddress(host=host, port=0, token=token), shown.take, SystemClock(), buttons=buttons
    )
    async with (
        made.serving() as url,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        shown.url = url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        yield shown, http


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Server-sent events, as a browser splits them."""
    name = ""
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


async def test_the_page_lets_nothing_of_elsewhere_in() -> None:
    """A script of elsewhere could press the buttons."""
    async with page() as (shown, http):
        for path, kind in (("", "text/html"), ("page.js", "text/javascript"), ("page.css", "text/css")):
            response = await http.get(shown.url + path)
            body = await response.text()
            assert response.status == 200
            assert response.content_type == kind
            assert "default-src 'none'; script-src 'self'" in response.headers["Content-Security-Policy"]
            assert response.headers["Cache-Control"] == "no-store"
            assert "http://" not in body
            assert "https://" not in body
            assert "innerHTML" not in body
            assert " style=" not in body
            assert TOKEN not in body


async def test_events_begin_with_everything_and_go_on_with_what_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dashboard_server, "LOOK_S", 0.01)
    async with page() as (shown, http):
        response = await http.get(shown.url + "events")
        stream = events(response)
        name, first = await anext(stream)
        assert name == "snapshot"
        assert first["symbols"][0]["symbol"] == HOSTILE
        assert first["equity"] == "9500.10"
        assert first["buttons"] is True

        assert shown.state is not None
        shown.state = replace(shown.state, equity=Decimal(9400), at=NOON + 1)
        name, change = await anext(stream)
        assert name == "change"
        assert change["equity"] == "9400"
        assert change["at"] == NOON + 1
        assert "symbols" not in change
        response.close()


async def test_a_quiet_session_still_sends_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise nobody could tell it from a line that is lost."""
    monkeypatch.setattr(dashboard_server, "LOOK_S", 0.01)
    monkeypatch.setattr(dashboard_server, "HEARTBEAT_S", 0.02)
    async with page() as (shown, http):
        response = await http.get(shown.url + "events")
        stream = events(response)
        assert (await anext(stream))[0] == "snapshot"
        assert await anext(stream) == ("heartbeat", {"at": NOON, "candle_age_ms": 0})
        response.close()


async def test_the_end_of_a_session_is_the_last_event() -> None:
    """The page keeps its last figures, and says that they are the last."""
    shown = Shown()
    address = DashboardAddress(host="127.0.0.1", port=0, token="")
    made = Dashboard(address, shown.take, SystemClock(), buttons={})
    async with aiohttp.ClientSession() as http:
        async with made.serving() as url:
            stream = events(await http.get(url + "events"))
            await anext(stream)
            assert shown.state is not None
            shown.state = replace(shown.state, ended=NOON, status=3, why="kill switch")
            rest = asyncio.ensure_future(collect(stream))
        found = await rest

    assert [name for name, _ in found] == ["change", "end"]
    assert found[0][1]["status"] == 3


async def collect(stream: AsyncIterator[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    return [one async for one in stream]


@pytest.mark.parametrize(
    ("path", "words"), [("stop-entries", "stop new entries"), ("flatten", "flatten and stop")]
)
async def test_a_button_works_with_the_token_and_not_without(path: str, words: str) -> None:
    """It closes everything at market: nobody else may press it, and nobody by mistake."""
    async with page() as (shown, http):
        body = {"confirm": words}
        for headers, status in (
            ({"Origin": shown.url.rstrip("/")}, 401),
            (shown.headers(Authorization="Bearer wrong"), 401),
            (shown.headers(Origin="http://evil.example"), 403),
            ({"Authorization": f"Bearer {TOKEN}"}, 403),
            (shown.headers(Host="evil.example"), 403),
            (shown.headers(**{"Sec-Fetch-Site": "cross-site"}), 403),
        ):
            answer = await http.post(shown.url + path, json=body, headers=headers)
            assert answer.status == status, headers
        for wrong in ({}, {"confirm": "yes"}, [words]):
            answer = await http.post(shown.url + path, json=wrong, headers=shown.headers())
            assert answer.status == 400
        assert (await http.get(shown.url + path, headers=shown.headers())).status == 405
        assert shown.pressed == []

        answer = await http.post(shown.url + path, json=body, headers=shown.headers())
        assert answer.status == 200
        assert shown.pressed == [path]


async def test_without_a_token_in_the_environment_there_are_no_buttons() -> None:
    async with page(token="") as (shown, http):
        document = await (await http.get(shown.url + "snapshot")).json()
        answer = await http.post(
            shown.url + "flatten",
            json={"confirm": "flatten and stop"},
            headers=shown.headers(Authorization="Bearer "),
        )

        assert document["buttons"] is False
        assert answer.status == 403
        assert shown.pressed == []


async def test_tokens_cannot_be_tried_out() -> None:
    """After ten wrong ones the right one is not looked at either, for a minute."""
    async with page() as (shown, http):
        for _ in range(10):
            await http.post(
                shown.url + "flatten", json={}, headers=shown.headers(Authorization="Bearer guess")
            )
        answer = await http.post(
            shown.url + "flatten", json={"confirm": "flatten and stop"}, headers=shown.headers()
        )

        assert answer.status == 401
        assert shown.pressed == []


async def test_beyond_this_machine_no_figure_is_shown_without_the_token() -> None:
    async with page(host="0.0.0.0") as (shown, http):  # noqa: S104
        for path in ("snapshot", "events", "metrics"):
            answer = await http.get(shown.url + path)
            assert answer.status == 401
            assert "9500" not in await answer.text()
        assert (await http.get(shown.url)).status == 200
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert (await http.get(shown.url + "metrics", headers=bearer)).status == 200

        assert (
            await http.post(shown.url + "login", headers=shown.headers(Authorization="Bearer no"))
        ).status == 401
        entered = await http.post(shown.url + "login", headers=shown.headers())
        assert entered.status == 204
        cookie = entered.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie
        assert (await http.get(shown.url + "snapshot")).status == 200


async def test_metrics_are_what_prometheus_reads() -> None:
    async with page() as (shown, http):
        response = await http.get(shown.url + "metrics")
        text = await response.text()

    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = text.splitlines()
    assert 'desk_info{mode="live"} 1.0' in lines
    assert "desk_equity_usdt 9500.1" in lines
    assert "desk_drawdown_ratio 0.04999" in text
    assert "desk_trades_closed_total 3.0" in lines
    assert "desk_trades_open 1.0" in lines
    assert 'desk_healthy{part="websockets"} 0.0' in lines
    assert f'desk_probability_ratio{{symbol="{HOSTILE}"}} 0.55' in lines
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


async def test_an_address_that_is_taken_is_said_before_the_session_trades() -> None:
    async with page() as (shown, _):
        port = int(shown.url.rstrip("/").rpartition(":")[2])
        other = Dashboard(
            DashboardAddress(host="127.0.0.1", port=port, token=""), shown.take, SystemClock(), buttons={}
        )
        with pytest.raises(SettingsError, match="cannot be listened on"):
            async with other.serving():
                pass


async def test_before_the_session_has_begun_there_is_nothing_to_show() -> None:
    async with page() as (shown, http):
        shown.state = None

        assert (await http.get(shown.url + "snapshot")).status == 503
        assert (await http.get(shown.url + "nothing")).status == 404
