"""What a session does and holds at one moment, as values.  Pure.

``desk.trade.journal.reading.read_snapshot`` makes a ``SessionSnapshot`` of a journal, whether or not its
session runs; a running session adds what only it knows (``desk.trade.live_snapshot``).  ``--status``, the
local page and ``/metrics`` show nothing else, so that they cannot contradict each other.

Money and sizes are ``Decimal`` in USDT and base coin, times ms UTC by the exchange's clock, shares fractions.
None stands for what is not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from typing import Any, Literal

from desk.trade.experiment_values import ExperimentView

HealthState = Literal["good", "warning", "bad", "unknown"]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionView:
    """A position, as the journal knows it and, in a running session, the exchange."""

    symbol: str
    side: Literal["long", "short"]
    size: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    unrealized: Decimal | None
    stop: Decimal | None
    take_profit: Decimal | None
    due: int | None
    """When it is closed at the latest; None of one that no model trades."""
    opened: int | None
    """When the candle closed that caused it."""
    model_file: str
    """Empty where it was adopted, or no model trades it."""
    is_tracked: bool
    """Whether the journal has it; what it does not have is another's."""
    experiment: int | None = None
    """Number of the experiment that holds it; None: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolView:
    """What the model of a symbol predicted last, and what was done about it."""

    symbol: str
    model_file: str
    open_time: int | None
    """Of the candle; None while there was no decision."""
    close: float | None
    probability: float | None
    """Of up."""
    long_threshold: float | None
    """The long side fires at or above it; None: never."""
    short_threshold: float | None
    """The short side fires at or below it; None: never."""
    action: str
    """``enter long``, ``enter short``, ``stay out``, ``in position``, ``refused`` or ``watch only``; empty
    while there was no decision."""
    reasons: tuple[str, ...]
    """Why nothing was done although a side fired, or why there is no decision."""
    is_tradable: bool | None = None
    """The verdict; None where only the journal is known."""

    @property
    def distance(self) -> float | None:
        """How far the probability is from the nearer threshold; 0 once a side fires."""
        if self.probability is None:
            return None
        away = []
        if self.long_threshold is not None:
            away.append(self.long_threshold - self.probability)
        if self.short_threshold is not None:
            away.append(self.probability - self.short_threshold)
        return max(min(away), 0.0) if away else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredView:
    """What the evaluation of a model expected, and what its trades came to."""

    symbol: str
    model_file: str
    trades: int
    win_rate: float
    """Share of the trades that earned after costs."""
    win_rate_ci95: Interval | None
    """None: too few days."""
    expected_win_rate: float | None
    net_bps: float
    """Mean per trade, after costs."""
    net_bps_ci95: Interval | None
    expected_net_bps: float | None
    profit: Decimal
    """USDT, of all its trades."""
    demotion: str
    """Why it only watches; empty while it need not."""
    is_experiment: bool = False
    """Whether these are its trades in experiments; the others are counted apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthItem:
    """One thing that must be in order."""

    name: str
    """A word or two: ``websockets``, ``candles``, ``clock``, ``request budget``, ``reconciliation``, …"""
    state: HealthState
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteView:
    """A sentence of the journal."""

    at: int
    kind: str
    symbol: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSnapshot:
    """What a session does and holds."""

    at: int
    """When the snapshot was made."""
    mode: str
    """``paper``, ``demo``, ``live`` or ``replay``."""
    is_running: bool
    began: int
    ended: int | None
    """None also of a session whose process was killed."""
    status: int | None
    """Exit status of a session that has ended."""
    why: str
    """Why it ended; empty while it runs."""
    stopping: str
    """Why nothing is opened any more; empty while all is well, or not known."""
    equity: Decimal | None
    equity_at: int | None
    """When the account was last seen."""
    available: Decimal | None
    day_equity: Decimal | None
    """At 00:00 UTC of the last day seen, or when it was first seen since."""
    daily_loss_stop: float | None
    """Share of ``day_equity`` whose loss ends the session."""
    peak_equity: Decimal | None
    """The highest so far, see ``RiskLimits.peak_since``."""
    max_drawdown: float | None
    """Share of ``peak_equity`` whose loss ends the session."""
    newest_candle: int | None
    """When the last candle closed that was decided on."""
    next_candle: int | None
    """When the next one closes; None of a session that does not run."""
    positions: tuple[PositionView, ...]
    symbols: tuple[SymbolView, ...]
    """By symbol."""
    delivered: tuple[DeliveredView, ...]
    """Of the models that have traded, by symbol."""
    health: tuple[HealthItem, ...]
    notes: tuple[NoteView, ...]
    """The newest last."""
    equity_line: tuple[tuple[int, float], ...] = ()
    """Time and equity, at most some hundred points, oldest first."""
    counts: Mapping[str, float] = field(default_factory=dict)
    """Totals for monitoring: ``trades_closed``, ``orders``, ``decisions_last``, …"""
    experiment: ExperimentView | None = None
    """The journal's newest; None: there never was one."""

    @property
    def day_change(self) -> float | None:
        """Share won or lost since 00:00 UTC."""
        if self.equity is None or not self.day_equity or self.day_equity <= 0:
            return None
        return float(self.equity / self.day_equity - 1)

    @property
    def drawdown(self) -> float | None:
        """Share of the peak that is lost."""
        if self.equity is None or not self.peak_equity or self.peak_equity <= 0:
            return None
        return max(float(1 - self.equity / self.peak_equity), 0.0)

    @property
    def candle_age_ms(self) -> int | None:
        """How old the data are that were decided on last."""
        return None if self.newest_candle is None else max(self.at - self.newest_candle, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCondition:
    """What a running session knows and its journal does not."""

    now_ms: int
    """The exchange's time."""
    stopping: str
    """Why nothing is opened any more; empty while all is well."""
    ongoing: tuple[tuple[str, str], ...]
    """Kind and text of troubles that have not ended."""
    journal_trouble: str
    """Why the journal cannot be written at the moment; empty while it can."""
    reconciled_s_ago: float
    """Seconds since journal and exchange were compared; infinite until they were."""


def snapshot_json(snapshot: SessionSnapshot) -> dict[str, Any]:
    """A snapshot for JSON: money as text, so that no digit is lost, and the derived figures with the rest."""
    found: dict[str, Any] = _plain(snapshot)
    found["day_change"] = snapshot.day_change
    found["drawdown"] = snapshot.drawdown
    found["candle_age_ms"] = snapshot.candle_age_ms
    for view, one in zip(found["symbols"], snapshot.symbols, strict=True):
        view["distance"] = one.distance
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field of a snapshot
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return value
