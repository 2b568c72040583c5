"""How a session comes to be: what forbids it, and the one function that puts its parts together.

Place in the house: what doors, tests and soaks call.  ``require_startable`` comes first and only reads; the
session and its journal look again when they begin, since what is seen here may have changed by then.
``open_session`` takes an exchange, a journal, models and a clock, and returns a ``Session`` that is ready to
run.

Not here: on which exchange, candles and clock (the doors).
"""

from decimal import Decimal
from pathlib import Path

from desk.errors import SettingsError
from desk.orders import MarginMode
from desk.ports import Clock, Exchange, SpreadSource
from desk.trade.event_log import EventLog, NotificationSink
from desk.trade.exchange_clock import ExchangeClock
from desk.trade.execution import Execution
from desk.trade.experiment import Experiment
from desk.trade.forecasting import Forecaster
from desk.trade.journal import Journal
from desk.trade.journal.database import newest_mode
from desk.trade.notify import NoNotifier
from desk.trade.records import ClosedTrade
from desk.trade.sentences import exited
from desk.trade.session import STOP_FILE, Session
from desk.trade.settings import LiveSettings
from desk.trade.trader import Confirm, Trader
from desk.trade.upkeep import Upkeep


def require_startable(journal: Path, mode: str) -> None:
    """See that a session of ``mode`` may begin on ``journal``.

    Raises
    ------
    SettingsError
        If a STOP file lies beside it, the journal is of another mode, no journal can be there, or a replay
        would be reported together with the sessions before it.
    """
    last = newest_mode(journal)
    stop = journal.resolve().parent / STOP_FILE
    if stop.exists():
        raise SettingsError(f"{stop} is there: remove it to trade again")
    if last is not None and mode == "replay":
        raise SettingsError(
            f"{journal} holds sessions already, and a replay is reported alone: name another file with "
            "--journal, or leave it out"
        )
    if last is not None and last != mode:
        raise SettingsError(
            f"{journal} is the journal of mode {last}, and this is mode {mode}: name another file with "
            "--journal"
        )


def open_session(
    exchange: Exchange,
    journal: Journal,
    forecaster: Forecaster,
    clock: Clock,
    *,
    settings: LiveSettings,
    notifications: NotificationSink | None = None,
    trade_untested: bool = False,
    confirm: Confirm | None = None,
    spreads: SpreadSource | None = None,
    experiment: Experiment | None = None,
) -> Session:
    """Put a session together.

    Parameters
    ----------
    exchange : Exchange
        The account that is traded.
    journal : Journal
        Open, of this account.
    forecaster : Forecaster
        The models.
    clock : Clock
        This machine's time, real or simulated; everything that is written down follows the exchange's.
    settings : LiveSettings
    notifications : NotificationSink or None
        Where news for people go; None: nowhere.
    trade_untested : bool
        Whether models without a tradable verdict may open positions.
    confirm : callable or None
        Asked for the exchange's own records before anything is opened; None: the rounds are those.
    spreads : SpreadSource or None
        Asked for bid and ask where something fired; None: no book is known, as of stored candles.
    experiment : Experiment or None
        Within which models without a tradable verdict may open positions, at the smallest size; None: there
        is none.

    Returns
    -------
    Session
        Not started: ``run`` does that.
    """
    by_exchange = ExchangeClock(clock)
    event_log = EventLog(journal.diary, by_exchange, notifications or NoNotifier())

    def record_exit(trade: ClosedTrade) -> None:
        event_log.record("exit", exited(trade), trade.symbol)
        if experiment is not None:
            experiment.closed(trade)

    def record_moved(symbol: str, leverage: Decimal, margin: MarginMode) -> None:
        text = f"{symbol}: leverage or margin mode had been moved: set back to {leverage:f}, {margin}"
        event_log.record("correction", text, symbol, urgent=True)

    execution = Execution(
        exchange,
        journal,
        by_exchange,
        settings=settings.session,
        on_close=record_exit,
        on_moved=record_moved,
    )
    upkeep = Upkeep(
        exchange,
        journal,
        execution,
        by_exchange,
        event_log,
        horizons=lambda: forecaster.horizons,
        settings=settings,
    )
    trader = Trader(
        exchange,
        journal,
        forecaster,
        by_exchange,
        event_log,
        execution,
        upkeep,
        settings=settings,
        trade_untested=trade_untested,
        confirm=confirm,
        spreads=spreads,
        experiment=experiment,
    )
    return Session(trader, journal, by_exchange, event_log, settings=settings.session)
