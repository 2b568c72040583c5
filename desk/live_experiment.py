"""``--experiment``: how a session of it begins and ends for the user.

A service between the door and ``desk.trade.experiment``.
"""

from collections.abc import Iterable
from decimal import Decimal

from desk.market.bitget.public import BitgetPublic
from desk.market.paper.public import PublicMarket
from desk.ports import Clock, Exchange
from desk.reports.console import Console
from desk.reports.experiment import print_experiment
from desk.trade.experiment import Experiment, open_experiment
from desk.trade.journal import Journal
from desk.trade.journal.experiment_reading import result_text
from desk.trade.journal.reading import read_snapshot
from desk.trade.settings import LiveSettings
from desk.trade.signals import ModelCard
from desk.trade.snapshot import snapshot_json


async def begin_experiment(
    amount: Decimal | None,
    exchange: Exchange,
    journal: Journal,
    market: BitgetPublic,
    cards: Iterable[ModelCard],
    *,
    live: LiveSettings,
    mode: str,
    clock: Clock,
    console: Console,
) -> Experiment | None:
    """Open the experiment of a session, and say what it may cost; None where none was asked for.

    Parameters
    ----------
    amount : Decimal or None
        USDT that may be lost.
    exchange : Exchange
    journal : Journal
    market : BitgetPublic
        Asked for settled funding rates.
    cards : iterable of ModelCard
        Of the models in use.
    live : LiveSettings
    mode : str
        ``live`` or ``demo``.
    clock : Clock
    console : Console

    Raises
    ------
    SettingsError
        As ``open_experiment``.
    """
    if amount is None:
        return None
    since, rates = live.risk.experiment_since, PublicMarket(market).settled_funding
    found = await open_experiment(
        exchange, journal, amount, since=since, is_real=mode == "live", clock=clock, rates=rates
    )
    console.print(f"⚠️ {found.price(cards)}.")
    return found


def conclude_experiment(
    experiment: Experiment | None, journal: Journal, clock: Clock, console: Console
) -> None:
    """Keep the figures of an experiment in the journal, and show them.

    Parameters
    ----------
    experiment : Experiment or None
        None: nothing is done.
    journal : Journal
    clock : Clock
    console : Console
    """
    if experiment is None or not journal.settle():
        return
    found = read_snapshot(journal.path, now=clock.now_ms(), is_running=True)
    if found is None or found.experiment is None:
        return
    journal.experiments.keep_result(experiment.number, result_text(found.experiment))
    print_experiment(snapshot_json(found)["experiment"], console)
