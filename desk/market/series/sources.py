"""Series of candles and funding rates for the embedded exchange and for replays.

Place in the house: the market.  Folders of parquet files and names of synthetic series come in, as the
command line gives them; ``Candles`` and ``Funding`` go out.

Files are read as they are: holes stay holes, and an open that differs from the previous close stays so.
pyarrow is a development requirement, imported only when a file is read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from desk.errors import SettingsError
from desk.market.series.facts import DAY_MS, Funding
from desk.market.series.synthetic import KINDS, synthesize
from desk.values import CANDLE_MS, CANDLES_PER_DAY, COLUMNS, Candles, frozen

OUTAGE: Final = 4
"""Average length of an outage, candles."""
USUAL_END: Final = 1_767_225_600_000
"""Default end of synthetic series, ms: 2026-01-01 00:00 UTC."""
DAYS_AHEAD: Final = 7
"""How far synthetic series continue while the exchange's clock runs, days."""
_AHEAD_SEED: Final = 2**32
"""Added to a seed, so that the continuation is drawn independently."""


@dataclass(frozen=True, slots=True)
class SyntheticName:
    """One part of ``--synthetic``: ``symbol=kind:seed``."""

    symbol: str
    kind: str
    seed: int


def read_synthetic(text: str) -> tuple[SyntheticName, ...]:
    """Read ``EDGE1USDT=edge:1,NOISE1USDT=noise:2``.

    Raises
    ------
    SettingsError
        If a part is not NAME=KIND:SEED, or a name occurs twice.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    names = tuple(_synthetic_name(part) for part in parts)
    if twice := {name.symbol for name in names if sum(name.symbol == other.symbol for other in names) > 1}:
        raise SettingsError(f"--synthetic: {', '.join(sorted(twice))} is named twice; name each symbol once")
    return names


def _synthetic_name(part: str) -> SyntheticName:
    """Read one part of ``--synthetic``."""
    symbol, _, rest = part.partition("=")
    kind, _, seed = rest.partition(":")
    if not symbol or kind not in KINDS or not (seed.isascii() and seed.isdigit()):
        raise SettingsError(
            f"--synthetic: {part!r} is not NAME=KIND:SEED such as EDGE1USDT=edge:1; "
            f"KIND is one of {', '.join(KINDS)}"
        )
    return SyntheticName(symbol, kind, int(seed))


def synthetic_series(
    names: Iterable[SyntheticName], *, beside: Sequence[Candles], now_ms: int | None
) -> list[Candles]:
    """Generate the series of ``names``.

    They end at the server time if that is given, otherwise with the newest of ``beside``, otherwise at
    ``USUAL_END``.

    Parameters
    ----------
    names : iterable of SyntheticName
    beside : sequence of Candles
        Series that are served together with them.
    now_ms : int or None
        Server time at the start, ms; None: not given.
    """
    if now_ms is not None:
        end = now_ms - now_ms % CANDLE_MS
    else:
        end = newest_open(beside, default=USUAL_END - CANDLE_MS) + CANDLE_MS
    return [synthesize(name.kind, name.seed, symbol=name.symbol, end=end) for name in names]


def extend_synthetic(
    series: Iterable[Candles], names: Iterable[SyntheticName], *, days: int = DAYS_AHEAD
) -> list[Candles]:
    """Continue the series of ``names``; the candles that they hold stay as they are.

    The continuation opens at the last close, on the same tick; what the kind plants is planted in it as
    before, except in its first hours, which have no history.

    Parameters
    ----------
    series : iterable of Candles
        Others than those of ``names`` are returned as they are.
    names : iterable of SyntheticName
    days : int
        By how many days.
    """
    known = {name.symbol: name for name in names}
    return [
        _extended(candles, known[candles.symbol], days) if candles.symbol in known else candles
        for candles in series
    ]


def _extended(candles: Candles, name: SyntheticName, days: int) -> Candles:
    """Continuation of one series by ``days``."""
    end = int(candles.open_time[-1]) + CANDLE_MS + days * DAY_MS
    count = days * CANDLES_PER_DAY
    ahead = synthesize(name.kind, name.seed + _AHEAD_SEED, symbol=name.symbol, end=end, candles=count)
    last = float(candles.close[-1])
    places = max(
        0, *(-int(Decimal(repr(price)).as_tuple().exponent) for price in candles.close[-99:].tolist())
    )
    o, h, l, c = np.round(ahead.values[:4] * (last / ahead.values[0, 0]), places)
    typical = (h + l + c) / 3
    volume = np.round(ahead.values[5] / typical, 4)
    values = np.stack([o, h, l, c, volume, np.round(volume * typical, 4)])
    return Candles(
        candles.symbol,
        frozen(np.concatenate([candles.open_time, ahead.open_time])),
        frozen(np.concatenate([candles.values, values], axis=1)),
    )


def newest_open(series: Iterable[Candles], *, default: int) -> int:
    """Newest open time of all series."""
    return max((int(candles.open_time[-1]) for candles in series if len(candles)), default=default)


def read_candle_files(folder: Path) -> list[Candles]:
    """Read every ``SYMBOL.parquet`` of ``folder``, in order of their names.

    Columns: ``timestamp`` (open time, ms), ``open high low close volume`` and perhaps ``quote_volume``;
    without the last it is volume × (high + low + close) / 3.

    Raises
    ------
    SettingsError
        If there is no such file, one of them is not a series of candles, or pyarrow is missing.
    """
    return [_read_series(path) for path in _parquet_files(folder)]


def read_funding_files(folder: Path) -> dict[str, Funding]:
    """Read the funding rates of every ``SYMBOL.parquet``: columns ``timestamp`` and ``funding_rate``.

    Raises
    ------
    SettingsError
        If there is no such file, one of them has other columns, or pyarrow is missing.
    """
    funding = {}
    for path in _parquet_files(folder):
        columns = _read_columns(path, required=("timestamp", "funding_rate"))
        time = columns["timestamp"].astype(np.int64)
        if np.any(np.diff(time) <= 0):
            raise SettingsError(f"{path}: settlement times must increase")
        funding[path.stem] = Funding(frozen(time), frozen(columns["funding_rate"].astype(np.float64)))
    return funding


def align_ends(
    series: Sequence[Candles], funding: Mapping[str, Funding]
) -> tuple[list[Candles], dict[str, Funding]]:
    """Shift every series, and its funding, by a multiple of 5 minutes so that all end with the newest."""
    newest = newest_open(series, default=0)
    aligned, moved = [], {}
    for candles in series:
        shift = newest - int(candles.open_time[-1]) if len(candles) else 0
        aligned.append(Candles(candles.symbol, frozen(candles.open_time + shift), candles.values))
        if rates := funding.get(candles.symbol):
            moved[candles.symbol] = Funding(frozen(rates.time + shift), rates.rate)
    return aligned, moved


def punch_holes(series: Iterable[Candles], *, share: float, seed: int) -> list[Candles]:
    """Remove a share of the candles from every series, in outages of some candles each.

    The first and the last candle stay.

    Parameters
    ----------
    series : iterable of Candles
    share : float
        Share of the candles to remove, as a fraction below one half.
    seed : int
        Equal seeds make equal holes.
    """
    punched = []
    for number, candles in enumerate(series):
        rng = np.random.default_rng([seed, number])
        begins = rng.random(len(candles)) < share / OUTAGE
        ends = np.arange(len(candles)) + rng.geometric(1 / OUTAGE, len(candles))
        reach = np.maximum.accumulate(np.where(begins, ends, 0))
        kept = reach <= np.arange(len(candles))
        kept[[0, -1]] = True
        punched.append(
            Candles(candles.symbol, frozen(candles.open_time[kept]), frozen(candles.values[:, kept]))
        )
    return punched


def list_late(series: Iterable[Candles], days: Mapping[str, int]) -> list[Candles]:
    """Cut the named series to their last ``days``."""
    return [
        candles.since(int(candles.open_time[-1]) + CANDLE_MS - days[candles.symbol] * DAY_MS)
        if candles.symbol in days
        else candles
        for candles in series
    ]


def _parquet_files(folder: Path) -> list[Path]:
    """Every parquet file of ``folder``; at least one is needed."""
    if not folder.is_dir():
        raise SettingsError(f"{folder} is not a folder; give one that holds SYMBOL.parquet files")
    if paths := sorted(folder.glob("*.parquet")):
        return paths
    raise SettingsError(f"{folder} holds no SYMBOL.parquet file; give a folder that does")


def _read_series(path: Path) -> Candles:
    """Read one file of candles."""
    columns = _read_columns(path, required=("timestamp", *COLUMNS[:5]), optional=COLUMNS[5:])
    time = columns.pop("timestamp").astype(np.int64)
    o, h, l, c, volume = (columns[name].astype(np.float64) for name in COLUMNS[:5])
    quote_volume = columns.get("quote_volume", volume * ((h + l + c) / 3)).astype(np.float64)
    values = np.stack([o, h, l, c, volume, quote_volume])
    if problems := list(_problems(time, values)):
        raise SettingsError(f"{path} is not a series of 5-minute candles: {'; '.join(problems)}")
    return Candles(path.stem, frozen(time), frozen(values))


def _problems(time: NDArray[np.int64], values: NDArray[np.float64]) -> Iterator[str]:
    """Reasons why rows are not valid candles."""
    o, h, l, c, *volumes = values
    if not len(time):
        yield "it has no row"
    if np.any(time % CANDLE_MS) or np.any(np.diff(time) <= 0):
        yield "timestamps must increase on the 5-minute grid"
    if not np.all(np.isfinite(values)):
        yield "a value is missing or infinite"
    elif np.any(l <= 0) or np.any(l > np.minimum(o, c)) or np.any(h < np.maximum(o, c)):
        yield "prices must be positive, low ≤ open, close ≤ high"
    elif np.any(np.array(volumes) < 0):
        yield "a volume is negative"


def _read_columns(
    path: Path, *, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, NDArray[Any]]:
    """Columns of a parquet file, by name."""
    try:
        import pyarrow  # noqa: PLC0415 - only users of files need it
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise SettingsError(
            "parquet files are read with pyarrow, which is not installed; "
            "install it with: pip install -r requirements-dev.txt"
        ) from None
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as exc:
        raise SettingsError(f"{path} cannot be read as parquet: {exc}") from exc
    if missing := [name for name in required if name not in table.column_names]:
        raise SettingsError(f"{path} has no column {', '.join(missing)}")
    names = [*required, *(name for name in optional if name in table.column_names)]
    return {name: table.column(name).to_numpy() for name in names}
