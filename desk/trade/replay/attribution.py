"""Why a session earned something else than the evaluation said.

The trades that the policy makes on the same candles and probabilities, those that the session made, and what
risk refused come in; ``AttributionRow``s go out that add up exactly: what the policy earns, less what was
refused, rule by rule, less and plus what was then traded at other times, plus what rounding and prices did
to the trades that both made, is what the session earned.  In basis points of each trade's own notional,
summed over trades.

Not here: funding, which is told in USDT (``ProfitStatement``).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from desk.costs import Costs
from desk.orders import ContractTerms, Position
from desk.policy import trades_of
from desk.trade.journal import Journal
from desk.trade.records import ClosedTrade
from desk.trade.signals import ModelCard
from desk.values import Candles

BPS = 1e4
RULES = {
    "verdict": "its model is not tradable",
    "watching": "its model only watched: demoted, or the symbol was barred",
    "model age": "its model was too old",
    "stop": "there was no stop that could be placed",
    "stopping": "the session was about to end",
    "candle": "the candle was too old or not confirmed",
    "clock": "the clock had drifted",
    "held": "the symbol was held already",
    "positions": "as many positions were open as may be",
    "order rate": "too many orders in a minute",
    "daily loss": "the day's loss was too large",
    "losing streak": "paused after losses in a row",
    "contract": "the contract was not open for trading",
    "leaving": "the contract was about to be closed",
    "funding": "a funding settlement was ahead",
    "liquidation": "liquidation would have come too near",
}
"""What a refusal by a rule of ``desk.trade.risk`` means; the other rules are limits of the size."""
Key = tuple[str, int]
"""Symbol and open time of the signal candle."""


@dataclass(frozen=True, slots=True)
class AttributionRow:
    """One step from the evaluation to the session."""

    what: str
    trades: int
    net_bps: float
    """Sum over trades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitStatement:
    """What the session came to, in USDT."""

    deposit: Decimal
    profit: Decimal
    """Of closed trades, before fees."""
    fees: Decimal
    funding: Decimal
    """Paid, positive."""
    open_profit: Decimal
    """Of positions that are open at the end, less the fees that they have paid."""
    equity: Decimal


def explain(
    wanted: Mapping[Key, float], made: Sequence[ClosedTrade], refused: Iterable[tuple[str, int, str]]
) -> list[AttributionRow]:
    """The way from what the policy earns to what the session earned.

    Parameters
    ----------
    wanted : mapping
        As ``policy_trades`` gives it.
    made : sequence of ClosedTrade
    refused : iterable
        Symbol, open time and rule of every side that fired and was refused.
    """
    rules = {(symbol, at): rule for symbol, at, rule in refused}
    nets = {(trade.symbol, trade.opened): trade.net for trade in made}
    missing: dict[str, list[float]] = defaultdict(list)
    for key, net in wanted.items():
        if key not in nets:
            missing[_why_missing(rules.get(key))].append(net)
    instead = [net for key, net in nets.items() if key not in wanted]
    both = [(nets[key], net) for key, net in wanted.items() if key in nets]
    lines = [
        AttributionRow("trades of the evaluation on these candles", len(wanted), sum(wanted.values()) * BPS)
    ]
    lines += [AttributionRow(what, -len(lost), -sum(lost) * BPS) for what, lost in sorted(missing.items())]
    lines += [
        AttributionRow("traded because an earlier trade was not made", len(instead), sum(instead) * BPS),
        AttributionRow(
            "the same trades at rounded prices and stops",
            0,
            sum(ours - theirs for ours, theirs in both) * BPS,
        ),
        AttributionRow("trades of the session", len(nets), sum(nets.values()) * BPS),
    ]
    return lines


def _why_missing(rule: str | None) -> str:
    """Why the session did not make a trade of the evaluation."""
    if rule is None:
        return "not made: another trade of the symbol was still open"
    return f"refused: {RULES.get(rule, f'too small an order under the limit of {rule}')}"


def policy_trades(
    journal: Journal,
    cards: Mapping[str, ModelCard],
    series: Sequence[Candles],
    contracts: Mapping[str, ContractTerms],
    *,
    first: Mapping[str, int],
    slippage: float,
) -> dict[Key, float]:
    """Net of what the policy trades on the session's own probabilities, as fractions.

    Parameters
    ----------
    journal : Journal
        Holds the probabilities.
    cards, contracts, first : mapping
        By symbol: the model, what trades pay, and the first open time (ms) that was traded.
    series : sequence of Candles
    slippage : float
        As the evaluation has it, a fraction of the price.
    """
    wanted: dict[Key, float] = {}
    for candles in series:
        symbol, card = candles.symbol, cards[candles.symbol]
        block, said = candles.since(first[symbol]), journal.diary.probabilities(symbol)
        fee = float(contracts[symbol].taker_fee)
        trades = trades_of(
            block,
            np.array([said.get(int(at), np.nan) for at in block.open_time]),
            thresholds=card.thresholds,
            rules=card.rules,
            costs=Costs(tick=float(contracts[symbol].tick), slippage=slippage, fee_entry=fee, fee_exit=fee),
        )
        pairs = zip(trades.opened, trades.net, strict=True)
        wanted |= {(symbol, int(opened)): float(net) for opened, net in pairs}
    return wanted


def bill(
    journal: Journal, *, deposit: Decimal, equity: Decimal, holdings: Iterable[Position]
) -> ProfitStatement:
    """Profit, fees and funding that lead from the deposit to the equity at the end."""
    made = journal.ledger.closed_trades()
    fees = sum((trade.fees for trade in made), Decimal(0))
    profit = sum((trade.profit for trade in made), Decimal(0)) + fees
    entries = (
        order for trade in journal.ledger.open_trades() for order in journal.ledger.orders_of(trade.trade)
    )
    paid = sum((order.fee for order in entries), Decimal(0))
    open_profit = sum((one.unrealized for one in holdings), Decimal(0)) - paid
    funding = deposit + profit - fees + open_profit - equity
    return ProfitStatement(
        deposit=deposit, profit=profit, fees=fees, funding=funding, open_profit=open_profit, equity=equity
    )
