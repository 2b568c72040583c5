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
from decimal import Decimal
from typing import Any, cast

from desk.market.history.contracts import Contract
from desk.reading import decimal_of, float_of, read_json, time_of, whole_of
from desk.safe_text import brief, is_name, safe_text

SCHEMA_VERSION = 1
MOST_READINGS = 15
"""Readings of the spread that are kept of a symbol, one a UTC day."""
WIDEST_BPS = 20_000
"""Distance over the mean of a bid of next to nothing and any ask, in basis points."""
Readings = dict[str, float]
"""Distance of bid and ask of one symbol in basis points, by the UTC day on which it was read (ISO 8601, the
newest last)."""
NO_BOOK = (ValueError, KeyError, TypeError)
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

    A row that cannot be read is left out, as one that the exchange lists: it costs its symbol alone.

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is anything else, or no row can be read.
    """
    document = cast("dict[str, Any]", read_json(text))
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema version {brief(document['schema_version'])}, {SCHEMA_VERSION} needed")
    contracts: dict[str, Contract] = {}
    turnover: dict[str, float] = {}
    spreads: dict[str, Readings] = {}
    why: Exception | None = None
    server_time = time_of(document["server_time"])
    for row in document["contracts"]:
        try:
            contract, traded, readings = (
                _contract(row),
                float_of(row["turnover"]),
                _readings(row, _day(server_time)),
            )
        except NO_BOOK as exc:
            why = exc
            continue
        contracts[contract.symbol], turnover[contract.symbol] = contract, traded
        if readings:
            spreads[contract.symbol] = readings
    if why is not None and not contracts:
        raise why
    return ContractBook(
        source=safe_text(str(document["source"])),
        server_time=server_time,
        contracts=tuple(contracts.values()),
        turnover=turnover,
        spreads=spreads,
    )


def _contract(row: Mapping[str, Any]) -> Contract:
    if not isinstance(row["is_rwa"], bool):
        raise TypeError("is_rwa is neither true nor false")
    return Contract(
        symbol=_name(row["symbol"]),
        kind=_name(row["kind"]),
        status=_name(row["status"]),
        is_rwa=row["is_rwa"],
        tick=_decimal(row["tick"]),
        size_step=_decimal(row["size_step"]),
        min_size=_decimal(row["min_size"]),
        min_notional=_decimal(row["min_notional"]),
        max_limit_size=None if row["max_limit_size"] is None else _decimal(row["max_limit_size"]),
        max_market_size=None if row["max_market_size"] is None else _decimal(row["max_market_size"]),
        maker_fee=_decimal(row["maker_fee"]),
        taker_fee=_decimal(row["taker_fee"]),
        funding_hours=None
        if row["funding_hours"] is None
        else whole_of(row["funding_hours"], least=1, most=720),
        max_leverage=None if row["max_leverage"] is None else _decimal(row["max_leverage"]),
        limit_open_time=_time(row.get("limit_open_time")),
        off_time=_time(row.get("off_time")),
    )


def _readings(row: Mapping[str, Any], today: str) -> Readings:
    """Readings of the spread, which books of the first versions do not have; ``today``: of undated ones."""
    spreads = row.get("spreads_bps", [])
    if not isinstance(spreads, list) or any(type(spread) not in (int, float) for spread in spreads):
        raise TypeError(f"{brief(spreads)} is no list of spreads")
    if not all(0 < spread <= WIDEST_BPS for spread in spreads):
        raise ValueError(f"{brief(spreads)}: a spread lies between 0 and {WIDEST_BPS} bp")
    days = row.get("spread_days", [today] * len(spreads))
    if not isinstance(days, list) or len(days) != len(spreads):
        raise ValueError(f"{brief(days)} are not the days of {len(spreads)} spreads")
    return _newest(
        {
            date.fromisoformat(day).isoformat(): float(spread)
            for day, spread in zip(days, spreads, strict=True)
        }
    )


def _name(value: object) -> str:
    if not is_name(value):
        raise ValueError(f"{brief(value)} is no name")
    return str(value)


def _time(value: object) -> int | None:
    """A time, which books of the first versions do not tell."""
    if value is not None and type(value) is not int:
        raise TypeError(f"{brief(value)} is no time")
    return None if value is None else time_of(value)


def _decimal(text: object) -> Decimal:
    if not isinstance(text, str):
        raise TypeError(f"{brief(text)} is no number")
    return decimal_of(text)
