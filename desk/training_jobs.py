"""One job per fetched symbol: its candles, what trades in them pay, and what it is compared with.

A service between the caches and ``desk.worker``.  What an earlier run trained of the same candles, with the
same settings, is taken by the run and makes no job.

Not here: where jobs are carried out (``desk.executors``), and what becomes of their outcomes
(``desk.training_run``).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from desk.errors import DataError, ModelError
from desk.learn.challenge import Champion
from desk.learn.protocol import ContractCosts
from desk.learn.settings import ModelSettings, TradingSettings
from desk.live_models import open_champion
from desk.market.history.candle_store import CandleStore
from desk.market.history.contract_book import ContractBook
from desk.outcomes import Failed, Skipped
from desk.registry.candidates import Candidate, CandidateStore
from desk.run_settings import Settings
from desk.spreads import spread_of
from desk.training_run import TrainingRun
from desk.values import Candles
from desk.worker import SymbolJob


@dataclass(frozen=True, slots=True)
class JobMaker:
    """Makes the jobs of one run; what makes no job goes to the run."""

    settings: Settings
    symbols: Sequence[str]
    """The universe: what depends on the other symbols depends on all of them, fetched or not yet."""
    book: ContractBook
    """Contracts of the exchange."""
    run: TrainingRun
    retired: Collection[str]
    """Symbols that are left out."""
    grid: tuple[ModelSettings, ...] = ()
    """What an exploration measures; empty for a training."""
    reveal: bool = False
    """Whether an exploration shows the test part."""

    def job_of(self, symbol: str) -> SymbolJob | None:
        """The job of a symbol whose candles are in the cache; None where it is not to be trained."""
        settings, run, grid = self.settings, self.run, self.grid
        if not grid and symbol in self.retired:
            run.add(Skipped(symbol, "Retired: name it in --symbols, or put it back with --rollback."))
            return None
        try:
            candles = CandleStore(settings.fetch.cache_dir).load(symbol, settings.fetch.days)
        except DataError as exc:
            run.add(Failed(symbol, "cache", str(exc), ""))
            return None
        job = SymbolJob(
            candles,
            settings.model,
            contract_costs(candles, self.book, settings.learn.trading),
            control=symbol in self._control_sample(),
            grid=grid,
            reveal=self.reveal,
            shown_through=run.ledger.shown_through(symbol, settings.model.explored_fingerprint()),
            champion=champion_of(symbol, run),
        )
        if not grid:
            known = finished_before(job, run.registry.candidates)
            if known is not None and run.take(known):
                return None
        return job

    def _control_sample(self) -> Sequence[str]:
        learn, count = self.settings.learn, len(self.symbols)
        if count < learn.control_from:
            return ()
        return self.symbols[:: max(1, count // learn.control_symbols)][: learn.control_symbols]


def finished_before(job: SymbolJob, candidates: CandidateStore) -> Candidate | None:
    """What an earlier run, or this one before it was cut off, has trained by an equal job."""
    if (known := candidates.with_key(job.candles.symbol, job.key())) is not None or job.champion is None:
        return known
    published = candidates.of_version(job.candles.symbol, job.champion.model_file)
    if published is None:
        return None
    # It may be the outcome of this very job, published when the run was interrupted: it had another champion.
    compared = published.comparison
    champion = None if compared is None else replace(job.champion, model_file=compared["champion"])
    return published if published.key == replace(job, champion=champion).key() else None


def champion_of(symbol: str, run: TrainingRun) -> Champion | None:
    """The published model that a new one must be better than; None where every judged one is published."""
    if run.settings.publish_rule != "better" or run.settings.experiment:
        return None
    try:
        return open_champion(run.registry, symbol)
    except ModelError:  # one that cannot be opened is no reason to keep it
        return None


def contract_costs(candles: Candles, book: ContractBook, trading: TradingSettings) -> ContractCosts:
    """What trades in these candles pay by the exchange's contract data; None where these don't say.

    Parameters
    ----------
    candles : Candles
    book : ContractBook
    trading : TradingSettings
        Fees where the contract is missing.
    """
    contract = next((one for one in book.contracts if one.symbol == candles.symbol), None)
    spread = spread_of(tuple(book.spreads.get(candles.symbol, {}).values()), candles)
    return ContractCosts(
        tick=float(contract.tick) if contract else None,
        taker_fee=float(contract.taker_fee) if contract else trading.taker_fee,
        maker_fee=float(contract.maker_fee) if contract else trading.maker_fee,
        spread_bps=spread.bps,
        spread_source=spread.why,
        turnover=book.turnover.get(candles.symbol),
    )
