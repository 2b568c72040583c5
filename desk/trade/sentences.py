"""What a session says to people, as sentences.  Pure.

Values of the room come in, text goes out, for the log, the journal's notes and notifications.  Times are UTC.

Not here: when a sentence is sent, and to whom (``desk.trade.event_log``).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from desk.orders import OrderState
from desk.trade.records import ClosedTrade, Outcome
from desk.trade.risk_values import RiskDecision
from desk.trade.signals import SIDES, ModelCard
from desk.values import CANDLE_MS

NAMED: Final = 5
"""Symbols that a sentence names at most."""
_ENDS: Final[Mapping[Outcome, str]] = {
    "horizon": "its time was over",
    "stop": "its stop was hit",
    "take_profit": "its take-profit was hit",
    "liquidation": "it was liquidated",
    "wind_up": "the exchange itself closed it, as it does with a contract that ends",
    "flatten": "everything was to be closed",
    "close": "it was closed by hand",
    "unknown": "the exchange did not report how; the stop's price is assumed",
}


def utc(ms: int) -> str:
    """A time, as people read it: ``15:25 UTC``."""
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%H:%M} UTC"


def names(symbols: Sequence[str]) -> str:
    """The first of them, and how many more."""
    more = len(symbols) - NAMED
    return ", ".join(symbols[:NAMED]) + (f" and {more} more" if more > 0 else "")


def entry(decision: RiskDecision, state: OrderState | None = None) -> str:
    """What was to be opened, or was, at the price that it was filled at."""
    intent, order = decision.intent, decision.order
    size = state.filled if state is not None else Decimal(0) if order is None else order.size
    price = state.average_price if state is not None else None
    mark = _mark(None if order is None else order.experiment)
    text = f"{intent.symbol}: {mark}{SIDES[intent.side]} {size:f} at {_brief(price or intent.price)}"
    if order is not None:
        text += "" if order.stop_loss is None else f", stop {order.stop_loss:f}"
        text += f", leverage {order.leverage}"
    return f"{text}, until {utc(intent.due)}"


def exited(trade: ClosedTrade) -> str:
    """What a trade came to."""
    prices = f"{_brief(trade.entry_price)} → {_brief(trade.exit_price)}"
    came_to = f"net {trade.net * 1e4:+.1f} bp, {trade.profit:+.2f} USDT"
    what = f"{trade.symbol}: {_mark(trade.experiment)}{SIDES[trade.side]} {trade.size:f} closed"
    return f"{what}: {prices}, {came_to}: {_ENDS[trade.ended]}"


def _mark(experiment: int | None) -> str:
    return "" if experiment is None else f"experiment {experiment}, "


def begun(
    cards: Iterable[ModelCard], equity: Decimal, held: Sequence[str], *, untested: bool, now: int
) -> str:
    """What a session starts with, and what can come of it.

    Parameters
    ----------
    cards : iterable of ModelCard
        Of the models in use.
    equity : Decimal
        USDT.
    held : sequence of str
        Symbols.
    untested : bool
        Whether models without a tradable verdict may open positions.
    now : int
        ms.
    """
    cards = list(cards)
    usable = [card for card in cards if card.tradable or untested]
    models = f"{len(cards)} model{'s' * (len(cards) != 1)}"
    text = f"equity {equity:.2f} USDT, holding {names(held) or 'nothing'}. {models}, "
    if usable:
        text += f"{len(usable)} may open positions"
    else:
        reasons = Counter(reason for card in cards for reason in card.reasons[:1])
        why = f" ({reasons.most_common(1)[0][0]})" if reasons else ""
        text += f"none tradable{why}: nothing will be opened. On paper, --trade-untested lifts that"
    return f"{text}. Next candle closes at {utc((now // CANDLE_MS + 1) * CANDLE_MS)}"


def decided(
    open_time: int, decisions: Mapping[str, RiskDecision], *, signals: int, equity: Decimal, held: int
) -> str:
    """One candle in one line.

    Parameters
    ----------
    open_time : int
        Of the candle, ms.
    decisions : mapping
        By symbol.
    signals : int
        How many models had a signal.
    equity : Decimal
        USDT.
    held : int
        How many positions are open.
    """
    entries = sum(decision.order is not None for decision in decisions.values())
    refused = Counter(decision.reasons[0].rule for decision in decisions.values() if decision.reasons)
    why = f" ({', '.join(f'{rule} {count}' for rule, count in refused.most_common())})" if refused else ""
    models = f"{signals} model{'s' * (signals != 1)}"
    asked = f"{models} asked, {entries} to enter, {refused.total()} refused{why}"
    account = f"equity {equity:.2f} USDT, {held} open"
    closed, coming = utc(open_time + CANDLE_MS), utc(open_time + 2 * CANDLE_MS)
    return f"candle that closed at {closed}: {asked}; {account}; next at {coming}"


def _brief(price: Decimal) -> str:
    return f"{price:.8g}"
