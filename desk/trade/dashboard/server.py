"""The local page of a running session.

Place in the house: the last stop of a snapshot.  What makes snapshots and what carries out the two buttons
come in; a web page, its server-sent events and ``/metrics`` go out.  The page is package data: one document,
one style sheet, one script, and a Content-Security-Policy that lets nothing else in.

=======================  ============================================================================
``GET  /``               the page, without any figure
``GET  /events``         the session: a snapshot, then what changes, a heartbeat while nothing does
``GET  /snapshot``       the same as one document
``GET  /metrics``        for Prometheus
``POST /login``          with the token: sets a cookie, which an address beyond this machine demands
``POST /stop-entries``   with the token: nothing is opened any more, the session goes on
``POST /flatten``        with the token: everything is closed, the session ends with status 3
=======================  ============================================================================

Not here: who may do that (``desk.trade.dashboard.access``).
"""

import asyncio
import contextlib
import json
import logging
import platform
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from importlib.resources import files

from aiohttp import web

from desk.errors import DeskError, SettingsError
from desk.ports import Clock
from desk.trade.dashboard.access import (
    VARIABLE,
    DashboardAddress,
    has_token,
    host_problem,
    origin_problem,
)
from desk.trade.dashboard.metrics import CONTENT_TYPE, metrics_text
from desk.trade.dashboard.updates import difference, event_bytes
from desk.trade.snapshot import SessionSnapshot, snapshot_json

log = logging.getLogger("desk.trade")
LOOK_S = 1.0
"""Between two looks at the session, for as long as somebody watches."""
HEARTBEAT_S = 5.0
"""A page that is sent nothing for longer says so."""
MOST_WATCHERS = 16
MOST_BODY = 1_024
"""Bytes of a POST."""
WRONG_TOKENS, WITHIN_S = 10, 60.0
"""So many wrong tokens, and for so long none is looked at."""
COOKIE = "desk_page"
CONFIRMATIONS = {"stop-entries": "stop new entries", "flatten": "flatten and stop"}
"""What the body of a button's POST must say, by its path."""
FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

TakeSnapshot = Callable[[], Awaitable[SessionSnapshot | None]]
Press = Callable[[], None]


