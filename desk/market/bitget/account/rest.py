"""Signed requests to Bitget.

Place in the house: between ``desk.market.bitget.account.account`` and the network.  Paths, parameters and a
reader come in; what the reader makes of the answer goes out.  Requests leave at the pace that the exchange
allows a user per endpoint, signed with the exchange's time.

What is repeated: reads, up to ``attempts`` times and ``give_up_after_s`` seconds; writes never, but for two
refusals that say that nothing happened.  After one because of its timestamp the clock is set by the
exchange's and the request is sent once more, whatever it was; after one of key or account it is sent once
more a little later, since a single such answer among good ones must not keep anybody in.  A read that is
refused with a code that nobody knows counts as unanswered: a table of codes cannot hold those of tomorrow.  A
write that would have to wait longer than ``timeout_s`` for its turn is not sent at all, and the caller learns
that at once: by then its reason may be gone.

A refusal carries its meaning (``desk.market.bitget.codes``).  A write that was answered with a status of 500
or above counts as unanswered whatever the body says.  No text ever holds a part of the key.

References
----------
``docs/bitget.md``, sections 3 (limits), 5 (signing), 12 (codes).
"""

import logging
import math
from collections.abc import Mapping
from types import TracebackType
from typing import Self, TypeVar

import aiohttp

from desk.errors import AccountError, ExchangeError, Refused, Throttled, Unanswered
from desk.market.bitget import wire
from desk.market.bitget.account.secrecy import NOT_SHOWN, Secrets
from desk.market.bitget.account.signing import SIGNATURE, Credentials, body_text, query_text, signed_headers
from desk.market.bitget.codes import PASSING
from desk.market.bitget.public import CONTRACTS, TIME
from desk.market.bitget.transport import DEMO, Reader, account_transport
from desk.market.settings import LinkSettings
from desk.ports import Clock
from desk.retry import Backoff, Retry, RetryPolicy
from desk.server_time import ServerTime

BACKOFF = Backoff(0.5, 8.0)
USUAL_PACE = 9.0
"""Requests per second of an endpoint that the exchange counts to 10 per second and user."""
PAUSE_S = 3.0
"""First pause of an endpoint after HTTP 429."""
IN_FLIGHT = 20
SERVER_ERROR = 500
PUBLIC = frozenset({TIME, CONTRACTS})
"""Paths that are asked without a signature: the exchange's time must be had with a wrong clock too."""

ASKED_AGAIN_S = (2.0, 5.0)
"""Pauses before a read is repeated that was refused because of key or account: a whole session ends by it."""
SENT_AGAIN_S = 2.0
"""Pause before a write is sent once more that was refused so: an exit must not wait for the next look."""

BRIEFLY_S = 8.0
"""Longest time for a read of one order with all its repetitions; one that is under way is not cut short."""

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


