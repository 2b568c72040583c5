"""An experiment with a price: untested models trade at the smallest sizes until a stated amount is lost.

Place in the house: beside the trader, which asks it for the room that is left, whether it is over, and hands
it the candles.  The journal keeps it, so that a restart goes on where the last session was.

What is lost is what its trades came to that are over, after fees and funding, together with what the open
ones have lost; an open gain counts nothing.  An order is approved only if everything open at its stop and
this order at its own lose no more than is left; nothing is held across a settlement of funding on purpose.
Once the amount is lost, or the smallest trade might lose more than is left, the experiment is over for good:
the session closes everything and ends with status 3, and so does every later one, whatever its amount, before
a new experiment is begun by ``experiment_since`` in the settings.

Not here: the arithmetic (``desk.trade.experiment_figures``), the tables
(``desk.trade.journal.experiments``).
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from desk.errors import AccountError, DeskError, SettingsError
from desk.orders import ContractTerms, Position
from desk.policy import LONG, Candle, open_position
from desk.ports import Clock, Exchange
from desk.trade.experiment_figures import (
    ASSUMED_FUNDING,
    OpenResult,
    evaluated_prices,
    loss_per_coin,
    open_result,
    settlements,
    smallest_size,
)
from desk.trade.experiment_values import ExperimentRecord, ExperimentRoom
from desk.trade.journal import Journal
from desk.trade.records import ClosedTrade
from desk.trade.risk_values import HOUR_MS, MINUTE_MS, money
from desk.trade.settings import since_ms
from desk.trade.signals import ModelCard, Signal
from desk.values import CANDLE_MS, CandleRound

log = logging.getLogger("desk.trade")
Rates = Callable[[str], Awaitable[Mapping[int, float]]]
"""Given a symbol: the newest settled funding rates by time (ms)."""
SETTLED_IN = 3
"""Candles after which a symbol without a signal no longer keeps an experiment alive that is all but lost."""


async def open_experiment(
    exchange: Exchange,
    journal: Journal,
    amount: Decimal,
    *,
    since: str,
    is_real: bool,
    clock: Clock,
    rates: Rates,
) -> "Experiment":
    """Go on with the journal's experiment, or begin one.

    Parameters
    ----------
    exchange : Exchange
        The account: a new experiment may not cost more than is there.
    journal : Journal
        Open, of this account.
    amount : Decimal
        USDT that may be lost in all.
    since : str
        ``RiskLimits.experiment_since``: an experiment that began before is left alone for good.
    is_real : bool
        Whether it is real money.
    clock : Clock
        This machine's time.
    rates : callable
        Asked for funding rates where a trade met a settlement.

    Raises
    ------
    SettingsError
        If the amount is more than the account has, or ``since`` lies in the future.
    ExchangeError
        If the account cannot be asked.
    """
    book, from_when, now = journal.experiments, since_ms(since), await exchange.server_time()
    if from_when > max(now, clock.now_ms()) + MINUTE_MS:
        raise SettingsError(
            f"experiment_since is {since!r}, which lies in the future: every start until then would begin a "
            "new experiment; name a time that has passed"
        )
    known = book.newest()
    if known is not None and known.began >= from_when:
        if known.ended is None and known.amount != amount:
            book.change_amount(known.number, amount)
            known = ExperimentRecord(known.number, known.began, amount, None, None)
        return Experiment(known, journal, rates, is_real=is_real)
    equity = (await exchange.balance()).equity
    if amount > equity:
        raise SettingsError(
            f"--experiment {amount:f} is more than the account has, {equity:.2f} USDT: name less"
        )
    return Experiment(book.begin(max(now, from_when), amount), journal, rates, is_real=is_real)


class Experiment:
    """An experiment that goes on, or is over.

    Parameters
    ----------
    record : ExperimentRecord
    journal : Journal
    rates, is_real
        As of ``open_experiment``.
    """

    def __init__(self, record: ExperimentRecord, journal: Journal, rates: Rates, *, is_real: bool) -> None:
        self._record = record
        self._ledger, self._book = journal.ledger, journal.experiments
        self._rates, self._is_real = rates, is_real
        self._results: dict[str, Decimal] = {}
        self._owing: dict[str, ClosedTrade] = {}
        self._needs: dict[str, Decimal] = {}
        self._candles = 0
        for trade in self._ledger.closed_trades():
            self.closed(trade)

    @property
    def number(self) -> int:
        """By which its trades are marked."""
        return self._record.number

    @property
    def amount(self) -> Decimal:
        """USDT that may be lost in all."""
        return self._record.amount

    def price(self, cards: Iterable[ModelCard]) -> str:
        """What may be lost, on which symbols of the models in use, and that nothing says it will not be."""
        untested = sorted(card.symbol for card in cards if not card.tradable)
        money_of = "real money" if self._is_real else "the demo account's money"
        lost = -sum(self._results.values(), Decimal(0))
        so_far = f" (this one goes on: {lost:.2f} are lost by trades that are over)" if self._results else ""
        return (
            f"experiment {self.number}: up to {self.amount:f} USDT of {money_of} may be lost{so_far} by "
            f"models that have no proven edge ({len(untested)}), at the smallest sizes; then everything is "
            "closed and the session ends with status 3. A gap beyond a stop may cost more. Its symbols: "
            f"{', '.join(untested) or 'none, every model is tradable'}"
        )

    @property
    def is_over(self) -> bool:
        """Whether it has ended for good."""
        return self._record.ended is not None

    def closed(self, trade: ClosedTrade) -> None:
        """Count a trade that is over; those of others are left out."""
        if trade.experiment != self.number:
            return
        funding = self._book.funding_of(trade.trade)
        self._results[trade.trade] = trade.profit - (funding or Decimal(0))
        if funding is None:
            self._owing[trade.trade] = trade

    # What is lost ---------------------------------------------------------------------------------

    def lost(
        self, positions: Iterable[Position], contracts: Mapping[str, ContractTerms], now: int
    ) -> Decimal:
        """USDT lost so far, with what open trades have lost; below 0 after gains.

        Parameters
        ----------
        positions : iterable of Position
            As the account was last seen.
        contracts : mapping
            By symbol.
        now : int
            ms.
        """
        opened = self._open_results(positions, contracts, now)
        return self._lost_by_closed(contracts) - sum((min(one.now, Decimal(0)) for one in opened), Decimal(0))

    def room(
        self, positions: Iterable[Position], contracts: Mapping[str, ContractTerms], now: int
    ) -> ExperimentRoom:
        """What risk must know of it; the parameters are those of ``lost``."""
        opened = self._open_results(positions, contracts, now)
        at_stops = sum((min(one.at_stop, Decimal(0)) for one in opened), Decimal(0))
        left = self.amount - self._lost_by_closed(contracts) + at_stops
        streak, last_loss = self._ledger.losing_streak(self.number)
        return ExperimentRoom(
            number=self.number,
            left=Decimal(0) if self.is_over else left,
            orders_last_minute=self._ledger.orders_since(now - MINUTE_MS, of_experiments=True),
            losses_in_a_row=streak,
            last_loss_at=last_loss,
        )

    def over(
        self, positions: Sequence[Position], contracts: Mapping[str, ContractTerms], now: int
    ) -> str | None:
        """Why it ends the session; None while it goes on.  The parameters are those of ``lost``.

        The end is written down before anything is closed, so that a session that is killed meanwhile is
        followed by one that closes the rest.
        """
        if not self.is_over:
            lost = self.lost(positions, contracts, now)
            why = self._why_over(lost)
            if why is None:
                return None
            self._book.end(self.number, now, why)
            self._record = ExperimentRecord(self.number, self._record.began, self.amount, now, why)
        ended = self._record.ended or now
        next_minute = datetime.fromtimestamp((ended // MINUTE_MS + 1) * MINUTE_MS / 1_000, tz=UTC)
        return (
            f"experiment {self.number} is over: {self._record.why}; every session with --experiment ends so "
            f'until a new one is begun, by experiment_since = "{next_minute:%Y-%m-%dT%H:%M}" in the section '
            "risk of the settings"
        )

    def _why_over(self, lost: Decimal) -> str | None:
        if lost >= self.amount:
            return f"{lost:.2f} USDT are lost, {self.amount:f} was its price"
        idle = all(one.experiment != self.number for one in self._ledger.open_trades())
        if not (idle and self._needs and self._candles >= SETTLED_IN):
            return None
        least, left = min(self._needs.values()), self.amount - lost
        if least <= left:
            return None
        return (
            f"{lost:.2f} of {self.amount:f} USDT are lost, and the smallest trade of any of its models may "
            f"lose {least:.2f}, more than is left"
        )

    def _lost_by_closed(self, contracts: Mapping[str, ContractTerms]) -> Decimal:
        owed = sum((self._assumed(one, contracts) for one in self._owing.values()), Decimal(0))
        return owed - sum(self._results.values(), Decimal(0))

    def _open_results(
        self, positions: Iterable[Position], contracts: Mapping[str, ContractTerms], now: int
    ) -> list[OpenResult]:
        held, found = {(one.symbol, one.side): one for one in positions if one.size > 0}, []
        for trade in self._ledger.open_trades():
            if trade.experiment != self.number:
                continue
            contract = contracts.get(trade.symbol)
            orders, fills = self._ledger.orders_of(trade.trade), self._ledger.fills_of(trade.trade)
            result = open_result(trade, orders, fills, held.get((trade.symbol, trade.side)), contract)
            met = settlements(trade.opened, now, _hours(contract))
            owed = met * ASSUMED_FUNDING * trade.size * trade.price
            found.append(OpenResult(result.now - owed, result.at_stop - owed))
        return found

    def _assumed(self, trade: ClosedTrade, contracts: Mapping[str, ContractTerms]) -> Decimal:
        """Funding that a trade that is over may have paid at most, while the rate is not known."""
        met = settlements(trade.opened, trade.closed, _hours(contracts.get(trade.symbol)))
        return met * ASSUMED_FUNDING * trade.size * trade.entry_price

    # What candles tell ------------------------------------------------------------------------------

    async def take_in(
        self, candles: CandleRound, signals: Sequence[Signal], contracts: Mapping[str, ContractTerms]
    ) -> None:
        """Learn what the smallest trades may lose now, and of trades that are over what they met; per candle.

        Parameters
        ----------
        candles : CandleRound
        signals : sequence of Signal
            Of that candle, whether or not a side fired.
        contracts : mapping
            By symbol.
        """
        self._note_needs(signals, contracts)
        cards = {one.symbol: one.card for one in signals}
        rows = {symbol: row for row, symbol in enumerate(candles.symbols)}
        for trade in self._book.unpriced(self.number):
            row, contract = rows.get(trade.symbol), contracts.get(trade.symbol)
            if row is None:
                continue
            tick = 0.0 if contract is None else float(contract.tick)
            times, values = candles.times[row], candles.values[row]
            found = evaluated_prices(trade, times, values, cards.get(trade.symbol), tick)
            if found is not None:
                self._book.record_prices(trade.trade, found)
        for closed in list(self._owing.values()):
            await self._learn_funding(closed, _hours(contracts.get(closed.symbol)))

    def _note_needs(self, signals: Iterable[Signal], contracts: Mapping[str, ContractTerms]) -> None:
        """Note what the smallest trade of every untested model may lose."""
        self._candles += 1
        for signal in signals:
            contract, close = contracts.get(signal.symbol), signal.close
            stop = open_position(LONG, Candle(0, close, close, close, close), signal.card.rules).stop
            if signal.card.tradable or contract is None or stop is None:
                self._needs.pop(signal.symbol, None)
                continue
            price = money(close)
            loss = loss_per_coin(price, money(stop), contract.tick, contract.taker_fee)
            self._needs[signal.symbol] = loss * smallest_size(price, contract)

    async def _learn_funding(self, trade: ClosedTrade, hours: int) -> None:
        """Charge what a trade paid at the settlements that it met, at the rates that were settled."""
        paid = Decimal(0)
        if settlements(trade.opened, trade.closed, hours):
            try:
                rates = await self._rates(trade.symbol)
            except AccountError:
                raise
            except DeskError as exc:
                log.warning("%s: funding of an experiment's trade is not known yet: %s", trade.symbol, exc)
                return
            every = hours * HOUR_MS
            if max(rates, default=0) < trade.closed // every * every:
                return
            met = [rate for at, rate in rates.items() if trade.opened + CANDLE_MS < at <= trade.closed]
            value = trade.side * trade.size * trade.entry_price
            paid = sum((money(rate) * value for rate in met if rate == rate), Decimal(0))  # noqa: PLR0124 - not NaN
        self._book.record_funding(trade.trade, paid)
        self._results[trade.trade] = trade.profit - paid
        del self._owing[trade.trade]


def _hours(contract: ContractTerms | None) -> int:
    return 8 if contract is None else max(contract.funding_hours, 1)
