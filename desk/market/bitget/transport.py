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

from desk.errors import Throttled, Unanswered, Unreadable
from desk.market.bitget.throttle import Throttle
from desk.proxies import require_usable_proxies

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
DEMO = {"paptrading": "1"}
"""Of every request to the demo, signed or not."""

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


class Reader(Protocol[Answer_co]):
    """Makes a value of the body of a response; raises ``Throttled``, ``Unanswered`` or ``Refused``."""

    def __call__(self, body: bytes, /, *, endpoint: str, status: int) -> Answer_co:
        """Read ``body``; ``endpoint`` and ``status`` are for errors."""


class _ConnectionClosed(aiohttp.ClientError):
    """The connection was closed before a response arrived."""


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
    use_proxy : bool
        Whether a proxy that the environment names is used; never for this machine.
    follow_redirects : bool
        Whether a response may send the request on; never one that carries a signature.
    """

    def __init__(
        self,
        base_url: str,
        *,
        throttle: Throttle,
        timeout_s: float,
        headers: Mapping[str, str],
        use_proxy: bool,
        follow_redirects: bool,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._throttle = throttle
        self._timeout_s = timeout_s
        self._headers = {**HEADERS, **headers}
        self._use_proxy = use_proxy
        self._follow_redirects = follow_redirects
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        if self._use_proxy:
            require_usable_proxies()
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            connector=aiohttp.TCPConnector(limit=0),  # the throttle holds the cap
            middlewares=(no_repetition,),
            trust_env=self._use_proxy,
        )
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
            return answer

    def _address(self, path: str, query: str | Mapping[str, str]) -> URL:
        if isinstance(query, str):
            return URL(f"{self.base_url}{path}?{query}" if query else f"{self.base_url}{path}", encoded=True)
        return URL(self.base_url + path).with_query(dict(query))

    async def _exchange(
        self, method: str, address: URL, path: str, body: str, headers: Mapping[str, str]
    ) -> tuple[bytes, int, int | None]:
        """Body and HTTP status of the response, and the calls left to the endpoint where it says so."""
        more: dict[str, Any] = {"data": body.encode()} if body else {}
        try:
            async with self.session.request(
                method, address, headers=headers, allow_redirects=self._follow_redirects, **more
            ) as response:
                content = await response.read()
                left = response.headers.get(CALLS_LEFT_HEADER, "")
                return content, response.status, int(left) if left.isdecimal() else None
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
