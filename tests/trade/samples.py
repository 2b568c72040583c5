"""Signals, contracts, limits and candles for the tests of trading."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from desk.orders import ContractTerms, OrderRequest
from desk.policy import LONG, Candle, Thresholds, TradeRules, open_position
from desk.trade.journal import Journal
from desk.trade.risk_values import OrderIntent, RiskContext
from desk.trade.settings import RiskLimits, ScoreSettings, SessionSettings
from desk.trade.signals import BacktestExpectation, ModelCard, Signal
from desk.values import CANDLE_MS

NOON = 1_762_430_400_000
"""2025-11-06 12:00 UTC."""
RULES = TradeRules(horizon=2, stop_loss=0.02, take_profit=None)
LIMITS = RiskLimits(
    risk_per_trade=Decimal("0.005"),
    max_position=Decimal("0.3"),
    max_gross=Decimal(1),
    max_net=Decimal("0.6"),
    max_positions=4,
    leverage=Decimal(3),
    liquidation_buffer=Decimal(2),
    margin_reserve=Decimal("0.1"),
    require_stop=True,
    max_orders_per_minute=10,
    daily_loss_stop=Decimal("0.03"),
    max_drawdown=Decimal("0.1"),
    peak_since="",
    experiment_since="",
    losing_streak=4,
    pause_minutes=60,
    max_model_age_days=14,
    max_candle_age_s=60,
    max_clock_drift_s=1.0,
    avoid_funding=True,
    max_spread_ratio=2.0,
    leave_before_hours=24,
)
UNLIMITED = replace(
    LIMITS,
    max_gross=Decimal(1000),
    max_net=Decimal(1000),
    max_positions=1000,
    require_stop=False,
    max_orders_per_minute=10**6,
    daily_loss_stop=Decimal(1),
    max_drawdown=Decimal(1),
    losing_streak=0,
    max_model_age_days=10**6,
    avoid_funding=False,
)
SESSION = SessionSettings(
    margin_mode="isolated",
    position_mode="one_way",
    on_stop="flatten",
    unknown_position="adopt",
    protective_stop=Decimal("0.02"),
    reconcile_s=60.0,
    look_s=1.0,
    fill_wait_s=5.0,
    fill_look_s=0.25,
    resend_within_s=20.0,
    wait_on_stop_s=900.0,
    max_failed_steps=5,
    keep_decisions_days=90,
)
NOTHING = BacktestExpectation(win_rate=None, win_rate_labelled=None, net_bps=None)
"""A random walk would soon fall short of any other expectation."""
SCORE = ScoreSettings(floor=0.55, floor_trades=100, error=0.05)


def contract(symbol: str = "BTCUSDT", **changes: Any) -> ContractTerms:
    """A contract as the exchange lists it."""
    values: dict[str, Any] = {
        "symbol": symbol,
        "tick": Decimal("0.1"),
        "size_step": Decimal("0.001"),
        "min_size": Decimal("0.001"),
        "min_notional": Decimal(5),
        "max_market_size": Decimal(100),
        "max_limit_size": Decimal(1000),
        "maker_fee": Decimal("0.0002"),
        "taker_fee": Decimal("0.0006"),
        "max_leverage": Decimal(100),
        "maintenance_rate": Decimal("0.004"),
        "funding_hours": 8,
        "limit_open_time": None,
        "off_time": None,
        "status": "normal",
    }
    return ContractTerms(**{**values, **changes})


def card(symbol: str = "BTCUSDT", **changes: Any) -> ModelCard:
    """A tradable model, a day old at noon."""
    values: dict[str, Any] = {
        "symbol": symbol,
        "model_file": f"{symbol}_lightgbm_20251105_120000.txt",
        "created": NOON - 86_400_000,
        "thresholds": Thresholds(long=0.6, short=0.4),
        "rules": RULES,
        "label_threshold": 0.002,
        "tradable": True,
        "reasons": (),
        "expectation": BacktestExpectation(win_rate=0.6, win_rate_labelled=0.62, net_bps=5.0),
    }
    return ModelCard(**{**values, **changes})


def sample_signal(
    symbol: str = "BTCUSDT",
    *,
    side: int = LONG,
    close: float = 100.0,
    open_time: int = NOON - CANDLE_MS,
    of: ModelCard | None = None,
) -> Signal:
    """What a model thinks of the candle that closes at noon."""
    return Signal(
        card=of or card(symbol),
        open_time=open_time,
        close=close,
        probability=0.7 if side == LONG else 0.3,
        digest="0" * 16,
    )


def intent(symbol: str = "BTCUSDT", *, side: int = LONG, close: float = 100.0, **changes: Any) -> OrderIntent:
    """An intent to open at noon."""
    signal = sample_signal(symbol, side=side, close=close, of=card(symbol, **changes))
    candle = Candle(signal.open_time, close, close, close, close)
    return OrderIntent(signal=signal, position=open_position(side, candle, signal.card.rules))


def context(**changes: Any) -> RiskContext:
    """An account of 10,000 USDT with nothing in it, one second after noon."""
    values: dict[str, Any] = {
        "now": NOON + 1_000,
        "equity": Decimal(10_000),
        "available": Decimal(10_000),
        "day_equity": Decimal(10_000),
        "peak_equity": Decimal(10_000),
        "held": (),
        "orders_last_minute": 0,
        "losses_in_a_row": 0,
        "last_loss_at": None,
        "clock_drift_s": 0.0,
        "contracts": {"BTCUSDT": contract(), "ETHUSDT": contract("ETHUSDT")},
    }
    return RiskContext(**{**values, **changes})


def by_hand(*, size: Decimal, purpose: str = "open", name: str = "by-hand") -> OrderRequest:
    """An order of BTCUSDT that somebody else sends."""
    return OrderRequest(
        client_id=name,
        symbol="BTCUSDT",
        side=LONG,
        purpose="close" if purpose == "close" else "open",
        size=size,
        kind="market",
        price=None,
        stop_loss=None,
        take_profit=None,
    )


def decisions_at(journal: Journal, open_time: int) -> list[tuple[str, float, str, str]]:
    """Symbol, probability, action and reasons (JSON, or empty) of one candle, by symbol."""
    query = "SELECT symbol, probability, action, reasons FROM decisions WHERE open_time = ? ORDER BY symbol"
    return journal.diary._rows(query, (open_time,))
