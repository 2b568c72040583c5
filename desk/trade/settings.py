"""Settings of live trading, checked.  Values: ``config.py``.

The parts come in from a door and are handed on unchanged; nothing here has a default, so that every value is
seen in one place.  Money is in USDT; shares are fractions of the account's equity: 0.02 is 2 %.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from desk.orders import MarginMode, PositionMode
from desk.settings import check_settings, outside, outside_above

OnStop = Literal["flatten", "wait", "leave"]
Unknown = Literal["adopt", "close"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """The most that may be lost or owed, and when nothing is opened."""

    risk_per_trade: Decimal
    """Share of the equity that is lost, fees included, when a position ends at its stop."""
    max_position: Decimal
    """Notional of one position, as a share of the equity."""
    max_gross: Decimal
    """Notional of all positions, longs and shorts added up, as a share of the equity."""
    max_net: Decimal
    """Notional of the longs less that of the shorts, either way, as a share of the equity."""
    max_positions: int
    """Positions open at once."""
    leverage: Decimal
    """Set at the exchange; less where the contract, or the way to the liquidation price, demands it."""
    liquidation_buffer: Decimal
    """The liquidation price lies at least so many times as far from the entry as the stop."""
    margin_reserve: Decimal
    """Share of the available balance that a new position leaves unbound."""
    require_stop: bool
    """Whether a position needs a stop at the exchange."""
    max_orders_per_minute: int
    """After so many orders of all symbols within a minute, no entry is sent."""
    daily_loss_stop: Decimal
    """Share of the equity at 00:00 UTC; once lost, everything is closed and the session ends."""
    max_drawdown: Decimal
    """Share of the highest equity that the journal has; once lost, everything is closed and the session ends,
    as does every later one before ``peak_since`` is moved.  1: never."""
    peak_since: str
    """Time (ISO 8601, UTC) from which on the highest equity counts; empty: since the journal began."""
    experiment_since: str
    """Time (ISO 8601, UTC): ``--experiment`` goes on with the journal's experiment if that began later, and
    begins a new one otherwise; empty: it always goes on."""
    losing_streak: int
    """So many trades lost in a row ..."""
    pause_minutes: int
    """... and nothing is opened for so long."""
    max_model_age_days: int
    """Older models open nothing."""
    max_candle_age_s: int
    """Seconds after its close until which a candle may still be acted on."""
    max_clock_drift_s: float
    """By how much the session's time may have been wrong when the exchange was asked last; beyond that
    nothing is opened until it is asked again, a minute later."""
    avoid_funding: bool
    """Open nothing that would be held across a funding settlement."""
    max_spread_ratio: float
    """Open nothing while bid and ask are more than so many times as far apart as in the evaluation."""
    leave_before_hours: int
    """Open nothing in a contract that is to be closed for trading within so many hours."""

    def __post_init__(self) -> None:
        check_settings("risk", self, self._problems())

    def _problems(self) -> Iterator[str]:
        if not 0 < self.risk_per_trade < 1:
            yield f"risk_per_trade is {self.risk_per_trade}, must lie between 0 and 1 (0.005 means 0.5 %)"
        if self.max_position <= 0:
            yield f"max_position is {self.max_position}, must be positive"
        if self.max_gross < self.max_position:
            yield f"max_gross {self.max_gross} is below max_position {self.max_position}"
        if not 0 < self.max_net <= self.max_gross:
            yield f"max_net is {self.max_net}, must lie between 0 and max_gross, {self.max_gross}"
        if not 1 <= self.leverage <= 125:
            yield f"leverage is {self.leverage}, must lie between 1 and 125"
        if self.liquidation_buffer < 1:
            yield f"liquidation_buffer is {self.liquidation_buffer}, must be at least 1"
        if not 0 <= self.margin_reserve < 1:
            yield f"margin_reserve is {self.margin_reserve}, must be 0 or more and below 1"
        yield from self._loss_problems()
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is int and value < (field.name == "max_positions"):
                yield f"{field.name} is {value}, must not be negative"
        if self.max_clock_drift_s <= 0:
            yield f"max_clock_drift_s is {self.max_clock_drift_s}, must be positive"
        if not self.max_spread_ratio >= 1:
            yield f"max_spread_ratio is {self.max_spread_ratio}, must be at least 1 (2 means twice as far)"

    def _loss_problems(self) -> Iterator[str]:
        for name in ("daily_loss_stop", "max_drawdown"):
            if not 0 < (share := getattr(self, name)) <= 1:
                yield f"{name} is {share}, must lie between 0 and 1 (0.1 means 10 %)"
        for name in ("peak_since", "experiment_since"):
            if not _is_time(since := getattr(self, name)):
                yield f'{name} is {since!r}, must be a time as "2026-11-30T14:05" in UTC, or empty'


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How a session runs."""

    margin_mode: MarginMode
    """Whether the margin of a position is its own, or that of the account."""
    position_mode: PositionMode
    """Whether a symbol has one position, or one each way."""
    on_stop: OnStop
    """On Ctrl-C or SIGTERM: close all positions, wait for their time exits, or leave them to their stops."""
    unknown_position: Unknown
    """A position in a traded symbol that the journal does not know: protect it and close it after a horizon,
    or close it at once.  In other symbols it is only ever protected."""
    protective_stop: Decimal
    """Distance of the stop that an unprotected position is given, where its model names none."""
    reconcile_s: float
    """Seconds between two comparisons with the exchange."""
    look_s: float
    """Seconds between two looks at the STOP file and the clock."""
    fill_wait_s: float
    """How long an accepted market order may take to be filled before what is left of it is cancelled."""
    fill_look_s: float
    """Seconds between two looks at it."""
    resend_within_s: float
    """Seconds after its first sending within which an order that never arrived is sent once more."""
    wait_on_stop_s: float
    """Longest wait for time exits, where ``on_stop`` is ``wait``."""
    max_failed_steps: int
    """Steps of the session that may fail in a row before it ends with status 1."""
    keep_decisions_days: int
    """Decisions without an order are forgotten after so many days."""

    def __post_init__(self) -> None:
        check_settings("session", self, self._problems())

    def _problems(self) -> Iterator[str]:
        for name in ("reconcile_s", "look_s", "fill_wait_s", "fill_look_s", "resend_within_s"):
            if getattr(self, name) <= 0:
                yield f"{name} is {getattr(self, name)}, must be positive"
        if self.wait_on_stop_s < 0:
            yield f"wait_on_stop_s is {self.wait_on_stop_s}, must not be negative"
        if not 0 < self.protective_stop < 1:
            yield f"protective_stop is {self.protective_stop}, must lie between 0 and 1 (0.02 means 2 %)"
        for name in ("max_failed_steps", "keep_decisions_days"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}, must be at least 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSettings:
    """When a model has disappointed."""

    floor: float
    """Win rate on labelled trades below which, beyond chance, a model is demoted that promised more ..."""
    floor_trades: int
    """... once it has so many of them."""
    error: float
    """Chance of ever demoting a model that trades as its backtest expected, by either rule, however often one
    looks."""

    def __post_init__(self) -> None:
        check_settings("scoreboard", self, self._problems())

    def _problems(self) -> Iterator[str]:
        if not 0 <= self.floor < 1:
            yield f"floor is {self.floor}, must be 0 or more and below 1"
        if self.floor_trades < 1:
            yield f"floor_trades is {self.floor_trades}, must be at least 1"
        if not 0 < self.error < 1:
            yield f"error is {self.error}, must lie between 0 and 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """How people are notified; addresses and tokens come from the environment."""

    digest_hours: int
    """Hours between two digests; 0: none."""
    queue: int
    """Messages that wait at most; then the oldest are dropped and counted."""
    timeout_s: float
    """Of one delivery."""

    def __post_init__(self) -> None:
        check_settings("notify", self, self._problems())

    def _problems(self) -> Iterator[str]:
        yield from outside(self, "digest_hours", 0, 8_760, unit="hours")
        yield from outside(self, "queue", 1, 1_000_000, unit="messages")
        yield from outside_above(self, "timeout_s", 0, 600, unit="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """The simulated account of paper mode, ``--replay`` and ``--demo``."""

    balance: Decimal
    """USDT at the start."""

    def __post_init__(self) -> None:
        check_settings("paper", self, self._problems())

    def _problems(self) -> Iterator[str]:
        if self.balance <= 0:
            yield f"balance is {self.balance}, must be positive"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """All settings of live trading."""

    risk: RiskLimits
    session: SessionSettings
    score: ScoreSettings
    notify: NotifySettings
    paper: PaperSettings

    def __post_init__(self) -> None:
        check_settings("live trading", self, ())


def since_ms(text: str) -> int:
    """``RiskLimits.peak_since``, or ``experiment_since``, in ms; 0 where it is empty.

    Raises
    ------
    ValueError
        If it is no time.
    """
    if not text:
        return 0
    found = datetime.fromisoformat(text)
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1_000)


def _is_time(text: str) -> bool:
    try:
        return since_ms(text) >= 0
    except (ValueError, OverflowError):
        return False


def settings_text(live: LiveSettings) -> str:
    """The settings of a session for its journal; there is no secret among them."""
    return json.dumps(asdict(live), default=str)
