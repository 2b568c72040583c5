"""A session over HTTP, in a process of its own, that kills itself as ``kill -9`` would.

``python -m soaks.mortal LIFE`` takes the JSON of a ``Life``: it trades invented symbols on an embedded
exchange whose clock stands, lets market time pass itself, candle by candle, and dies at the given call to
the exchange: ``before`` a call, ``after`` its answer has come and before anything is made of it, or ``sent``,
the same of the calls that send orders alone.  Before each candle it prints, as a line of JSON, what a plain
look at the account and the journal shows.

``soaks.kill`` starts it again and again; the tests run a ``trial_session`` of
the same parts.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path

import aiohttp
import numpy as np
from numpy.typing import NDArray

from config import link_settings, live_settings
from desk.clock import SystemClock
from desk.errors import DeskError, ExchangeError
from desk.market.bitget.account.account import BitgetAccount
from desk.market.bitget.account.signing import Credentials
from desk.market.emulator import Keys
from desk.market.settings import LinkSettings
from desk.orders import AccountUpdate, MarginMode, OrderRequest, PositionMode
from desk.policy import Thresholds, TradeRules
from desk.ports import Clock, Exchange
from desk.trade.events import Event
from desk.trade.experiment import Experiment, open_experiment
from desk.trade.forecasting import FeatureWindow, Forecaster, OpenModel, round_of
from desk.trade.journal import Journal
from desk.trade.session import Session
from desk.trade.settings import LiveSettings
from desk.trade.signals import BacktestExpectation, ModelCard
from desk.trade.start import open_session
from desk.values import CANDLE_MS, Candles, frozen

PLAY = Keys()
CREDENTIALS = Credentials(PLAY.key, PLAY.secret, PLAY.passphrase)
NOON = 1_762_430_400_000
"""2025-11-06 12:00 UTC."""
BEGIN = NOON + 2 * 3_600_000 + 1_000
"""Market time at the start of a chain of lives: a second after a candle's close, two hours before funding."""
SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")
LENGTH, MEMORY = 600, 3
RULES = TradeRules(horizon=3, stop_loss=0.006, take_profit=0.008)
"""Of a market that moves by 0.3 % a candle: a third of all trades end by their time."""
Kind = str
"""When a life ends: ``sent``, ``before``, ``after`` or ``never``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One session, and its end."""

    url: str
    journal: str
    position_mode: PositionMode
    margin_mode: MarginMode
    seed: int
    """Of the market and of what the models predict."""
    rounds: int
    kind: Kind = "never"
    call: int = 0
    """Number of the call, of those that ``kind`` counts, at which it dies."""
    experiment: str = ""
    """USDT that an experiment may lose, of which every model then is; empty: there is none."""
    clock_set_by_ms: int = 0
    """How far its machine's clock is set forward or back in the middle of it."""


def market(seed: int) -> list[Candles]:
    """Random walks around 100 on a tick of 0.01, from noon on."""
    rng = np.random.default_rng(seed)
    times = NOON + CANDLE_MS * np.arange(LENGTH)
    series = []
    for symbol in SYMBOLS:
        close = np.round(100 * np.exp(np.cumsum(rng.normal(scale=0.003, size=LENGTH))), 2)
        open_ = np.concatenate([[100.0], close[:-1]])
        wicks = np.round(rng.exponential(scale=0.1, size=(2, LENGTH)) + 0.01, 2)
        high, low = np.maximum(open_, close) + wicks[0], np.minimum(open_, close) - wicks[1]
        volume = np.full(LENGTH, 1e5)
        values = np.stack([open_, np.round(high, 2), np.round(low, 2), close, volume, volume * close])
        series.append(Candles(symbol, frozen(times), frozen(values)))
    return series


