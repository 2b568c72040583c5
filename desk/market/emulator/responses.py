"""HTTP responses of the embedded exchange.

Place in the house: the market, inside the emulator.  JSON text, or a refusal, comes in from ``server``; a
response that is not sent yet goes out.

Not here: which of them answers a request.
"""

import json
from collections.abc import Mapping

from aiohttp import web

from desk.market.emulator.brotli import stored
from desk.market.emulator.endpoints import RequestDenied


def success(data: str, now: int) -> web.Response:
    """Success, around the JSON text ``data``; ``now`` is the server time, ms."""
    text = f'{{"code":"00000","msg":"success","requestTime":{now},"data":{data}}}'
    return web.Response(text=text, content_type="application/json")


def refused(denial: RequestDenied, now: int) -> web.Response:
    """Business code and message of ``denial``, without data; ``now`` is the server time, ms."""
    body = {"code": denial.code, "msg": denial.message, "requestTime": now, "data": None}
    return _json(body, status=denial.status)


def too_many_requests(now: int, *, brief: bool) -> web.Response:
    """HTTP 429; the exchange leaves the last two fields out at times."""
    body: dict[str, object] = {"code": "429", "msg": "Too Many Requests"}
    if not brief:
        body |= {"requestTime": now, "data": None}
    return _json(body, status=429)


def in_brotli(response: web.Response) -> web.Response:
    """``response`` compressed with brotli, which not every client can read."""
    headers = {"Content-Encoding": "br", "Content-Type": "application/json; charset=utf-8"}
    return web.Response(body=stored((response.text or "").encode()), headers=headers)


def broken_off(request: web.Request) -> web.Response:
    """Abort the connection; the returned response is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _json(body: Mapping[str, object], *, status: int) -> web.Response:
    """``body`` as the exchange writes JSON: without blanks, in UTF-8."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return web.Response(text=text, status=status, content_type="application/json")
