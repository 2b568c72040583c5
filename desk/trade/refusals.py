"""Why a message was not taken, and what the other side asks for instead.  Pure.

Status, headers and the beginning of a body come in; a ``DeliveryFailure`` goes out.  Telegram says what it
asks for in ``parameters`` (https://core.telegram.org/bots/api#responseparameters), Discord in
``retry_after``, others in the header ``Retry-After``.

Not here: what follows from it (``desk.trade.notify``).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

LATER = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Statuses of 4xx that refuse the moment, or the channel, and not the message."""
MOST_WORDS = 160
"""Characters of a refusal's words that are handed on."""
LONGEST_PAUSE_S = 3_600.0


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """Why a message was not taken."""

    kind: str
    """Kind of the failure, and the words of the other side; never an address."""
    refused: bool
    """Whether the other side refused the message itself."""
    pause_s: float = 0.0
    """How long the other side asks to be left alone."""
    moved_to: str = ""
    """Where the other side asks to be written to instead: the id of a Telegram chat."""


def failure_of(status: int, headers: Mapping[str, str], body: bytes, *, secret: str) -> DeliveryFailure:
    """What a refusal says.

    Parameters
    ----------
    status : int
        Of HTTP, 300 or more.
    headers : mapping
    body : bytes
        Its beginning; JSON as Telegram sends it, or anything.
    secret : str
        The address, no part of which may be among the words.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    told: dict[str, Any] = answer if isinstance(answer, dict) else {}
    nested = told.get("parameters")
    parameters: dict[str, Any] = nested if isinstance(nested, dict) else {}
    pauses = (parameters.get("retry_after"), told.get("retry_after"), headers.get("Retry-After"))
    moved = parameters.get("migrate_to_chat_id")
    return DeliveryFailure(
        " ".join((f"HTTP {status}", *_words(told.get("description"), secret))),
        refused=status < 500 and status not in LATER,
        pause_s=max(map(_seconds, pauses)),
        moved_to=str(moved) if isinstance(moved, int) and not isinstance(moved, bool) else "",
    )


def _words(description: object, secret: str) -> list[str]:
    """The words of a refusal, on one line and without any part of an address."""
    if not isinstance(description, str):
        return []
    words = "".join(sign if sign.isprintable() else " " for sign in description)[:MOST_WORDS]
    parts = [part for part in secret.replace("/bot", "/").split("/") if len(part) > 3]
    return [] if any(part in words for part in parts) else [words]


def _seconds(value: object) -> float:
    """A pause that was asked for, an hour at most; 0 where it is none."""
    try:
        seconds = float(value) if isinstance(value, str | int | float) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_PAUSE_S) if math.isfinite(seconds) else 0.0
