"""Why a session earned something else than the evaluation expected.

The trades that the policy makes on the same candles and probabilities, those that the session made, and what
risk refused come in; ``AttributionRow``s go out that add up exactly: what the policy earns, less what was
refused, rule by rule, less and plus what was then traded at other times, plus what rounding and prices did
to the trades that both made, is what the session earned.  In basis points of each trade's own notional,
summed over trades.

Funding belongs to no trade; it stands in the ``ProfitStatement``, in USDT.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import numpy as np

from desk.backtest import trades_of_sides
from desk.orders import Balance, ContractTerms, FundingPayment, Position
from desk.trade.forecasting import OpenModel
from desk.trade.journal import Journal
from desk.trade.records import ClosedTrade, OpenTrade, OrderRecord
from desk.trade.risk_rules import BY_NAME
from desk.values import Candles

BPS = 1e4
EXACT = Decimal("1e-9")
"""USDT: the residual is rounded to it, as averages of prices have 28 digits."""
Key = tuple[str, int]
"""Symbol and open time of the signal candle."""


@dataclass(frozen=True, slots=True)
class AttributionRow:
    """One step from the evaluation to the session."""

    what: str
    trades: int
    net_bps: float
    """Sum over trades."""


class SimulatedBooks(Protocol):
    """What the exchange's side of a replay knows."""

    async def balance(self) -> Balance:
        """The account now."""

    async def positions(self) -> Sequence[Position]:
        """That are open."""

    def funding_payments(self) -> Sequence[FundingPayment]:
        """Of all settlements since the deposit."""

    @property
    def insurance(self) -> Decimal:
        """What positions lost beyond their margin, USDT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitStatement:
    """What the session came to, in USDT."""

    deposit: Decimal
    profit: Decimal
    """Of closed trades, before fees."""
    fees: Decimal
    funding: Decimal
    """Paid, positive."""
    insurance: Decimal
    """What positions lost beyond their margin, and the exchange bore."""
    open_profit: Decimal
    """Of positions that are open at the end, less the fees that they have paid."""
    residual: Decimal
    """What of the equity none of the lines above explains; anything but 0 is a bookkeeping error."""
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
    return f"refused: {BY_NAME[rule].meaning if rule in BY_NAME else rule}"


def policy_trades(
    journal: Journal,
    models: Mapping[str, OpenModel],
    series: Sequence[Candles],
    contracts: Mapping[str, ContractTerms],
    *,
    first: Mapping[str, int],
) -> dict[Key, float]:
    """Net of what the policy trades on the session's own probabilities, as fractions.

    Sides fire by the thresholds of their block; trades pay what the evaluation charged.

    Parameters
    ----------
    journal : Journal
        Holds the probabilities.
    models, contracts, first : mapping
        By symbol: the model, the fee that trades pay, and the first open time (ms) that was traded.
    series : sequence of Candles
    """
    wanted: dict[Key, float] = {}
    for candles in series:
        symbol, model = candles.symbol, models[candles.symbol]
        block, probability = candles.since(first[symbol]), journal.diary.probabilities(symbol)
        terms, card = contracts[symbol], model.card
        known = np.array([probability.get(int(at), np.nan) for at in block.open_time])
        costs = card.costs.charged(fee=float(terms.taker_fee), tick=float(terms.tick))
        sides = model.sides(block.open_time, known)
        trades = trades_of_sides(block, sides, rules=card.rules, costs=costs)
        pairs = zip(trades.opened, trades.net, strict=True)
        wanted |= {(symbol, int(opened)): float(net) for opened, net in pairs}
    return wanted


async def profit_statement(journal: Journal, account: SimulatedBooks, *, deposit: Decimal) -> ProfitStatement:
    """The lines that lead from the deposit to the equity at the end.

    Trades and fees are the journal's; equity, positions, funding and insurance the account's.  Each line
    comes from its own books, so that an error in any of them is left over as the residual.

    Parameters
    ----------
    journal : Journal
    account : SimulatedBooks
    deposit : Decimal
        USDT at the start.
    """
    ledger, equity = journal.ledger, (await account.balance()).equity
    made = ledger.closed_trades()
    fees = sum((trade.fees for trade in made), Decimal(0))
    profit = sum((trade.profit for trade in made), Decimal(0)) + fees
    paid = sum((payment.amount for payment in account.funding_payments()), Decimal(0))
    open_profit = sum((one.unrealized for one in await account.positions()), Decimal(0))
    for trade in ledger.open_trades():
        open_profit += _realized(trade, ledger.orders_of(trade.trade))
    explained = deposit + profit - fees - paid + account.insurance + open_profit
    return ProfitStatement(
        deposit=deposit,
        profit=profit,
        fees=fees,
        funding=paid,
        insurance=account.insurance,
        open_profit=open_profit,
        residual=(equity - explained).quantize(EXACT),
        equity=equity,
    )


def _realized(trade: OpenTrade, orders: Sequence[OrderRecord]) -> Decimal:
    """What a trade that is still open has come to so far: parts that were closed, less all fees."""
    opened = sum((one.filled for one in orders if one.purpose == "open"), Decimal(0))
    cost = sum((one.filled * (one.average_price or 0) for one in orders if one.purpose == "open"), Decimal(0))
    realized = -sum((one.fee for one in orders), Decimal(0))
    for one in orders:
        if one.purpose == "close" and one.average_price is not None and opened:
            realized += trade.side * one.filled * (one.average_price - cost / opened)
    return realized
