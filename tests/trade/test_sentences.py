"""What a session says is what a person wants to know: what was opened, what it came to, why nothing is."""

from dataclasses import replace
from decimal import Decimal

from desk.orders import OrderState
from desk.policy import LONG
from desk.trade.records import ClosedTrade
from desk.trade.risk import decide
from desk.trade.sentences import begun, decided, entry, exited, names
from tests.trade.samples import LIMITS, NOON, card, context, intent

FILLED = OrderState(
    client_id="lgb-o-1",
    order_id="1",
    symbol="BTCUSDT",
    side=LONG,
    purpose="open",
    status="filled",
    size=Decimal("7.18"),
    filled=Decimal("7.18"),
    average_price=Decimal("100.0215"),
    fee=Decimal("0.43"),
    created=NOON,
    updated=NOON,
)
CLOSED = ClosedTrade(
    trade="lgb-o-1",
    symbol="BTCUSDT",
    side=LONG,
    model_file="m.txt",
    opened=NOON,
    closed=NOON,
    price=Decimal(100),
    ended="horizon",
    size=Decimal("7.18"),
    entry_price=Decimal("100.0215"),
    exit_price=Decimal("100.3"),
    fees=Decimal("0.86"),
    profit=Decimal("1.1397"),
    gross=0.0028,
    net=0.00159,
)


def test_an_entry_is_told_with_the_price_that_was_paid() -> None:
    """Not with the one that was hoped for."""
    told = entry(decide(intent(), context(), LIMITS), FILLED)

    assert told.startswith("BTCUSDT: long 7.18 at 100.0215, stop 98.0, leverage 3, until ")


def test_an_exit_is_told_with_what_it_came_to() -> None:
    """Money that goes in must be seen to come out."""
    assert exited(CLOSED) == (
        "BTCUSDT: long 7.18 closed: 100.0215 → 100.3, net +15.9 bp, +1.14 USDT: its time was over"
    )


def test_a_session_that_cannot_trade_says_so_at_once() -> None:
    """And why: the verdict is not visible from outside."""
    watched = card(tradable=False, reasons=("no edge after costs in development",))
    told = begun([watched], Decimal(10_000), [], untested=False, now=NOON)

    assert "holding nothing" in told
    assert "1 model, none tradable (no edge after costs in development): nothing will be opened" in told
    assert "1 may open positions" in begun([watched], Decimal(10_000), ["A"], untested=True, now=NOON)


def test_a_candle_is_told_with_its_refusals() -> None:
    """A clock that is off, or a losing streak, would otherwise look like a calm day."""
    refused = decide(intent(), replace(context(), clock_drift_s=9.0), LIMITS)
    told = decided(NOON, {"BTCUSDT": refused}, signals=3, equity=Decimal(10_000), held=1)

    assert "3 models asked, 0 to enter, 1 refused (clock 1)" in told
    assert "equity 10000.00 USDT, 1 open" in told


def test_many_symbols_are_named_in_part() -> None:
    """Three hundred lines in an outage help nobody."""
    assert names([f"S{at}" for at in range(8)]) == "S0, S1, S2, S3, S4 and 3 more"
