"""The exchange's contracts of one run, as ``contracts.json`` keeps them.

Place in the house: a ``ContractBook`` comes in from ``data_fetcher`` and text goes out to
``desk.market.history.candle_store``, which writes it; and the other way round.  Pure.

As it is written, numbers of a contract as text, so that none loses a digit::

    {"schema_version": 1, "source": "api.bitget.com", "server_time": 1762560000000,
     "contracts": [{"symbol": "BTCUSDT", "tick": "0.1", "taker_fee": "0.0006", "turnover": 1.25e9,
                    "spreads_bps": [0.01, 0.01], "spread_days": ["2025-11-07", "2025-11-08"], …}]}

Fields that were added later, such as ``spreads_bps``, may be missing, so that version 1 stays version 1:
books that are there are read by this program, and books of this program by older ones.

A day has one reading of the spread, the latest: three runs within a minute met the same book three times.
Readings without days, of older books, are therefore one reading too, of the day of that book.

Not here: how the exchange spells a contract, see ``desk.market.bitget.wire``.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from desk.market.history.contracts import Contract

SCHEMA_VERSION = 1
MOST_READINGS = 15
"""Readings of the spread that are kept of a symbol, one a UTC day."""
WIDEST_BPS = 20_000
"""Distance over the mean of a bid of next to nothing and any ask, in basis points."""
Readings = dict[str, float]
"""Distance of bid and ask of one symbol in basis points, by the UTC day on which it was read (ISO 8601, the
newest last)."""
NO_BOOK = (ValueError, KeyError, TypeError, InvalidOperation, RecursionError)
"""What ``read_book`` raises on a text that is none."""


@dataclass(frozen=True, slots=True)
class ContractBook:
    """The contracts of one run."""

    source: str
    """Whose they are, see ``FetchSettings.source``."""
    server_time: int
    """When they were fetched, by the exchange's clock, in ms."""
    contracts: tuple[Contract, ...]
    turnover: dict[str, float]
    """USDT in 24 hours, by symbol."""
    spreads: dict[str, Readings] = field(default_factory=dict)
    """Readings of the last days, by symbol."""

    def text(self) -> str:
        """As it is written."""
        rows = [
            {
                **asdict(contract),
                "turnover": self.turnover.get(contract.symbol, 0.0),
                "spreads_bps": list(readings.values()),
                "spread_days": list(readings),
            }
            for contract in self.contracts
            for readings in [self.spreads.get(contract.symbol, {})]
        ]
        document = {
            "schema_version": SCHEMA_VERSION,
            "source": self.source,
            "server_time": self.server_time,
            "contracts": rows,
        }
        return json.dumps(document, default=str, ensure_ascii=False, indent=1)


def add_readings(
    earlier: Mapping[str, Readings], newest: Mapping[str, float], *, at: int
) -> dict[str, Readings]:
    """Readings of the last ``MOST_READINGS`` days, those of today among them.

    Parameters
    ----------
    earlier : mapping of str to Readings
        Of earlier runs, by symbol; one of the same day is replaced.
    newest : mapping of str to float
        Read just now, in basis points.
    at : int
        When that was, by the exchange's clock, ms.
    """
    today = _day(at)
    return {
        symbol: _newest({**earlier.get(symbol, {}), **({today: newest[symbol]} if symbol in newest else {})})
        for symbol in earlier.keys() | newest.keys()
    }


def _newest(readings: Readings) -> Readings:
    return dict(sorted(readings.items())[-MOST_READINGS:])


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, tz=UTC).date().isoformat()


def read_book(text: bytes) -> ContractBook:
    """Read what ``ContractBook.text`` wrote.

    Raises
    ------
    ValueError, KeyError, TypeError, InvalidOperation, RecursionError
        If it is anything else.
    """
    document = json.loads(text)
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema version {document['schema_version']}, {SCHEMA_VERSION} needed")
    rows, server_time = document["contracts"], int(document["server_time"])
    return ContractBook(
        source=str(document["source"]),
        server_time=server_time,
        contracts=tuple(_contract(row) for row in rows),
        turnover={str(row["symbol"]): float(row["turnover"]) for row in rows},
        spreads={str(row["symbol"]): found for row in rows if (found := _readings(row, _day(server_time)))},
    )


def _contract(row: Mapping[str, Any]) -> Contract:
    if not isinstance(row["is_rwa"], bool):
        raise TypeError("is_rwa is neither true nor false")
    return Contract(
        symbol=str(row["symbol"]),
        kind=str(row["kind"]),
        status=str(row["status"]),
        is_rwa=row["is_rwa"],
        tick=_decimal(row["tick"]),
        size_step=_decimal(row["size_step"]),
        min_size=_decimal(row["min_size"]),
        min_notional=_decimal(row["min_notional"]),
        max_limit_size=None if row["max_limit_size"] is None else _decimal(row["max_limit_size"]),
        max_market_size=None if row["max_market_size"] is None else _decimal(row["max_market_size"]),
        maker_fee=_decimal(row["maker_fee"]),
        taker_fee=_decimal(row["taker_fee"]),
        funding_hours=None if row["funding_hours"] is None else int(row["funding_hours"]),
        max_leverage=None if row["max_leverage"] is None else _decimal(row["max_leverage"]),
        limit_open_time=_time(row.get("limit_open_time")),
        off_time=_time(row.get("off_time")),
    )


def _readings(row: Mapping[str, Any], today: str) -> Readings:
    """Readings of the spread, which books of the first versions do not have; ``today``: of undated ones."""
    spreads = row.get("spreads_bps", [])
    if not isinstance(spreads, list) or any(type(spread) not in (int, float) for spread in spreads):
        raise TypeError(f"{spreads!r:.60} is no list of spreads")
    if not all(0 < spread <= WIDEST_BPS for spread in spreads):
        raise ValueError(f"{spreads!r:.60}: a spread lies between 0 and {WIDEST_BPS} bp")
    days = row.get("spread_days", [today] * len(spreads))
    if not isinstance(days, list) or len(days) != len(spreads):
        raise ValueError(f"{days!r:.60} are not the days of {len(spreads)} spreads")
    return _newest(
        {
            date.fromisoformat(day).isoformat(): float(spread)
            for day, spread in zip(days, spreads, strict=True)
        }
    )


def _time(value: object) -> int | None:
    """A time, which books of the first versions do not tell."""
    if value is not None and type(value) is not int:
        raise TypeError(f"{value!r} is no time")
    return value


def _decimal(text: object) -> Decimal:
    if not isinstance(text, str) or not (number := Decimal(text)).is_finite():
        raise ValueError(f"{text!r} is no number")
    return number
