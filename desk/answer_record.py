"""``--check --record FILE``: what the exchange answers, beside what the suite believes that it does.

A service between ``desk.market.bitget.inspection`` and ``desk.market.emulator``.  Every read and channel of
training and live trading is asked for one symbol; the same questions go to an embedded exchange, and the
forms of both answers are compared.  What is believed is thus what the emulator serves, and it is written down
once.  Each answer is also given to the parser that reads it.

The file holds the answers without keys, ids and amounts.  ``tests/market/emulator/test_recorded.py`` compares
the emulator with every such file in ``tests/golden/recorded``.

Not here: what would keep a session from trading (``desk.account_check``).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from desk.errors import DeskError, SettingsError
from desk.files import PRIVATE, write_file
from desk.market.bitget.account.kind import AccountKind
from desk.market.bitget.account.signing import Credentials
from desk.market.bitget.inspection.account_facts import find_kind
from desk.market.bitget.inspection.channels import (
    LISTEN_S,
    Messages,
    account_subscriptions,
    candle_subscriptions,
    record_channels,
)
from desk.market.bitget.inspection.probe import Probe, ProbeAnswer
from desk.market.bitget.inspection.questions import Question, private_questions, public_questions
from desk.market.bitget.inspection.redaction import redacted, shortened
from desk.market.bitget.inspection.shapes import (
    AnswerForm,
    candle_facts,
    differences,
    fact_differences,
    form_of,
)
from desk.market.emulator import EmbeddedExchange, ExchangeOptions, Keys
from desk.market.matching import NewOrder
from desk.market.series.synthetic import synthesize
from desk.market.settings import LinkSettings
from desk.ports import Clock
from desk.safe_text import safe_text
from desk.versions import VERSION

SCHEMA = 1
CANDLES = 800
EMBEDDED_PRICES = "noise", 1
"""Kind and seed of the embedded exchange's candles: any will do."""
KEYS = Credentials("emulator-key", "emulator-secret", "emulator-passphrase")
NOTIONAL = Decimal(100)
"""USDT of an order on the embedded exchange."""
MOST_SENTENCES, LONGEST_SENTENCE = 200, 1_000
"""Differences that are shown, and characters of each."""
QUIET_S = 0.5
"""Seconds that the embedded exchange is listened to."""


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """What one question was answered with."""

    question: Question
    form: AnswerForm
    facts: Mapping[str, bool]
    """Of candles, see ``candle_facts``."""
    message: str
    data: object


