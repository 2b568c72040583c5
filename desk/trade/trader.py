"""What a session does when a candle closes.

Place in the house: the steps of a session.  ``CandleRound``s come in; orders go out through
``desk.trade.execution``, and everything that was seen, thought and done into the journal.

One candle, in order: newer models are taken up; journal and exchange are brought together; positions whose
time is over are closed; all models are asked together; every side that fired on a flat symbol goes through
risk, the strongest signal first, with bid and ask of that moment; the candles of what would be opened are
confirmed by the exchange's own records, since the last word of a candle may be lost without a trace; what was
decided is written down; approved orders are sent.

Not here: when these steps are taken, and how a session ends (``desk.trade.session``).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import replace
from decimal import Decimal

from desk.policy import FLAT, LONG, Candle, PlannedTrade, exit_of, open_position
from desk.ports import Exchange, SpreadSource
from desk.trade.event_log import EventLog
from desk.trade.exchange_clock import ExchangeClock
from desk.trade.execution import Execution
from desk.trade.exits import together
from desk.trade.experiment import Experiment
from desk.trade.exposure import exposures
from desk.trade.forecasting import Forecaster
from desk.trade.journal import Journal
from desk.trade.levels import leverage_for
from desk.trade.records import OpenTrade
from desk.trade.risk import decide, decision_rows, with_approved
from desk.trade.risk_values import (
    MINUTE_MS,
    OrderIntent,
    RiskContext,
    RiskDecision,
    money,
)
from desk.trade.score_keeper import ScoreKeeper
from desk.trade.scoreboard import Score
from desk.trade.sentences import begun, decided, entry, names, utc
from desk.trade.settings import LiveSettings
from desk.trade.signals import ModelCard, Signal
from desk.trade.upkeep import Upkeep
from desk.values import CANDLE_MS, CandleRound

Confirm = Callable[[Sequence[str], int], Awaitable[CandleRound]]
"""Given symbols and an open time (ms): those candles as the exchange's own records have them."""
CONFIRMATIONS = 2
"""Turns of one candle; each takes a tenth of a second, and five where REST does not answer."""


