"""One read of the exchange, with all that its answer shows.

Place in the house: under the other modules of this folder.  A path and a query come in; a ``ProbeAnswer``
goes out, whatever the exchange said: a refusal is an answer too.  Only GET is ever sent.

Not here: what an answer means (``desk.market.bitget.inspection.account_facts``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from desk.errors import LONGEST_CODE, Throttled, Unanswered
from desk.market.bitget.account.secrecy import NOT_SHOWN, Secrets
from desk.market.bitget.account.signing import SIGNATURE, Credentials, query_text, signed_headers
from desk.market.bitget.codes import refusal
from desk.market.bitget.public import TIME
from desk.market.bitget.transport import DEMO, MIB, account_transport
from desk.market.bitget.wire import SUCCESS, TOO_MANY_REQUESTS
from desk.market.settings import LinkSettings
from desk.ports import Clock
from desk.reading import read_json, time_of
from desk.retry import Backoff, Retry, RetryPolicy
from desk.safe_text import safe_text
from desk.server_time import ServerTime

PER_SECOND = 3.0
"""Pace of an endpoint, unless it is asked for every symbol: the exchange counts none below three."""
IN_FLIGHT = 8
PAUSE_S = 3.0


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What the exchange answered to one read."""

    path: str
    query: Mapping[str, str]
    status: int
    """Of HTTP; 0 where nothing of use was received."""
    code: str
    """The exchange's; empty where nothing of use was received."""
    message: str
    """The exchange's, or why nothing of use was received."""
    data: object
    body: bytes
    """As it was received."""
    calls_left: int | None
    """How many more calls the endpoint would have taken."""

    @property
    def succeeded(self) -> bool:
        """Whether it is what was asked for."""
        return self.code == SUCCESS

    def why_not(self) -> str:
        """A clause on why it is not."""
        if not self.code:
            return self.message
        return str(refusal(self.message, endpoint=self.path, code=self.code)).removeprefix(f"{self.path}: ")


class Probe:
    """Reads of one address, signed where a key is given and asked for; use as ``async with``.

    Parameters
    ----------
    settings : LinkSettings
    credentials : Credentials or None
        None: nothing is signed.
    clock : Clock
    """

    def __init__(self, settings: LinkSettings, credentials: Credentials | None, *, clock: Clock) -> None:
        self._settings = settings
        self._credentials = credentials
        self._secrets = None if credentials is None else Secrets(credentials)
        self._clock = clock
        self._transport = account_transport(
            settings, per_second=PER_SECOND, in_flight=IN_FLIGHT, pause_s=PAUSE_S, clock=clock
        )
        self._time = ServerTime(clock)

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    def now_ms(self) -> int:
        """The exchange's time, as far as it is known."""
        return self._time.now_ms()

    async def clock_ahead_s(self) -> float | str:
        """By how many seconds this machine's clock is ahead of the exchange's, or why it is not known.

        It is taken at the middle of the request; from now on requests are signed with the exchange's time.
        """
        before = self._clock.monotonic()
        answer = await self.ask(TIME, {})
        half = (self._clock.monotonic() - before) / 2
        try:
            server = time_of(answer.data["serverTime"])  # type: ignore[index]
        except (TypeError, KeyError, ValueError):
            return answer.why_not() if not answer.succeeded else "the answer names no time"
        self._time.set(server)
        return (self._clock.now_ms() - server) / 1000 - half

    async def ask(
        self, path: str, query: Mapping[str, str], *, signed: bool = False, per_second: float | None = None
    ) -> ProbeAnswer:
        """Read once; what is not answered, or asks for a pause, is asked again within the settings' bounds.

        Parameters
        ----------
        path : str
        query : mapping
        signed : bool
        per_second : float, optional
            Pace of this endpoint where it is not the usual one.
        """
        policy = RetryPolicy(
            attempts=self._settings.attempts,
            backoff=Backoff(0.5, 8.0),
            give_up_after_s=self._settings.give_up_after_s,
            paused_by=(Throttled,),
        )
        pace = per_second if self._settings.paced else None
        text, headers = query_text(query), dict[str, str]()

        def on_turn(_: float) -> Mapping[str, str]:
            headers.update(self._headers(path, text, signed=signed))
            return headers

        async def once() -> ProbeAnswer:
            return await self._transport.request(
                "GET",
                path,
                _read_envelope,
                query=text,
                per_second=pace,
                on_turn=on_turn,
            )

        try:
            answer = await Retry(policy, clock=self._clock).call(once)
        except (Unanswered, Throttled) as exc:
            why = str(exc).removeprefix(f"{path}: ")
            shown = NOT_SHOWN if self._quotes_key(why, signed=headers.get(SIGNATURE, "")) else why
            return ProbeAnswer(path, dict(query), 0, "", shown, None, b"", None)
        if self._quotes_key(answer.body, signed=headers.get(SIGNATURE, "")):
            return ProbeAnswer(path, dict(query), answer.status, "", NOT_SHOWN, None, b"", None)
        return replace(answer, query=dict(query), calls_left=self._transport.calls_left.get(path))

    def _quotes_key(self, text: str | bytes, *, signed: str) -> bool:
        return self._secrets is not None and self._secrets.quoted_in(
            text, signed=signed, most=self._settings.largest_body_mib * MIB
        )

    def _headers(self, path: str, query: str, *, signed: bool) -> Mapping[str, str]:
        if not signed or self._credentials is None:
            return DEMO if self._settings.demo else {}
        return signed_headers(
            self._credentials,
            timestamp=self.now_ms(),
            method="GET",
            path=path,
            query=query,
            demo=self._settings.demo,
        )


def _read_envelope(body: bytes, /, *, endpoint: str, status: int) -> ProbeAnswer:
    """Open the envelope of an answer; what asks for a pause, or is no envelope, is raised."""
    try:
        envelope = read_json(body)
    except ValueError:
        envelope = None
    code = safe_text(str(envelope.get("code", "")), LONGEST_CODE) if isinstance(envelope, dict) else ""
    if str(TOO_MANY_REQUESTS) in {str(status), code}:
        raise Throttled("asks for a pause: too many requests", endpoint=endpoint)
    if not isinstance(envelope, dict) or not code:
        raise Unanswered(f"HTTP {status} with a body that is no answer", endpoint=endpoint)
    message = safe_text(str(envelope.get("msg", "")))
    return ProbeAnswer(endpoint, {}, status, code, message, envelope.get("data"), body, None)
