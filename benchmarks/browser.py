"""A headless Chromium that is spoken to through its debugging protocol: for tests and pictures of pages.

The address of a page comes in; values of expressions, pictures, requests and console messages go out.  It
needs nothing but the browser and ``aiohttp``.
"""

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Self

import aiohttp

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
START_S: Final = 60.0
KEYS: Final = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowDown": 40, "ArrowUp": 38}
LATER: Final = """{ const now = Date.now; window.passed = 0; Date.now = () => now() + window.passed; }"""
"""A page's own clock, which ``Page.pass_time`` moves on."""


def find_browser() -> str | None:
    """The browser's path: of ``CHROMIUM`` in the environment, or the first that is installed."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One page.

    Attributes
    ----------
    requests : list of str
        Addresses that it asked for.
    complaints : list of str
        Errors and warnings of its console.
    failures : list of str
        Requests that were refused or not answered, as its console has them.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.failures: list[str] = []
        self._socket = socket
        self._session = ""
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def start(self) -> Self:
        """Attach to a target of its own."""
        made = await self.command("Target.createTarget", url="about:blank")
        attached = await self.command("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.command(f"{domain}.enable")
        await self.command("Page.addScriptToEvaluateOnNewDocument", source=LATER)
        return self

    async def stop(self) -> None:
        """Listen no more."""
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader

    async def command(self, method: str, **parameters: object) -> dict[str, Any]:
        """What the browser answers to a command of its protocol."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(message | ({"sessionId": self._session} if self._session else {}))
        return await asyncio.wait_for(self._waiting[number], START_S)

    async def screen(self, width: int, height: int, *, dark: bool = False) -> None:
        """Set the screen's size in pixels, and whether the user likes it dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1}
        await self.command("Emulation.setDeviceMetricsOverride", **size, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.command("Emulation.setEmulatedMedia", features=[scheme])

    async def open(self, address: str) -> None:
        """Open an address and wait until it is loaded."""
        self._loaded.clear()
        await self.command("Page.navigate", url=address)
        await asyncio.wait_for(self._loaded.wait(), START_S)
        await self.frame()

    async def frame(self) -> None:
        """Wait until what was asked for is painted."""
        await self.value(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"
        )

    async def value(self, expression: str) -> Any:  # noqa: ANN401  # whatever the page says
        """The value of a JavaScript expression, a promise's once it has one."""
        answer = await self.command(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until a JavaScript expression is true; fail with what the page shows if it never is."""
        look = f"const look = () => ({expression}) ? done(true) : setTimeout(look, 30); look();"
        try:
            await self.value(f"new Promise(done => {{ {look} }})")
        except TimeoutError:
            shown = await self.value("document.body.innerText")
            raise AssertionError(f"never true: {expression}\n{shown}") from None

    async def pass_time(self, seconds: float) -> None:
        """Let time pass by the page's own clock."""
        await self.value(f"window.passed += {1000 * seconds}")

    async def press(self, key: str) -> None:
        """Press one of ``KEYS``."""
        known = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"Enter": {"text": "\r"}, " ": {"text": " "}}.get(key, {})
        await self.command("Input.dispatchKeyEvent", type="keyDown", **known, **text)
        await self.command("Input.dispatchKeyEvent", type="keyUp", **known)
        await self.frame()

    async def write(self, text: str) -> None:
        """Write a text into what has the focus, as a keyboard does."""
        await self.command("Input.insertText", text=text)

    async def picture(self, *, whole: bool = False) -> bytes:
        """What is seen, or the whole page, as PNG."""
        answer = await self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    async def _read(self) -> None:
        async for message in self._socket:
            self._take(message.json())

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            waiting = self._waiting.pop(message["id"])
            if "error" in message:
                waiting.set_exception(AssertionError(message["error"]))
            else:
                waiting.set_result(message["result"])
            return
        method, parameters = message["method"], message.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Log.entryAdded" and parameters["entry"]["source"] == "network":
            self.failures.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        elif method in {"Runtime.exceptionThrown", "Log.entryAdded"}:
            self.complaints.append(str(parameters))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in {"error", "warning"}:
            self.complaints.append(str(parameters["args"]))


@contextlib.asynccontextmanager
async def open_page(browser: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Page]:
    """A page of a browser that lives as long as the block.

    Parameters
    ----------
    browser : str
        Path of the program.
    environment : mapping, optional
        Of the program; without it our own.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            browser,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"),
            *("--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        try:
            address = await asyncio.wait_for(_address(process), START_S)
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(address, max_msg_size=0) as socket,
            ):
                page = Page(socket)
                try:
                    yield await page.start()
                finally:
                    await page.stop()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    stream = process.stderr
    if stream is None:
        raise AssertionError("the browser was started without its messages")
    async for line in stream:
        if (text := line.decode(errors="replace")).startswith("DevTools listening on "):
            return text.removeprefix("DevTools listening on ").strip()
    raise AssertionError("the browser ended before it could be spoken to")