@dataclass(slots=True)
class ExchangeRecord:
    """What was asked, what was answered, and how that differs from what is believed."""

    symbol: str
    kind: AccountKind | None
    now_ms: int
    answers: dict[str, RecordedAnswer] = field(default_factory=dict)
    """By the name of the question."""
    channels: dict[str, Messages | str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    """Answers that a parser of the suite could not read, a sentence each."""


async def record_answers(
    link: LinkSettings, credentials: Credentials | None, symbol: str, file: Path, *, clock: Clock
) -> tuple[str, ...]:
    """Ask everything, write the file, and return sentences on what differs from what is believed.

    Parameters
    ----------
    link : LinkSettings
    credentials : Credentials or None
        None: the public part alone.
    symbol : str
    file : Path
    clock : Clock

    Raises
    ------
    SettingsError
        If the exchange does not tell its time, or the file cannot be written.
    """
    received = await _ask(link, credentials, symbol, clock=clock)
    believed = await _believed(received, link, clock=clock)
    found = _shown((*received.unread, *compared(received, believed)))
    document = _document(received, found, link)
    try:
        # In ASCII: what an exchange wrote may be no Unicode, or turn the direction of what is read.
        write_file(file, json.dumps(document, indent=1).encode() + b"\n", mode=PRIVATE)
    except OSError as exc:
        raise SettingsError(f"{file} cannot be written ({exc.strerror}): name another with --record") from exc
    return found


def _shown(sentences: Sequence[str]) -> tuple[str, ...]:
    """The first sentences, each one line of bounded length: the names of fields are the exchange's."""
    more = len(sentences) - MOST_SENTENCES
    rest = (f"{more} more differences are not shown.",) if more > 0 else ()
    return (*(safe_text(one, LONGEST_SENTENCE) for one in sentences[:MOST_SENTENCES]), *rest)


def compared(received: ExchangeRecord, believed: ExchangeRecord) -> Iterable[str]:
    """Sentences on every question and channel that both were asked."""
    for name, answer in received.answers.items():
        expected = believed.answers.get(name)
        if not answer.form.code:
            yield f"{name}: it was not answered: {answer.message}."
        elif expected is not None:
            yield from differences(name, answer.form, expected.form)
            yield from fact_differences(name, answer.facts, expected.facts)
    for path, messages in received.channels.items():
        known = believed.channels.get(path)
        if isinstance(messages, str):
            yield f"{path}: {messages}."
        elif isinstance(known, dict):
            yield from _channel_differences(path, messages, known)


def _channel_differences(path: str, messages: Messages, expected: Messages) -> Iterable[str]:
    for name in expected:
        if name not in messages and not name.startswith("update"):  # nothing may have happened
            yield f"{path}: {name} was not received."
    for name, message in messages.items():
        if name in expected:
            forms = (
                form_of(0, "", one, list_name="data", tells_limit=False) for one in (message, expected[name])
            )
            yield from differences(f"{path}, {name}", *forms)


async def _ask(
    link: LinkSettings,
    credentials: Credentials | None,
    symbol: str,
    *,
    clock: Clock,
    listen_s: float = LISTEN_S,
) -> ExchangeRecord:
    """Ask one exchange everything."""
    async with Probe(link, credentials, clock=clock) as probe:
        ahead = await probe.clock_ahead_s()
        if isinstance(ahead, str):
            raise SettingsError(f"{link.base_url} does not answer as the exchange does: {ahead}")
        kind = await find_kind(probe) if credentials is not None else None
        known: AccountKind | None = (
            "classic" if kind == "classic" else "unified" if kind == "unified" else None
        )
        record = ExchangeRecord(symbol, known, probe.now_ms())
        if kind is not None and known is None:
            record.unread.append(f"The account was not asked: {kind}")
        private = () if known is None else private_questions(known, symbol, record.now_ms)
        for question in (*public_questions(symbol, record.now_ms), *private):
            answer = await probe.ask(question.path, question.query, signed=question.is_private)
            record.answers[question.name] = _recorded(question, answer, record.now_ms)
            record.unread += _unread(question, answer)
        subscriptions = candle_subscriptions(symbol)
        path = "/v2/ws/public"
        record.channels[path] = await record_channels(
            link, path, subscriptions, credentials=credentials, listen_s=listen_s
        )
        if known is not None:
            path = "/v2/ws/private" if known == "classic" else "/v3/ws/private"
            record.channels[path] = await record_channels(
                link,
                path,
                account_subscriptions(known),
                credentials=credentials,
                log_in=True,
                now_ms=probe.now_ms(),
                listen_s=listen_s,
            )
    return record


def _unread(question: Question, answer: ProbeAnswer) -> Iterable[str]:
    """Give an answer to its parser, and say what that could not read."""
    if question.parser is None or not answer.succeeded:
        return
    try:
        question.parser(answer.body, endpoint=question.path)
    except DeskError as exc:
        yield f"{question.name}: the suite cannot read it: {exc}."


async def _believed(received: ExchangeRecord, link: LinkSettings, *, clock: Clock) -> ExchangeRecord:
    """What an embedded exchange answers to the same, with an account of that kind that holds something."""
    kind, seed = EMBEDDED_PRICES
    now = clock.now_ms()
    series = synthesize(kind, seed, symbol=received.symbol, end=now - now % 300_000, candles=CANDLES)
    keys = Keys(
        key=KEYS.key,
        secret=KEYS.secret,
        passphrase=KEYS.passphrase,
        unified=received.kind == "unified",
    )
    options = ExchangeOptions(now_ms=now, speed=1.0, keys=keys)
    async with EmbeddedExchange([series], options, clock=clock) as exchange:
        _hold_something(exchange, received.symbol, now)
        own = replace(
            link,
            base_url=exchange.url,
            ws_url=exchange.url.replace("http", "ws", 1),
            demo=False,
            proxy="",
        )
        credentials = None if received.kind is None else KEYS
        return await _ask(own, credentials, received.symbol, clock=clock, listen_s=QUIET_S)


def _hold_something(exchange: EmbeddedExchange, symbol: str, now: int) -> None:
    """Open a position with a stop, and leave an order waiting: lists that are empty have no fields."""
    exchange.venue.advance(now, [symbol])
    matching = exchange.venue.matching
    price, terms = matching.account.marks[symbol], matching.account.contracts[symbol]
    far = price / 2 // terms.tick * terms.tick
    size = max(NOTIONAL / far // terms.size_step * terms.size_step, terms.min_size)
    for name in ("market", "limit"):
        matching.place(
            NewOrder(
                client_id=f"record-{name}",
                symbol=symbol,
                side=1,
                purpose="open",
                size=size,
                kind="market" if name == "market" else "limit",
                price=None if name == "market" else far,
                stop_loss=far if name == "market" else None,
            ),
            now,
        )


def _recorded(question: Question, answer: ProbeAnswer, now: int) -> RecordedAnswer:
    form = form_of(
        answer.status,
        answer.code,
        answer.data,
        list_name=question.list_name,
        tells_limit=answer.calls_left is not None,
    )
    end = question.query.get("endTime")
    facts = (
        candle_facts(answer.data, end=None if end is None else int(end), now=now)
        if question.is_candles
        else {}
    )
    return RecordedAnswer(question, form, facts, answer.message, answer.data)


def _document(record: ExchangeRecord, found: Sequence[str], link: LinkSettings) -> Mapping[str, Any]:
    """What is written: no key, id or amount."""
    return {
        "schema": SCHEMA,
        "suite": VERSION,
        "host": urlsplit(link.base_url).hostname,
        "demo": link.demo,
        "at_ms": record.now_ms,
        "symbol": record.symbol,
        "account": record.kind,
        "answers": [_document_of(answer, record.symbol) for answer in record.answers.values()],
        "channels": {
            path: messages if isinstance(messages, str) else _shown_messages(path, messages, record.symbol)
            for path, messages in record.channels.items()
        },
        "differences": list(found),
    }


def _document_of(answer: RecordedAnswer, symbol: str) -> Mapping[str, Any]:
    question, form = answer.question, answer.form
    private = question.is_private
    return {
        "name": question.name,
        "path": question.path,
        "query": dict(question.query),
        "private": private,
        "status": form.status,
        "code": form.code,
        "message": "" if private else answer.message,
        "rows": form.rows,
        "order": form.order,
        "tells_limit": form.tells_limit,
        "fields": {path: sorted(kinds) for path, kinds in form.fields.items()},
        "facts": dict(answer.facts),
        "data": redacted(answer.data, symbol) if private else shortened(answer.data, symbol),
    }


async def differences_today(received: ExchangeRecord, link: LinkSettings, *, clock: Clock) -> tuple[str, ...]:
    """Compare an earlier record with what the embedded exchange answers today.

    Parameters
    ----------
    received : ExchangeRecord
    link : LinkSettings
        Timeouts; its addresses are not asked.
    clock : Clock
    """
    return tuple(compared(received, await _believed(received, link, clock=clock)))


def read_record(file: Path) -> ExchangeRecord:
    """Read what ``record_answers`` wrote.

    Raises
    ------
    SettingsError
        If the file is none.
    """
    try:
        document = json.loads(file.read_text())
        kind: AccountKind | None = document["account"]
        symbol, at = str(document["symbol"]), int(document["at_ms"])
        questions = [*public_questions(symbol, at), *(private_questions(kind, symbol, at) if kind else ())]
        known = {question.name: question for question in questions}
        received = ExchangeRecord(symbol, kind, at, channels=document["channels"])
        for one in document["answers"]:
            fields = {path: frozenset(kinds) for path, kinds in one["fields"].items()}
            form = AnswerForm(
                one["status"], one["code"], fields, one["rows"], one["order"], one["tells_limit"]
            )
            answer = RecordedAnswer(known[one["name"]], form, one["facts"], one["message"], one["data"])
            received.answers[one["name"]] = answer
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise SettingsError(f"{file} is no record of --check --record ({type(exc).__name__} {exc})") from exc
    return received


def _shown_messages(path: str, messages: Messages, symbol: str) -> Messages:
    private = path.endswith("private")
    return {
        name: redacted(message, symbol) if private else _short_message(message, symbol)
        for name, message in messages.items()
    }


def _short_message(message: object, symbol: str) -> object:
    if isinstance(message, dict) and isinstance(message.get("data"), list):
        return {**message, "data": shortened(message["data"], symbol)}
    return message
