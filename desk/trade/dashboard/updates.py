"""What the page is sent: a whole snapshot first, then what has changed.  Pure.

Documents of ``desk.trade.snapshot.snapshot_json`` come in, server-sent events go out.

References
----------
HTML Living Standard, 9.2 "Server-sent events".
"""

import json
from collections.abc import Mapping
from typing import Any

PASSING = ("at", "candle_age_ms")
"""Change with every look, and the page counts on by its own clock."""
ROWS = "symbols"


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of ``after`` that ``before`` has otherwise; empty where nothing has changed.

    Of many symbols only the rows that changed are sent, under ``changed_symbols``, where the symbols
    themselves are the same.
    """
    found = {
        key: value
        for key, value in after.items()
        if key not in PASSING and (key not in before or before[key] != value)
    }
    if ROWS in found and ROWS in before:
        old = {one["symbol"]: one for one in before[ROWS]}
        if [one["symbol"] for one in after[ROWS]] == list(old):
            found["changed_symbols"] = [one for one in after[ROWS] if old[one["symbol"]] != one]
            del found[ROWS]
    return found


def event_bytes(name: str, document: Mapping[str, Any]) -> bytes:
    """One server-sent event; its JSON has no line break, so that it is one ``data`` line."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode()
