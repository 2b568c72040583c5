"""A whole session on a paper exchange and a simulated clock, with models that predict what a test wants."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from desk.errors import ModelIncomplete
from desk.market.matching import FillModel
from desk.market.paper.exchange import PaperExchange
from desk.orders import ContractTerms
from desk.ports import Exchange, SpreadSource
from desk.trade.events import replayed_events
from desk.trade.forecasting import FeatureWindow, Forecaster, OpenModel
from desk.trade.journal import Journal
from desk.trade.replay.feed import PaperFeed, ReplayFeed, SimulatedClock
from desk.trade.session import Session, SessionResult
from desk.trade.settings import LiveSettings, NotifySettings, PaperSettings, RiskLimits, SessionSettings
from desk.trade.signals import ModelCard
from desk.trade.start import open_session
from desk.trade.trader import Confirm, Trader
from desk.values import CANDLE_MS, Candles
from tests.trade.samples import SCORE, SESSION, UNLIMITED

MEMORY = 3
NO_ROUNDING = FillModel(slippage=Decimal("0.0001"), rounding=False)


@dataclass
class RecordedNotifications:
    """Satisfies ``desk.trade.event_log.NotificationSink``, and remembers."""

    urgent: list[str] = field(default_factory=list)
    calm: list[str] = field(default_factory=list)

    def notify(self, text: str, *, urgent: bool) -> None:
        """Remember it."""
        (self.urgent if urgent else self.calm).append(text)


@dataclass
class ScriptedModel:
    """A model that has a probability for every open time; its only feature is that time."""

    probability: Mapping[int, float]

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """What the test wants."""
        return np.array([self.probability.get(int(row[0]), 0.5) for row in x])


@dataclass
class ScriptedModels:
    """Models by symbol; satisfies ``desk.trade.forecasting.ModelSource``."""

    __test__ = False
    models: dict[str, OpenModel]
    bad: dict[str, str] = field(default_factory=dict)
    version: int = 0

    def mark(self, symbol: str) -> object:
        """Changes with ``version``."""
        return symbol, self.version

    def open(self, symbol: str) -> OpenModel:
        """The model, or the refusal."""
        if symbol in self.bad:
            raise ModelIncomplete(self.bad[symbol])
        return self.models[symbol]


def number_of(values: NDArray[np.float64], times: NDArray[np.int64]) -> NDArray[np.float32]:
    """One feature: how many candles since 1970, in full within float32."""
    assert values.shape[0] == times.shape[0]
    return (times[:, -1:] // CANDLE_MS - OFFSET).astype(np.float32)


OFFSET = 5_600_000
WINDOW = FeatureWindow(memory=MEMORY, max_missing_share=0.5, rows=number_of)


def scripted(candles: Candles, probability: NDArray[np.float64]) -> ScriptedModel:
    """A model that predicts ``probability`` at the candles."""
    times = candles.open_time // CANDLE_MS - OFFSET
    pairs = zip(times, probability, strict=True)
    return ScriptedModel({int(time): float(p) for time, p in pairs if not np.isnan(p)})


def live_settings(
    risk: RiskLimits = UNLIMITED, session: SessionSettings = SESSION, deposit: int = 1_000_000
) -> LiveSettings:
    """Settings with another part or two."""
    return LiveSettings(
        risk=risk,
        session=session,
        score=SCORE,
        notify=NotifySettings(digest_hours=0, queue=10, timeout_s=1.0),
        paper=PaperSettings(balance=Decimal(deposit)),
    )


@dataclass
class Stage:
    """Everything of one session, ready to run."""

    deposit: Decimal
    journal: Journal
    clock: SimulatedClock
    paper: PaperExchange
    exchange: Exchange
    forecaster: Forecaster
    source: ScriptedModels
    news: RecordedNotifications
    session: Session
    feed: PaperFeed

    @property
    def trader(self) -> Trader:
        """Of the session."""
        return self.session.trader

    async def run(self) -> SessionResult:
        """Run to the end of the candles."""
        return await self.session.run(replayed_events(self.feed), mode="replay", settings="{}")


def stage(
    path: Path,
    series: Sequence[Candles],
    models: Mapping[str, tuple[ModelCard, ScriptedModel]],
    *,
    contracts: Sequence[ContractTerms],
    settings: LiveSettings | None = None,
    terms: FillModel = NO_ROUNDING,
    funding: Mapping[str, Mapping[int, float]] | None = None,
    wrap: Callable[[PaperExchange, SimulatedClock], Exchange] = lambda paper, _: paper,
    confirm: Confirm | None = None,
    spreads: SpreadSource | None = None,
    earlier: Stage | None = None,
) -> Stage:
    """Put a session together.

    Parameters
    ----------
    path : Path
        Folder of the journal.
    series : sequence of Candles
    models : mapping
        Card and predictor, by symbol.
    contracts : sequence of ContractTerms
    settings : LiveSettings or None
    terms : FillModel
    funding : mapping or None
        Settled rates by time (ms), by symbol.
    wrap : callable
        What stands between the session and the paper exchange.
    confirm, spreads
        As of ``open_session``.
    earlier : Stage or None
        Lends its clock and its exchange, as to a process that is started after that one died.
    """
    chosen = settings or live_settings()
    if earlier is None:
        clock = SimulatedClock(float(min(int(one.open_time[MEMORY - 1]) for one in series)))
        paper = PaperExchange(contracts, deposit=chosen.paper.balance, clock=clock, fill_model=terms)
        exchange = wrap(paper, clock)
    else:
        clock, paper, exchange = earlier.clock, earlier.paper, earlier.exchange
    journal = Journal(path / "journal.sqlite")
    source = ScriptedModels({symbol: OpenModel(card, says) for symbol, (card, says) in models.items()})
    forecaster = Forecaster(source, list(models), WINDOW)
    news = RecordedNotifications()
    session = open_session(
        exchange,
        journal,
        forecaster,
        clock,
        settings=chosen,
        notifications=news,
        confirm=confirm,
        spreads=spreads,
    )
    first = {one.symbol: int(one.open_time[MEMORY - 1]) for one in series}
    feed = PaperFeed(ReplayFeed(series, first=first, memory=MEMORY, clock=clock), paper, funding)
    return Stage(
        chosen.paper.balance, journal, clock, paper, exchange, forecaster, source, news, session, feed
    )
