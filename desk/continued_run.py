"""Whether a run goes on with one that was cut off, and from which contracts.

Place in the house: a service of the door that trains.  On a live exchange candles, turnover and spreads
change by the minute, and with them every result.  A run that was killed or interrupted is therefore continued
as it was: with the contracts that it had fetched, and with candles until then, so that what it had finished
is taken and only the rest is trained.

Not here: which results are taken (``desk.training_jobs``).
"""

from datetime import datetime, timedelta

from desk.errors import CacheError
from desk.market.history.candle_store import CandleStore
from desk.market.history.contract_book import ContractBook
from desk.registry import ModelRegistry
from desk.registry.unfinished_run import UNFINISHED_RUN, unfinished_run
from desk.reports.console import Console
from desk.run_settings import Settings


def contracts_to_continue(
    settings: Settings, registry: ModelRegistry, console: Console, *, now: datetime
) -> ContractBook | None:
    """The contracts of the run that is to be continued; None where a new one begins.

    Parameters
    ----------
    settings : Settings
    registry : ModelRegistry
    console : Console
        Shows that a run is continued, and how a new one is begun.
    now : datetime
        By the clock of this machine.
    """
    run = unfinished_run(registry.folder)
    if run is None or settings.fetch.offline or not settings.fetch.use_cache:
        return None
    most = timedelta(hours=settings.continue_within_hours)
    if run.settings != settings.digest() or not timedelta(0) <= now - run.started_at <= most:
        return None
    try:
        book = CandleStore(settings.fetch.cache_dir).load_contracts()
    except CacheError:
        return None
    if book.server_time != run.contracts_at:  # another fetch came after it
        return None
    console.print(
        f"⚠️ The run of {run.started_at:%Y-%m-%d %H:%M} UTC did not come to its end. It is continued "
        f"with its candles, which end there; remove {registry.folder / UNFINISHED_RUN} to begin a new one."
    )
    return book