class Trader:
    """One account, its models and its journal.

    Parameters
    ----------
    exchange, journal, forecaster, clock, event_log, execution, upkeep
        What it acts through.
    settings : LiveSettings
    trade_untested : bool
        Whether models without a tradable verdict may open positions.
    confirm : callable or None
        Asked before anything is opened; None: the rounds are the exchange's own records.
    spreads : SpreadSource or None
        Asked for bid and ask of what fired; None: there is no book, and risk is not asked about it.
    experiment : Experiment or None
        Within which untested models may open positions; None: there is none.
    """

    def __init__(
        self,
        exchange: Exchange,
        journal: Journal,
        forecaster: Forecaster,
        clock: ExchangeClock,
        event_log: EventLog,
        execution: Execution,
        upkeep: Upkeep,
        *,
        settings: LiveSettings,
        trade_untested: bool,
        confirm: Confirm | None,
        spreads: SpreadSource | None,
        experiment: Experiment | None,
    ) -> None:
        self._exchange = exchange
        self._journal, self._ledger, self._diary = journal, journal.ledger, journal.diary
        self._forecaster = forecaster
        self._clock = clock
        self._events = event_log
        self._settings = settings
        self._trade_untested = trade_untested
        self._confirm = confirm
        self._spreads = spreads
        self._execution = execution
        self._upkeep = upkeep
        self._scores = ScoreKeeper(journal, forecaster, clock, event_log, settings.score)
        self._experiment = experiment
        self._unprepared: list[str] = []
        self._newest = 0
        self._stopping = ""

    @property
    def upkeep(self) -> Upkeep:
        """What keeps journal and exchange together."""
        return self._upkeep

    @property
    def stopping(self) -> str:
        """Why nothing is opened any more; empty while all is well."""
        return self._stopping

    def stop_opening(self, why: str) -> None:
        """Open nothing from now on, for a reason that every refusal states."""
        self._stopping = why

    async def start(self) -> None:
        """Open the models and agree with the exchange."""
        self._take_up()
        self._scores.start()
        await self._exchange.set_position_mode(self._settings.session.position_mode)
        await self.upkeep.learn_contracts()
        await self.upkeep.reconcile()
        cards = self._forecaster.cards
        self._unprepared = [symbol for symbol, card in cards.items() if self._may_open(card)]
        seen = self.upkeep.seen
        held = [position.symbol for position in seen.positions]
        untested, now = self._trade_untested or self._experiment is not None, self._clock.now_ms()
        text = begun(cards.values(), seen.balance.equity, held, untested=untested, now=now)
        self._events.record("session", text)
        if self._experiment is not None:
            self._events.record(
                "experiment", self._experiment.price(cards.values()), urgent=True, logged=False
            )

    async def prepare_next(self) -> bool:
        """Set leverage and margin mode of one more symbol that may be traded; whether there was one.

        One at a time, between candles: for hundreds of symbols it takes minutes at the exchange's pace.
        """
        held = {trade.symbol for trade in self._ledger.open_trades()} if self._unprepared else set()
        while self._unprepared:
            symbol = self._unprepared.pop(0)
            card = self._forecaster.cards.get(symbol)
            if card is not None and symbol not in held:
                await self._prepare(symbol, card)
                return True
        return False

    async def on_round(self, candles: CandleRound) -> None:
        """A candle has closed: leave, decide, enter."""
        self._take_up()
        for line in candles.news:
            self._events.record("feed", line)
        for line in candles.alarms:
            self._events.record_on_change("feed", line, about="alarm", urgent=True)
        if not candles.alarms:
            self._events.clear("feed", "alarm")
        before = self._newest
        if before and (missed := (candles.open_time - before) // CANDLE_MS - 1) > 0:
            text = f"{missed} candles after that of {utc(before)} have passed without a decision"
            self._events.record("feed", text, urgent=True)
        self._newest = candles.open_time
        trouble, left = await self.upkeep.reconcile_and_leave(
            lambda: self._due(candles.open_time, candles.holes)
        )
        if trouble is not None:
            raise trouble
        if self._is_future(candles.open_time):
            self._newest = before
            return
        await self.upkeep.learn_contracts()
        if left:
            await self.upkeep.look()
        signals, decisions = await self._decide(candles)
        self._diary.record_decisions(decision_rows(signals, decisions))
        await self._journal.stored()
        await self._enter([decision for decision in decisions.values() if decision.order is not None])
        seen = self.upkeep.seen
        self._diary.record_equity(self._clock.now_ms(), seen.balance)
        held = len(self._ledger.open_trades())
        self._events.log(
            decided(
                candles.open_time,
                decisions,
                signals=len(signals),
                equity=seen.balance.equity,
                held=held,
            )
        )
        self._scores.keep_hourly()
        if self._experiment is not None:
            await self._experiment.take_in(candles, signals, self.upkeep.contracts)

    def keep_scores(self, *, every: bool = False) -> list[Score]:
        """Score the models, see ``ScoreKeeper.keep``."""
        return self._scores.keep(every=every)

    def loss_that_ends(self) -> str | None:
        """Why a loss, of the account or of the experiment, ends the session; None while none does."""
        if (lost := self.upkeep.lost_too_much()) or self._experiment is None or not self.upkeep.has_seen:
            return lost
        return self._experiment.over(self.upkeep.seen.positions, self.upkeep.contracts, self._clock.now_ms())

    def experiment_lost(self) -> Decimal | None:
        """USDT that the experiment has lost so far; None where there is none."""
        if self._experiment is None or not self.upkeep.has_seen:
            return None
        return self._experiment.lost(self.upkeep.seen.positions, self.upkeep.contracts, self._clock.now_ms())

    def _is_trial(self, card: ModelCard) -> bool:
        """Whether what the model opens is an experiment's."""
        return self._experiment is not None and not card.tradable

    def _may_open(self, card: ModelCard) -> bool:
        return card.tradable or self._trade_untested or self._is_trial(card)

    def _take_up(self) -> None:
        """Use newer models from this candle on."""
        for line in self._forecaster.refresh():
            self._events.record("model", line, urgent=True)
        if taken_up := self._forecaster.taken_up:
            self._events.record("model", f"in use from now on: {names(taken_up)}")

    async def _prepare(self, symbol: str, card: ModelCard) -> None:
        """Set leverage and margin mode before they are needed."""
        contract = self.upkeep.contracts.get(symbol)
        if contract is None:
            return
        signal = Signal(card=card, open_time=0, close=1.0, probability=0.5, digest="")
        sample = open_position(LONG, Candle(0, 1.0, 1.0, 1.0, 1.0), card.rules)
        stop = None if sample.stop is None else money(sample.stop)
        intent = OrderIntent(signal=signal, position=sample)
        leverage = leverage_for(intent, stop, contract, self._settings.risk)
        if leverage is not None and (failure := await self._execution.prepare(symbol, leverage)):
            self._events.record("trouble", f"{symbol}: {failure}; tried again at its first entry", symbol)

    def _due(self, open_time: int, holes: Set[str]) -> list[OpenTrade]:
        """Every position whose time is over with a candle, arrived or not.

        Where it is known that there is no such candle nobody traded then: the position waits for the first
        one that is there, as in ``desk.policy``.
        """
        due: list[OpenTrade] = []
        if self._is_future(open_time):
            return due
        for trade in self._ledger.open_trades():
            price = float(trade.price)
            held = PlannedTrade(
                side=trade.side,
                opened=trade.opened,
                due=trade.due,
                close=price,
                stop=None,  # the exchange's business
                take_profit=None,
            )
            over = exit_of(held, Candle(open_time, price, price, price, price)) is not None
            if over and trade.status == "open" and trade.symbol not in holes:
                due.append(trade)
        return due

    def _is_future(self, open_time: int) -> bool:
        """Whether a candle ends only in the exchange's future: nothing is done on it."""
        ahead_s = (open_time + CANDLE_MS - self._clock.now_ms()) / 1_000
        if ahead_s <= self._settings.risk.max_clock_drift_s:
            self._events.clear("feed", "future")
            return False
        text = f"the candle of {utc(open_time)} was handed out before its end: nothing is done on it"
        self._events.record_on_change("feed", text, about="future", urgent=True)
        return True

    async def _decide(self, candles: CandleRound) -> tuple[list[Signal], dict[str, RiskDecision]]:
        """All signals, and a decision for every side that fired on a flat symbol.

        Where something would be opened its candle is confirmed first; one that the exchange has otherwise is
        decided on again.  There is time for that once, and once more for those that then come next.
        """
        signals, silent = self._forecaster.signals(candles)
        self._events.record_each_on_change("no decision", silent)
        for signal in signals:
            self._events.clear("no decision", signal.symbol)
        spreads = await self._present_spreads(signals)
        decisions = self._decide_each(signals, {}, spreads)
        if self._confirm is None:
            return signals, decisions
        confirmed: set[str] = set()
        unconfirmed: dict[str, str] = {}
        for _ in range(CONFIRMATIONS):
            if not (asked := sorted(_approved(decisions) - confirmed)):
                return signals, decisions
            confirming, missing = self._forecaster.signals(await self._confirm(asked, candles.open_time))
            again = {signal.symbol: signal for signal in confirming}
            signals = [again.get(signal.symbol, signal) for signal in signals]
            confirmed |= set(again)
            unconfirmed |= missing
            decisions = self._decide_each(signals, unconfirmed, spreads)
        if _approved(decisions) - confirmed:
            late = {signal.symbol for signal in signals} - confirmed - set(unconfirmed)
            unconfirmed |= dict.fromkeys(late, "there was no time to ask")
            decisions = self._decide_each(signals, unconfirmed, spreads)
        return signals, decisions

    async def _present_spreads(self, signals: list[Signal]) -> Mapping[str, float] | None:
        """Bid and ask of the symbols in which something might be opened, in one request; None: no book."""
        if self._spreads is None:
            return None
        tradable = [one for one in self._fired(signals) if self._may_open(one.card)]
        asked = [one.symbol for one in tradable if one.card.costs.spread_bps is not None]
        return await self._spreads.spreads_bps(asked) if asked else {}

    def _fired(self, signals: list[Signal]) -> list[Signal]:
        """Signals of a side on a symbol that is flat."""
        held = {trade.symbol for trade in self._ledger.open_trades()}
        return [one for one in signals if one.fired != FLAT and one.symbol not in held]

    def _decide_each(
        self, signals: list[Signal], unconfirmed: dict[str, str], spreads: Mapping[str, float] | None
    ) -> dict[str, RiskDecision]:
        """A decision for every side that fired on a flat symbol, the strongest signal first."""
        intents = []
        for signal in self._fired(signals):
            close = signal.close
            candle = Candle(signal.open_time, close, close, close, close)
            position = open_position(signal.fired, candle, signal.card.rules)
            intents.append(OrderIntent(signal=signal, position=position))
        if not intents:
            return {}
        intents.sort(
            key=lambda one: (self._is_trial(one.signal.card), -abs(one.signal.probability - 0.5), one.symbol)
        )
        context = replace(self._risk_context(), unconfirmed=unconfirmed, spreads_bps=spreads)
        decisions = {}
        for intent in intents:
            decision = decide(intent, context, self._settings.risk)
            context = with_approved(context, decision)
            decisions[intent.symbol] = decision
        return decisions

    def _risk_context(self) -> RiskContext:
        """All that decisions depend on, now."""
        seen, watch_only = self.upkeep.seen, dict(self._execution.barred)
        for symbol, card in self._forecaster.cards.items():
            if why := self._scores.demoted.get(card.model_file):
                watch_only[symbol] = f"demoted: {why}"
        now, unresolved = self._clock.now_ms(), self._ledger.unresolved()
        for order in unresolved:
            watch_only[order.symbol] = f"it is not known what became of order {order.client_id}"
        streak, last_loss = self._ledger.losing_streak()
        contracts, experiment = self.upkeep.contracts, self._experiment
        return RiskContext(
            now=now,
            equity=seen.balance.equity,
            available=seen.balance.available,
            day_equity=seen.day_equity,
            peak_equity=seen.peak_equity,
            held=exposures(seen.positions, self._ledger.open_trades(), unresolved),
            orders_last_minute=self._ledger.orders_since(now - MINUTE_MS),
            losses_in_a_row=streak,
            last_loss_at=last_loss,
            clock_drift_s=self._clock.drift_s,
            contracts=contracts,
            watch_only=watch_only,
            stopping=self._stopping,
            trade_untested=self._trade_untested,
            experiment=None if experiment is None else experiment.room(seen.positions, contracts, now),
        )

    async def _enter(self, decisions: list[RiskDecision]) -> None:
        """Send what was approved."""

        async def one(decision: RiskDecision) -> None:
            sent = await self._execution.enter(decision)
            if sent.state is not None and sent.outcome == "done":
                self._events.record("entry", entry(decision, sent.state), decision.intent.symbol)
            else:
                text = f"{entry(decision)}: {sent.outcome}: {sent.reason}"
                self._events.record("trouble", text, decision.intent.symbol, urgent=True)

        await together(one(decision) for decision in decisions)


def _approved(decisions: dict[str, RiskDecision]) -> set[str]:
    """Symbols in which something would be opened."""
    return {symbol for symbol, decision in decisions.items() if decision.order is not None}
