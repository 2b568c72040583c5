"""Scores of the models that trade, and who only looks on for it.

Place in the house: beside the trader.  Trades that are over come from the journal; demotions and scores go
out.  An experiment's trades are scored apart, and demote nobody.

Not here: how a score is made (``desk.trade.scoreboard``).
"""

from collections.abc import Mapping
from dataclasses import replace

from desk.ports import Clock
from desk.trade.event_log import EventLog
from desk.trade.forecasting import Forecaster
from desk.trade.journal import Journal
from desk.trade.records import ClosedTrade
from desk.trade.risk_values import HOUR_MS
from desk.trade.scoreboard import Score, labelled_wins, score
from desk.trade.settings import ScoreSettings
from desk.trade.signals import ModelCard


class ScoreKeeper:
    """Scores the models of one session.

    Parameters
    ----------
    journal, forecaster, clock, event_log
        What it acts through.
    settings : ScoreSettings
    """

    def __init__(
        self,
        journal: Journal,
        forecaster: Forecaster,
        clock: Clock,
        event_log: EventLog,
        settings: ScoreSettings,
    ) -> None:
        self._ledger, self._diary = journal.ledger, journal.diary
        self._forecaster = forecaster
        self._clock = clock
        self._events = event_log
        self._settings = settings
        self._scored_through = 0
        self._scored_at = 0
        self._demoted: dict[str, str] = {}

    @property
    def demoted(self) -> Mapping[str, str]:
        """Why, by model file."""
        return self._demoted

    def start(self) -> None:
        """Remember who was demoted by earlier sessions."""
        self._demoted = self._diary.demoted()

    def keep_hourly(self) -> None:
        """Score the models whose trades ended since the last look, once an hour."""
        if self._clock.now_ms() // HOUR_MS != self._scored_at:
            self.keep()

    def keep(self, *, every: bool = False) -> list[Score]:
        """Score the models whose trades ended since the last look, or all; demote those that fall short."""
        self._scored_at = self._clock.now_ms() // HOUR_MS
        ended = self._ledger.closed_trades(since=0 if every else self._scored_through)
        self._scored_through = max((trade.closed for trade in ended), default=self._scored_through)
        touched = {trade.model_file for trade in ended}
        scores = []
        for card in self._forecaster.cards.values():
            if card.model_file not in touched:
                continue
            trades = self._ledger.closed_trades(model_file=card.model_file)
            regular = [one for one in trades if one.experiment is None]
            experimental = [one for one in trades if one.experiment is not None]
            if regular:
                found = self._score(card, regular)
                self._demote(found)
                scores.append(found)
            if experimental:
                found = self._score(card, experimental)
                scores.append(replace(found, demotion="", is_experiment=True))
        return scores

    def _score(self, card: ModelCard, trades: list[ClosedTrade]) -> Score:
        closes = self._diary.closes(card.symbol, min(trade.opened for trade in trades))
        return score(card, trades, labelled_wins(card, trades, closes), self._settings)

    def _demote(self, found: Score) -> None:
        name = found.card.model_file
        if found.demotion and name not in self._demoted:
            self._demoted[name] = found.demotion
            self._diary.demote(found.card, self._clock.now_ms(), found.demotion)
            text = f"{name} only looks on from now: {found.demotion}. Retrain it"
            self._events.record("retrain", text, found.card.symbol, urgent=True)