class SignedRest:
    """Requests of one account; use as ``async with``.

    Parameters
    ----------
    settings : LinkSettings
        Address, timeout and retry.
    credentials : Credentials
        The key.
    pace : mapping of str to float
        Requests per second of paths that the exchange counts otherwise than ``USUAL_PACE``.
    clock : Clock
        Wall time for signatures, and waits.
    """

    def __init__(
        self, settings: LinkSettings, credentials: Credentials, pace: Mapping[str, float], *, clock: Clock
    ) -> None:
        self._settings = settings
        self._pace = pace
        self._credentials = credentials
        self._secrets = Secrets(credentials)
        self._clock = clock
        self._transport = account_transport(
            settings, per_second=USUAL_PACE, in_flight=IN_FLIGHT, pause_s=PAUSE_S, clock=clock
        )
        self._time = ServerTime(clock)

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session, which the websocket shares."""
        return self._transport.session

    def now_ms(self) -> int:
        """The exchange's time, as far as it is known."""
        return self._time.now_ms()

    def shown(self, text: str) -> str:
        """``text`` of an answer as it may be shown: not if it quotes the key."""
        return NOT_SHOWN if self._secrets.quoted_in(text) else text

    async def set_clock(self) -> int:
        """Ask for the exchange's time (ms) and sign with it from now on.

        It counts as the time of the answer, which is late by the answer's way, whatever attempts went before:
        a signature is valid for 30 s, and one from the future is refused.
        """
        time = await self.read(TIME, {}, wire.read_server_time)
        self._time.set(time)
        return time

    async def read(
        self,
        path: str,
        query: Mapping[str, str],
        reader: Reader[Answer],
        *,
        attempts: int | None = None,
        briefly: bool = False,
    ) -> Answer:
        """Ask, and retry while there is no answer.

        A refusal by a code that nobody knows is no answer.  One of key or account is asked about again before
        it is believed.

        Parameters
        ----------
        path : str
        query : mapping
        reader : callable
            Given the body, ``endpoint`` and ``status``.
        attempts : int or None
            At most; None: as the settings have it.
        briefly : bool
            Whether to give up after ``BRIEFLY_S``: what concerns one order must not hold up the others, and
            is asked again at the next look.

        Raises
        ------
        AccountError, Refused
            If the exchange says no.
        Throttled, Unanswered
            If there is no answer within the bounds.
        """
        policy = RetryPolicy(
            attempts=attempts or self._settings.attempts,
            backoff=BACKOFF,
            give_up_after_s=min(self._settings.give_up_after_s, BRIEFLY_S if briefly else float("inf")),
            paused_by=(Throttled,),
        )
        text = query_text(query)

        async def ask() -> Answer:
            try:
                return await self._timely("GET", path, reader, query=text)
            except Refused as exc:
                if exc.meaning not in {"unknown", *PASSING}:
                    raise
                raise Unanswered.of(exc) from exc

        for pause in ASKED_AGAIN_S:
            try:
                return await Retry(policy, clock=self._clock).call(ask)
            except AccountError as exc:
                log.warning("%s; asked again in %g s before that is believed", exc, pause)
            await self._clock.sleep(pause)
        return await Retry(policy, clock=self._clock).call(ask)

    async def write(
        self, path: str, body: Mapping[str, object], reader: Reader[Answer], *, repeatable: bool = True
    ) -> Answer:
        """Send once; where key or account are refused, once more a little later.

        Parameters
        ----------
        path : str
            The endpoint.
        body : mapping
            Sent as JSON.
        reader : callable
            Reads the body of the response.
        repeatable : bool
            False: it is sent once, because a second one would be another order.

        Raises
        ------
        AccountError, Refused
            If the exchange says no.
        Throttled
            If it says later; nothing happened.
        Unanswered
            If nobody knows whether it took effect.
        """
        text = body_text(body)
        try:
            return await self._timely("POST", path, reader, body=text)
        except AccountError as exc:
            if not repeatable:
                raise
            log.warning("%s; sent again in %g s before that is believed", exc, SENT_AGAIN_S)
        await self._clock.sleep(SENT_AGAIN_S)
        return await self._timely("POST", path, reader, body=text)

    async def _timely(
        self, method: str, path: str, reader: Reader[Answer], *, query: str = "", body: str = ""
    ) -> Answer:
        """Send; where the exchange finds the timestamp wrong, set the clock and send once more."""
        try:
            return await self._send(method, path, reader, query=query, body=body)
        except Refused as exc:
            if exc.meaning != "wrong_time":
                raise
        await self.set_clock()
        return await self._send(method, path, reader, query=query, body=body)

    async def _send(self, method: str, path: str, reader: Reader[Answer], *, query: str, body: str) -> Answer:
        """One request and its answer; in no error a part of the key."""
        queued = self._clock.monotonic()
        received, headers = b"", dict[str, str]()

        longest = math.inf if method == "GET" else self._settings.timeout_s

        def on_turn(sent: float) -> Mapping[str, str]:
            if sent - queued > longest:
                raise Throttled(f"not sent: its turn came after {sent - queued:.0f} s", endpoint=path)
            headers.update(self._headers(method, path, query, body))
            return headers

        def read(response: bytes, *, endpoint: str, status: int) -> Answer:
            nonlocal received
            received = response
            if method != "GET" and status >= SERVER_ERROR:
                raise Unanswered(f"HTTP {status}", endpoint=endpoint)
            return reader(response, endpoint=endpoint, status=status)

        pace = self._pace.get(path) if self._settings.paced else None
        try:
            return await self._transport.request(
                method,
                path,
                read,
                query=query,
                body=body,
                per_second=pace,
                within_s=longest,
                on_turn=on_turn,
            )
        except ExchangeError as exc:
            signed = headers.get(SIGNATURE, "")
            quoted = self._secrets.quoted_in(received, str(exc), signed=signed)
            if isinstance(exc, AccountError) or not quoted:
                raise  # advice on the account is in our own words
            if isinstance(exc, Refused):
                code = "" if self._secrets.quoted_in(exc.code, signed=signed) else exc.code
                raise Refused(NOT_SHOWN, endpoint=path, code=code, meaning=exc.meaning) from None
            raise type(exc)(NOT_SHOWN, endpoint=path) from None

    def _headers(self, method: str, path: str, query: str, body: str) -> Mapping[str, str]:
        if path in PUBLIC:
            return DEMO if self._settings.demo else {}
        return signed_headers(
            self._credentials,
            timestamp=self.now_ms(),
            method=method,
            path=path,
            query=query,
            body=body,
            demo=self._settings.demo,
        )