@dataclass(frozen=True, slots=True, eq=False)
class ScriptedModel:
    """A model that predicts what it was given, by the number of the candle: its only feature."""

    probability: NDArray[np.float64]

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of up for rows of shape (n, 1)."""
        found: NDArray[np.float64] = self.probability[x[:, 0].astype(int)]
        return found


def number_of(values: NDArray[np.float64], times: NDArray[np.int64]) -> NDArray[np.float32]:  # noqa: ARG001
    """The only feature: how many candles since noon."""
    return ((times[:, -1:] - NOON) // CANDLE_MS).astype(np.float32)


def models(series: Sequence[Candles], seed: int) -> dict[str, OpenModel]:
    """Models that are long, short or silent by chance, each signal for some candles."""
    rng = np.random.default_rng(seed + 1_000)
    return {
        one.symbol: OpenModel(
            card(one.symbol), ScriptedModel(np.repeat(rng.choice([0.2, 0.5, 0.8], LENGTH), 2))
        )
        for one in series
    }


def card(symbol: str) -> ModelCard:
    """A tradable model."""
    return ModelCard(
        symbol=symbol,
        model_file=f"{symbol}_lightgbm_20251105_120000.txt",
        created=NOON,
        thresholds=Thresholds(long=0.6, short=0.4),
        rules=RULES,
        label_threshold=0.002,
        tradable=True,
        reasons=(),
        expectation=BacktestExpectation(win_rate=None, win_rate_labelled=None, net_bps=None),
    )


def trial_settings(position_mode: PositionMode, margin_mode: MarginMode) -> LiveSettings:
    """The shipped settings, without what a market whose time jumps would trip over."""
    live = live_settings(14)
    risk = replace(
        live.risk,
        max_candle_age_s=10**9,
        max_clock_drift_s=1e9,
        daily_loss_stop=Decimal(1),
        max_drawdown=Decimal(1),
        losing_streak=0,
        avoid_funding=False,
    )
    session = replace(
        live.session,
        position_mode=position_mode,
        margin_mode=margin_mode,
        fill_wait_s=2.0,
        fill_look_s=0.02,
        resend_within_s=5.0,
    )
    return replace(live, risk=risk, session=session)


def trial_link(url: str) -> LinkSettings:
    """Lines to an exchange on this machine."""
    link = link_settings("paper", base_url=url, ws_url=url.replace("http", "ws", 1))
    return replace(link, timeout_s=2.0, give_up_after_s=10.0)


def trial_session(
    exchange: Exchange,
    journal: Journal,
    series: Sequence[Candles],
    live: LiveSettings,
    *,
    seed: int,
    clock: Clock,
    experiment: Experiment | None = None,
    untested: Collection[str] = (),
) -> Session:
    """A session of the scripted models on ``series``.

    Parameters
    ----------
    exchange : Exchange
    journal : Journal
    series : sequence of Candles
    live : LiveSettings
    seed : int
        Of what the models predict.
    clock : Clock
    experiment : Experiment or None
        Within which models without a verdict trade.
    untested : collection of str
        Symbols of models without a verdict.
    """
    made = models(series, seed)
    for symbol in untested:
        card_of_it = replace(made[symbol].card, tradable=False, reasons=("no edge was shown",))
        made[symbol] = replace(made[symbol], card=card_of_it)
    window = FeatureWindow(memory=MEMORY, max_missing_share=0.5, rows=number_of)
    return open_session(
        exchange, journal, Forecaster.of(made, window), clock, settings=live, experiment=experiment
    )


async def trial_experiment(
    exchange: Exchange, journal: Journal, amount: str, clock: Clock, *, since: str = ""
) -> Experiment | None:
    """An experiment of the journal's, without a source of funding rates.

    Parameters
    ----------
    exchange, journal, amount, clock, since
        As of ``open_experiment``; an empty amount: there is none.
    """
    if not amount:
        return None

    async def no_rates(_: str) -> Mapping[int, float]:
        return {}

    return await open_experiment(
        exchange, journal, Decimal(amount), since=since, is_real=False, clock=clock, rates=no_rates
    )


@dataclass(slots=True)
class MovedClock:
    """The machine's clock, which a hand may set; satisfies ``desk.ports.Clock``."""

    machine: SystemClock
    moved_ms: int = 0

    def now_ms(self) -> int:
        """Wall time as the machine has it."""
        return self.machine.now_ms() + self.moved_ms

    def monotonic(self) -> float:
        """Seconds that nobody can set."""
        return self.machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` of real time pass."""
        await self.machine.sleep(seconds)


class Mortal(BitgetAccount):
    """An account whose user dies at a call."""

    COUNTED = frozenset(
        {
            "balance",
            "positions",
            "open_orders",
            "order",
            "fills",
            "place",
            "cancel",
            "protect",
            "close",
            "set_up",
        }
    )

    def __init__(self, life: Life, *, clock: Clock) -> None:
        super().__init__(trial_link(life.url), CREDENTIALS, clock=clock)
        self._kind = life.kind
        self._calls_left = life.call

    def step(self, moment: Kind) -> None:
        """Die, if this is the moment."""
        if moment != self._kind:
            return
        if self._calls_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._calls_left -= 1

    async def place(self, request: OrderRequest) -> str:
        """Send an order; the moments before and after are counted by ``__getattribute__``."""
        try:
            return await super().place(request)
        finally:
            self.step("sent")

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        if name not in Mortal.COUNTED:
            return found
        step: Callable[[Kind], None] = super().__getattribute__("step")

        async def stepped(*args: object, **named: object) -> object:
            step("before")
            try:
                return await found(*args, **named)
            finally:
                step("after")

        return stepped


@dataclass(frozen=True, slots=True)
class AccountView:
    """What a plain comparison of account and journal shows, between two steps."""

    unprotected: list[str]
    """Positions without a stop."""
    apart: list[str]
    """Symbols of which the journal, waiting for nothing, says something else than the exchange."""
    leveraged: list[str]
    """Symbols of trades whose position has more leverage than the settings allow."""


async def compare(account: BitgetAccount, journal: Journal) -> AccountView:
    """Compare account and journal."""
    most = live_settings(14).risk.leverage
    held = await account.positions()
    waiting = {order.symbol for order in journal.ledger.unresolved()}
    known = {(one.symbol, one.side, one.size) for one in journal.ledger.open_trades()}
    apart = known ^ {(one.symbol, one.side, one.size) for one in held}
    ours = {(one.symbol, one.side) for one in journal.ledger.open_trades() if one.model_file}
    return AccountView(
        sorted(one.symbol for one in held if one.stop_loss is None),
        sorted({symbol for symbol, _, _ in apart} - waiting),
        sorted(one.symbol for one in held if (one.symbol, one.side) in ours and one.leverage > most),
    )


async def candle_by_candle(
    life: Life, series: Sequence[Candles], journal: Journal, witness: BitgetAccount, clock: MovedClock
) -> AsyncGenerator[Event]:
    """Let a candle close, hand it out, compare; half a candle later the line of pushes was lost once.

    Parameters
    ----------
    life : Life
    series : sequence of Candles
    journal : Journal
    witness : BitgetAccount
        Compared with the journal; it never dies.
    clock : MovedClock
        Set in the middle.
    """
    async with aiohttp.ClientSession() as session:

        async def let_pass(ms: int) -> int:
            async with session.post(f"{life.url}/emulator/clock?ms={ms}") as response:
                return int((await response.json())["server_time"])

        for number in range(life.rounds):
            if number == life.rounds // 2:
                clock.moved_ms = life.clock_set_by_ms
            try:
                sys.stdout.write(json.dumps(asdict(await compare(witness, journal))) + "\n")
                sys.stdout.flush()
            except ExchangeError:
                pass  # it has no answer either: nothing was seen
            now = await let_pass(CANDLE_MS // 2)
            yield AccountUpdate(reconnected=True)
            now = await let_pass(CANDLE_MS - CANDLE_MS // 2)
            row = (now - NOON) // CANDLE_MS
            yield round_of(
                [one.rows(row - MEMORY, row) for one in series], NOON + (row - 1) * CANDLE_MS, memory=MEMORY
            )


async def live(life: Life) -> str:
    """Trade; what ended it."""
    link, clock, series = trial_link(life.url), MovedClock(SystemClock()), market(life.seed)
    async with (
        Mortal(life, clock=clock) as exchange,
        BitgetAccount(link, CREDENTIALS, clock=clock) as eye,
    ):
        with Journal(Path(life.journal)) as journal:
            settings = trial_settings(life.position_mode, life.margin_mode)
            experiment = await trial_experiment(exchange, journal, life.experiment, clock)
            session = trial_session(
                exchange,
                journal,
                series,
                settings,
                seed=life.seed,
                clock=clock,
                experiment=experiment,
                untested=SYMBOLS if experiment else (),
            )
            events = candle_by_candle(life, series, journal, eye, clock)
            ending = await session.run(events, mode="live", settings="{}")
    return f"{ending.status}: {ending.why}"


def life_of(fields: Mapping[str, object]) -> Life:
    """A life from its JSON."""
    return Life(**fields)  # type: ignore[arg-type]


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps({"ended": asyncio.run(live(life_of(json.loads(sys.argv[1]))))}) + "\n")
    except DeskError as exc:
        sys.stdout.write(json.dumps({"ended": f"1: {exc}"}) + "\n")