class Dashboard:
    """The page; use as ``async with Dashboard(...).serving() as url``.

    Parameters
    ----------
    address : DashboardAddress
        Port 0: any that is free.
    take : callable
        Makes a snapshot, or None while there is no session yet.
    clock : Clock
    buttons : mapping
        What each of ``CONFIRMATIONS`` does.
    """

    def __init__(
        self,
        address: DashboardAddress,
        take: TakeSnapshot,
        clock: Clock,
        *,
        buttons: Mapping[str, Press],
    ) -> None:
        self._address = address
        self._take = take
        self._clock = clock
        self._buttons = dict(buttons)
        self._files = {
            path: (files("desk.trade.dashboard").joinpath("page", name).read_bytes(), kind)
            for path, (name, kind) in FILES.items()
        }
        self._cookies: set[str] = set()
        self._wrong: deque[float] = deque()
        self._watchers = 0
        self._closing = asyncio.Event()
        self._looking = asyncio.Lock()
        self._newest: SessionSnapshot | None = None
        self._looked = float("-inf")

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve the page until the block ends; yields its address.

        Raises
        ------
        SettingsError
            If the address cannot be listened on.
        """
        app = web.Application(client_max_size=MOST_BODY, middlewares=[self._guarded])
        for path in FILES:
            app.router.add_get(path, self._page)
        app.router.add_get("/events", self._events)
        app.router.add_get("/snapshot", self._snapshot)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_post("/login", self._login)
        for name in CONFIRMATIONS:
            app.router.add_post(f"/{name}", self._press)
        app.on_shutdown.append(self._close)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=3.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._address.host, self._address.port)
            try:
                await site.start()
            except (OSError, OverflowError) as exc:
                raise SettingsError(
                    f"--dashboard: {self._address.url} cannot be listened on ({exc}): name another port"
                ) from exc
            self._address = replace(self._address, port=runner.addresses[0][1])
            yield self._address.url
        finally:
            await runner.cleanup()

    async def _close(self, _: web.Application) -> None:
        self._closing.set()

    # Who is let in -----------------------------------------------------------------------------------

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Refuse what is not for this page; the headers of ``SECURITY`` go out with every answer."""
        if problem := host_problem(request.headers, self._address, machine=platform.node()):
            return _refused(403, problem)
        asks_elsewhere = request.method == "POST" or "Origin" in request.headers
        if asks_elsewhere and (problem := origin_problem(request.headers)):
            return _refused(403, problem)
        shell = request.path in FILES or request.path == "/login"
        if not shell and not self._may_read(request):
            return _refused(401, "this address demands the token")
        try:
            response = await handler(request)
        except web.HTTPException as exc:
            return _refused(exc.status, exc.reason)
        if not response.prepared:
            response.headers.update(SECURITY)
        return response

    def _may_read(self, request: web.Request) -> bool:
        if self._address.is_local or request.cookies.get(COOKIE, "") in self._cookies:
            return True
        return self._is_authorized(request)

    def _is_authorized(self, request: web.Request) -> bool:
        """Whether a request bears the token; after many wrong ones none is looked at for a while."""
        now = self._clock.monotonic()
        while self._wrong and self._wrong[0] <= now - WITHIN_S:
            self._wrong.popleft()
        if len(self._wrong) >= WRONG_TOKENS or "Authorization" not in request.headers:
            return False
        if has_token(request.headers, self._address):
            return True
        self._wrong.append(now)
        return False

    # What is shown -----------------------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.StreamResponse:
        body, kind = self._files[request.path]
        return web.Response(body=body, content_type=kind, charset="utf-8")

    async def _look(self) -> SessionSnapshot | None:
        """The newest snapshot, at most ``LOOK_S`` old; the one before where none can be made."""
        async with self._looking:
            if self._closing.is_set() or self._clock.monotonic() - self._looked >= LOOK_S:
                try:
                    self._newest = await self._take()
                except DeskError as exc:
                    log.warning("the page shows an older state: %s", exc)
                self._looked = self._clock.monotonic()
        return self._newest

    def _document(self, snapshot: SessionSnapshot) -> dict[str, object]:
        return {**snapshot_json(snapshot), "buttons": bool(self._address.token)}

    async def _snapshot(self, _: web.Request) -> web.StreamResponse:
        found = await self._look()
        if found is None:
            return _refused(503, "the session has not begun")
        return web.json_response(self._document(found))

    async def _metrics(self, _: web.Request) -> web.StreamResponse:
        found = await self._look()
        if found is None:
            return _refused(503, "the session has not begun")
        return web.Response(text=metrics_text(found), headers={"Content-Type": CONTENT_TYPE})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self._watchers >= MOST_WATCHERS:
            return _refused(503, f"{MOST_WATCHERS} pages are open already")
        response = web.StreamResponse(headers={**SECURITY, "Content-Type": "text/event-stream"})
        self._watchers += 1
        try:
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                await self._watch(response)
        finally:
            self._watchers -= 1
        return response

    async def _watch(self, response: web.StreamResponse) -> None:
        """Send what happens until the page is closed or the session ends."""
        before: dict[str, object] = {}
        sent = float("-inf")
        while True:
            last = self._closing.is_set()
            found = await self._look()
            now = self._clock.monotonic()
            document = {} if found is None else self._document(found)
            at = {} if found is None else {"at": found.at, "candle_age_ms": found.candle_age_ms}
            if document and not before:
                await response.write(event_bytes("snapshot", document))
                sent = now
            elif changed := difference(before, document):
                await response.write(event_bytes("change", {**at, **changed}))
                sent = now
            elif now - sent >= HEARTBEAT_S:
                await response.write(event_bytes("heartbeat", at))
                sent = now
            before = document or before
            if last:
                await response.write(event_bytes("end", at))
                return
            await self._pause()

    async def _pause(self) -> None:
        """Wait for the next look, or for the end of the session."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(LOOK_S)),
            asyncio.ensure_future(self._closing.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    # What is done ------------------------------------------------------------------------------------

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if not self._is_authorized(request):
            return _refused(401, "the token is wrong, or too many wrong ones were sent: wait a minute")
        cookie = secrets.token_urlsafe(32)
        self._cookies.add(cookie)
        response = web.Response(status=204)
        response.set_cookie(COOKIE, cookie, httponly=True, samesite="Strict", path="/")
        return response

    async def _press(self, request: web.Request) -> web.StreamResponse:
        name = request.path.removeprefix("/")
        if not self._address.token:
            return _refused(403, f"there are no buttons: set {VARIABLE} in the environment of the session")
        if not self._is_authorized(request):
            return _refused(401, "the token is wrong, or too many wrong ones were sent: wait a minute")
        if not await _confirms(request, CONFIRMATIONS[name]):
            return _refused(400, f'the request does not confirm "{CONFIRMATIONS[name]}"')
        log.warning("the page asks: %s", CONFIRMATIONS[name])
        self._buttons[name]()
        return web.json_response({"asked": CONFIRMATIONS[name]})


async def _confirms(request: web.Request, words: str) -> bool:
    try:
        body = json.loads(await request.text())
    except ValueError:
        return False
    return isinstance(body, dict) and body.get("confirm") == words


def _refused(status: int, why: str) -> web.Response:
    return web.json_response({"error": why}, status=status, headers=SECURITY)
