"""How long a decision takes: from the last candle's arrival to the last decision, for 300 symbols.

Run it with ``python -m benchmarks.decisions``.  Features in one pass, one prediction per model, a decision
for every side that fired, and what the journal writes before the first order.  Beside it what one would do
without care: features and prediction symbol by symbol.  The models have the size of published ones: five
seeds of forty rounds.
"""

import tempfile
import time
from decimal import Decimal
from pathlib import Path

import numpy as np

from config import default_settings, live_settings
from desk.learn.ensemble import average
from desk.learn.training import Model, bin_rows, train
from desk.orders import ContractTerms
from desk.policy import FLAT, Candle, Thresholds, TradeRules, open_position
from desk.trade.forecasting import FeatureWindow, Forecaster, OpenModel
from desk.trade.journal import Journal
from desk.trade.records import Decision
from desk.trade.risk import decide as decide_risk
from desk.trade.risk import with_approved
from desk.trade.risk_values import OrderIntent, RiskContext
from desk.trade.signals import BacktestExpectation, ModelCard, Signal
from desk.values import CANDLE_MS, CandleRound, frozen
from ml_feature_engineering import FEATURES, memory_of, newest_rows

SYMBOLS, ROUNDS, SEEDS, TREES = 300, 30, 5, 40
NOON = 1_762_430_400_000
MEMORY = 600


def market(seed: int) -> CandleRound:
    """The newest candles of random walks."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(scale=0.002, size=(SYMBOLS, MEMORY)), axis=1))
    open_ = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    volume = rng.exponential(size=(SYMBOLS, MEMORY))
    values = np.stack([open_, high, low, close, volume, volume * close], axis=1)
    times = NOON - CANDLE_MS * np.arange(MEMORY, 0, -1) + np.zeros((SYMBOLS, 1), np.int64)
    symbols = tuple(f"S{number:03d}USDT" for number in range(SYMBOLS))
    return CandleRound(NOON - CANDLE_MS, symbols, frozen(times), frozen(values), {})


def model(seed: int) -> Model:
    """A model of the published size on noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(4_000, len(FEATURES))).astype(np.float32)
    side = (x[:, 0] + rng.normal(scale=3, size=4_000) > 0).astype(np.int8)
    bins = bin_rows(x, side, [feature.name for feature in FEATURES])
    parameters = default_settings().learn.baseline
    return average([train(bins, parameters, rounds=TREES, seed=seed + one) for one in range(SEEDS)])


def card(symbol: str) -> ModelCard:
    """A tradable model that fires on about a fifth of the candles."""
    return ModelCard(
        symbol=symbol,
        model_file=f"{symbol}_lightgbm_20251105_120000.txt",
        created=NOON - 86_400_000,
        thresholds=Thresholds(long=0.52, short=0.48),
        rules=TradeRules(horizon=2, stop_loss=0.02, take_profit=None),
        label_threshold=0.002,
        tradable=True,
        reasons=(),
        expectation=BacktestExpectation(win_rate=None, win_rate_labelled=None, net_bps=None),
    )


def contract(symbol: str) -> ContractTerms:
    """The usual terms."""
    return ContractTerms(
        symbol=symbol,
        tick=Decimal("0.001"),
        size_step=Decimal("0.01"),
        min_size=Decimal("0.01"),
        min_notional=Decimal(5),
        max_market_size=None,
        max_limit_size=None,
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0006"),
        max_leverage=Decimal(50),
        maintenance_rate=Decimal("0.01"),
        funding_hours=8,
        limit_open_time=None,
        off_time=None,
        status="normal",
    )


def decide(forecaster: Forecaster, candles: CandleRound, context: RiskContext, journal: Journal) -> int:
    """One candle: signals, decisions, the journal; how many sides fired.

    Parameters
    ----------
    forecaster : Forecaster
    candles : CandleRound
    context : RiskContext
    journal : Journal
    """
    limits = live_settings(14).risk
    signals, _ = forecaster.signals(candles)
    rows: dict[str, int] = {symbol: row for row, symbol in enumerate(candles.symbols)}
    fired = sorted(
        (signal for signal in signals if signal.fired != FLAT),
        key=lambda one: (-abs(one.probability - 0.5), one.symbol),
    )
    reasons: dict[str, tuple[tuple[str, str], ...]] = {}
    for signal in fired:
        o, h, l, c = (float(price) for price in candles.values[rows[signal.symbol], :4, -1])
        candle = Candle(signal.open_time, o, h, l, c)
        intent = OrderIntent(signal=signal, position=open_position(signal.fired, candle, signal.card.rules))
        decision = decide_risk(intent, context, limits)
        context = with_approved(context, decision)
        reasons[signal.symbol] = tuple((one.rule, one.text) for one in decision.reasons)
    journal.diary.record_decisions(
        Decision(signal, signal.action, reasons.get(signal.symbol, ())) for signal in signals
    )
    return len(fired)


def one_by_one(forecaster: dict[str, OpenModel], candles: CandleRound) -> list[Signal]:
    """What one would write first: every symbol by itself."""
    found = []
    for row, symbol in enumerate(candles.symbols):
        x = newest_rows(candles.values[row : row + 1], candles.times[row : row + 1])
        probability = float(forecaster[symbol].predictor.probabilities(x)[0])
        found.append(
            Signal(
                card=forecaster[symbol].card,
                open_time=candles.open_time,
                close=float(candles.values[row, 3, -1]),
                probability=probability,
                digest="",
            )
        )
    return found


def main() -> None:
    """Measure, and print median and worst."""
    first = market(0)
    grown = [model(10 * number) for number in range(10)]
    models = {
        symbol: OpenModel(card(symbol), grown[number % len(grown)])
        for number, symbol in enumerate(first.symbols)
    }
    window = FeatureWindow(memory=memory_of(), max_missing_share=0.02, rows=newest_rows)
    forecaster = Forecaster.of(models, window)
    context = RiskContext(
        now=NOON + 1_000,
        equity=Decimal(10_000),
        available=Decimal(10_000),
        day_equity=Decimal(10_000),
        peak_equity=Decimal(10_000),
        held=(),
        orders_last_minute=0,
        losses_in_a_row=0,
        last_loss_at=None,
        clock_drift_s=0.0,
        contracts={symbol: contract(symbol) for symbol in first.symbols},
    )
    seconds, fired = [], 0
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.sqlite") as journal:
        decide(forecaster, first, context, journal)
        for number in range(ROUNDS):
            candles = market(number + 1)
            began = time.perf_counter()
            fired += decide(forecaster, candles, context, journal)
            seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
    one_by_one(models, first)
    plain = time.perf_counter() - began
    median, worst = float(np.median(seconds)), max(seconds)
    print(f"{SYMBOLS} symbols, {fired / ROUNDS:.0f} of them fire: median {median:.3f} s, worst {worst:.3f} s")
    print(f"one symbol after the other, features and prediction alone: {plain:.3f} s, {plain / median:.0f} x")


if __name__ == "__main__":
    main()
