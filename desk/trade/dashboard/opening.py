"""The page of one session, put together.

Place in the house: what doors and tests call.  A session with its parts comes in, a ``Dashboard`` goes out
that is ready to be served.
"""

from collections.abc import Callable

from desk.ports import Clock
from desk.trade.dashboard.access import DashboardAddress
from desk.trade.dashboard.server import Dashboard
from desk.trade.forecasting import Forecaster
from desk.trade.journal import Journal
from desk.trade.live_snapshot import LiveSnapshots, MarketCounters
from desk.trade.session import Session

PAGE = "the page"
"""Who asked, as the journal has it."""


def open_dashboard(
    address: DashboardAddress,
    session: Session,
    journal: Journal,
    forecaster: Forecaster,
    clock: Clock,
    *,
    counters: Callable[[], MarketCounters] | None = None,
) -> Dashboard:
    """The page of a session; ``serving`` shows it.

    Parameters
    ----------
    address : DashboardAddress
    session : Session
    journal, forecaster
        Of it.
    clock : Clock
        This machine's.
    counters : callable or None
        As ``LiveSnapshots`` has it.
    """
    snapshots = LiveSnapshots(session, journal, forecaster, clock, counters=counters)
    return Dashboard(
        address,
        snapshots.take,
        clock,
        buttons={
            "stop-entries": lambda: session.stop_entries(by=PAGE),
            "flatten": lambda: session.ask("kill", by=PAGE),
        },
    )
