"""HTTP requests to one address of Bitget: the one transport under the public and the signed client.

Place in the house: between ``desk.market.bitget.public`` and ``desk.market.bitget.account.rest`` on the one
side, and the network on the other.  A method, a path, a query or body, and a reader come in; what the reader
makes of the response goes out, or one of three errors::

    the connection failed, the timeout passed, the body is no answer   Unanswered
    the body is compressed in a way that cannot be read                Unreadable, an Unanswered
    HTTP 429, maintenance                                              Throttled   the endpoint is paused
    any other code than success                                        Refused

The first of them is decided here, the others by the reader (``desk.market.bitget.wire.read_data``).  Each
request waits for its turn at the throttle of the transport, which knows every endpoint of the address.  The
two clients have a transport each: an order never queues behind hundreds of candle requests.

One attempt per request.  aiohttp would repeat a GET by itself when a connection that it kept open turns out
to be closed, past the pace and uncounted; ``no_repetition`` keeps it from that.

Nothing leads elsewhere: no redirect is followed, by requests and by websockets alike (``no_redirect``); no
cookie is kept, nothing is read from ``~/.netrc``, and a proxy is used only if the settings name one.  A body
is read as it arrives, unpacked, up to ``largest_body`` bytes, and is let go of beyond them.

Not here: retry (``desk.retry``, used by the clients), signatures, what a response means.

References
----------
``docs/bitget.md``, sections 2 (envelope and HTTP status) and 3 (rate limits).
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import aiohttp
from yarl import URL

from desk.addresses import through_proxy
from desk.errors import Throttled, Unanswered, Unreadable
from desk.market.bitget.throttle import Throttle
from desk.market.settings import LinkSettings
from desk.ports import Clock

CALLS_LEFT_HEADER = "x-mbx-used-remain-limit"
"""How many more calls the endpoint takes, despite the word "used"."""
OFFERED = "gzip, deflate"
HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": OFFERED,  # never brotli: some installations offer it and cannot read it
    "User-Agent": "bitget-lightgbm-desk",
}
UNREADABLE_ENCODING = "Can not decode content-encoding"
"""How aiohttp begins to say that it cannot undo the compression of a body."""
CHUNK = 1 << 16
"""Bytes of a body that are unpacked at a time."""
MIB = 1 << 20
DEMO = {"paptrading": "1"}
"""Of every request to the demo, signed or not, and of those that open a private websocket."""

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


class Reader(Protocol[Answer_co]):
    """Makes a value of the body of a response; raises ``Throttled``, ``Unanswered`` or ``Refused``."""

    def __call__(self, body: bytes, /, *, endpoint: str, status: int) -> Answer_co:
        """Read ``body``; ``endpoint`` and ``status`` are for errors."""


class _ConnectionClosed(aiohttp.ClientError):
    """The connection was closed before a response arrived."""


class _Redirected(aiohttp.ClientError):
    """The answer names another address."""


async def no_repetition(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Report a closed connection in a way that is not aiohttp's cue to ask again (a middleware)."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise _ConnectionClosed(str(exc) or type(exc).__name__) from exc


async def no_redirect(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Refuse to be sent to another address, which might be unencrypted, or somebody's (a middleware)."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise _Redirected(f"HTTP {response.status} names another address, and none is followed")
    return response


def http_session(*, timeout_s: float) -> aiohttp.ClientSession:
    """A session for requests and websockets, of which every attempt goes to its address and nowhere else.

    ``timeout_s`` bounds a whole request, in seconds; of a websocket, its opening.
    """
    return aiohttp.ClientSession(
        headers=HEADERS,
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        connector=aiohttp.TCPConnector(limit=0),  # the throttle holds the cap
        middlewares=(no_repetition, no_redirect),
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _as_public(_: float) -> Mapping[str, str]:
    return {}


class RestTransport:
    """Requests to one address; use as ``async with``.

    Parameters
    ----------
    base_url : str
        REST address without a path.
    throttle : Throttle
        Decides when each request may leave.
    timeout_s : float
        Longest wait for one whole response, in seconds.
    headers : mapping
        Of every request, besides those of ``HEADERS``.
    proxy : str
        As ``desk.addresses.proxy_problem`` has it, or ""; never used for this machine.
    largest_body : int
        Bytes of a response, unpacked, beyond which it is no answer.
    """

    def __init__(
        self,
        base_url: str,
        *,
        throttle: Throttle,
        timeout_s: float,
        headers: Mapping[str, str],
        proxy: str,
        largest_body: int,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._throttle = throttle
        self._timeout_s = timeout_s
        self._headers = dict(headers)
        self._proxy = proxy
        self._largest_body = largest_body
        self._session: aiohttp.ClientSession | None = None
        self.calls_left: dict[str, int] = {}
        """How many more calls each endpoint would have taken when it answered last, where it tells that."""

    async def __aenter__(self) -> Self:
        self._session = http_session(timeout_s=self._timeout_s)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session.

        Raises
        ------
        RuntimeError
            If the client is closed, a programming mistake.
        """
        if self._session is None:
            raise RuntimeError("the client is closed: use it inside `async with`")
        return self._session

    async def request(
        self,
        method: str,
        path: str,
        reader: Reader[Answer],
        *,
        query: str | Mapping[str, str] = "",
        body: str = "",
        per_second: float | None = None,
        within_s: float = math.inf,
        on_turn: Callable[[float], Mapping[str, str]] = _as_public,
    ) -> Answer:
        """Wait for the turn of ``path``, send one request, and read its response.

        Parameters
        ----------
        method : str
            ``GET`` or ``POST``.
        path : str
            The endpoint, without its query.
        reader : callable
            Given the body, the endpoint and the HTTP status.
        query : str or mapping
            A text is sent as it is, because it is signed; the values of a mapping are percent-encoded.
        body : str
            Sent as it is.
        per_second : float, optional
            Pace of this endpoint where it is not the usual one of the throttle.
        within_s : float
            Nothing is sent, and ``Throttled`` raised, where the turn would come later.
        on_turn : callable
            Called when the turn has come, with the time of sending (monotonic, s); returns headers that
            depend on that time, such as a signature.  What it raises is raised, and nothing was sent.

        Raises
        ------
        Unanswered, Throttled, Refused
            See the module.
        """
        async with self._throttle.slot(path, per_second=per_second, within_s=within_s) as sent:
            headers = on_turn(sent)
            try:
                content, status, left = await self._exchange(
                    method, self._address(path, query), path, body, headers
                )
                answer = reader(content, endpoint=path, status=status)
            except Throttled:
                self._throttle.refused(path, sent)
                raise
            self._throttle.answered(path, sent, left=left)
            if left is not None:
                self.calls_left[path] = left
            return answer

    def _address(self, path: str, query: str | Mapping[str, str]) -> URL:
        if isinstance(query, str):
            return URL(f"{self.base_url}{path}?{query}" if query else f"{self.base_url}{path}", encoded=True)
        return URL(self.base_url + path).with_query(dict(query))

    async def _exchange(
        self, method: str, address: URL, path: str, body: str, headers: Mapping[str, str]
    ) -> tuple[bytes, int, int | None]:
        """Body and HTTP status of the response, and the calls left to the endpoint where it says so."""
        more: dict[str, Any] = through_proxy(self._proxy, self.base_url)
        if body:
            more["data"] = body.encode()
        try:
            async with self.session.request(
                method, address, headers={**self._headers, **headers}, **more
            ) as response:
                content = await self._body(response, path)
                return content, response.status, _calls_left(response.headers.get(CALLS_LEFT_HEADER, ""))
        except TimeoutError as exc:
            raise Unanswered(f"no answer within {self._timeout_s:g} s", endpoint=path) from exc
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as exc:
            # the text of the former ends with the whole address, its query included
            text = exc.message if isinstance(exc, aiohttp.ClientResponseError) else str(exc)
            found = " ".join(text.split())
            if UNREADABLE_ENCODING not in found:
                raise Unanswered(f"{type(exc).__name__}: {found}", endpoint=path) from None
            found = found[found.index(UNREADABLE_ENCODING) :]
            raise Unreadable(
                f"the body is compressed and cannot be read here ({found}); {OFFERED} were offered. Look for "
                "a proxy in between that compresses by itself, or install what is named there",
                endpoint=path,
            ) from None
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as exc:
            raise Unanswered(f"{type(exc).__name__}: {exc}", endpoint=path) from None  # may quote a header

    async def _body(self, response: aiohttp.ClientResponse, path: str) -> bytes:
        """Read a body as it arrives; let go of one that is too long."""
        body = bytearray()
        async for part in response.content.iter_chunked(CHUNK):
            body += part
            if len(body) > self._largest_body:
                response.close()
                most = f"{self._largest_body / MIB:g} MiB"
                raise Unanswered(f"a body of more than {most} is no answer", endpoint=path)
        return bytes(body)


def _calls_left(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def account_transport(
    settings: LinkSettings, *, per_second: float, in_flight: int, pause_s: float, clock: Clock
) -> RestTransport:
    """The line to an account's address, with a throttle of its own.

    Parameters
    ----------
    settings : LinkSettings
    per_second : float
        Pace of an endpoint that has no other; none is kept where the settings ask for none.
    in_flight : int
        Requests at once, at most.
    pause_s : float
        First pause of an endpoint after HTTP 429, in seconds.
    clock : Clock
    """
    throttle = Throttle(
        per_second=per_second if settings.paced else 0.0, in_flight=in_flight, pause_s=pause_s, clock=clock
    )
    return RestTransport(
        settings.base_url,
        throttle=throttle,
        timeout_s=settings.timeout_s,
        headers={},
        proxy=settings.proxy,
        largest_body=settings.largest_body_mib * MIB,
    )
