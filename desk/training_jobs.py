"""One job per fetched symbol: its candles, what trades in them pay, and what it is compared with.

A service between the caches and ``desk.worker``.  What an earlier run trained of the same candles, with the
same settings, is taken by the run and makes no job.

Not here: where jobs are carried out (``desk.executors``), and what becomes of their outcomes
(``desk.training_run``).
"""

from collections.abc import Iterator, Sequence

from desk.errors import DataError, ModelError
from desk.learn.challenge import Champion
from desk.learn.protocol import ContractCosts
from desk.learn.settings import ModelSettings, TradingSettings
from desk.live_models import open_champion
from desk.market.history.candle_store import CandleStore
from desk.market.history.contract_book import ContractBook
from desk.outcomes import Failed, Skipped
from desk.run_settings import Settings
from desk.spreads import spread_of
from desk.training_run import TrainingRun
from desk.values import Candles
from desk.worker import SymbolJob


def jobs_of(
    settings: Settings,
    symbols: Sequence[str],
    book: ContractBook,
    run: TrainingRun,
    *,
    grid: tuple[ModelSettings, ...] = (),
    reveal: bool = False,
) -> Iterator[SymbolJob]:
    """One job per symbol; its candles are read when a worker is about to be free.

    Parameters
    ----------
    settings : Settings
    symbols : sequence of str
        Whose candles are in the cache.
    book : ContractBook
        Contracts of the exchange.
    run : TrainingRun
        Receives what makes no job.
    grid : tuple of ModelSettings
        What an exploration measures; empty for a training.
    reveal : bool
        Whether an exploration shows the test part.
    """
    store, learn = CandleStore(settings.fetch.cache_dir), settings.learn
    sample = set(symbols[:: max(1, len(symbols) // learn.control_symbols)][: learn.control_symbols])
    retired = run.registry.retired() - set(settings.fetch.symbols)
    for symbol in symbols:
        if symbol in retired and not grid:
            run.add(Skipped(symbol, "Retired: name it in --symbols, or put it back with --rollback."))
            continue
        try:
            candles = store.load(symbol, settings.fetch.days)
        except DataError as exc:
            run.add(Failed(symbol, "cache", str(exc), ""))
            continue
        costs = contract_costs(candles, book, learn.trading)
        control = symbol in sample and len(symbols) >= learn.control_from
        shown = run.ledger.shown_through(symbol, settings.model.explored_fingerprint())
        job = SymbolJob(
            candles, settings.model, costs, control, grid, reveal, shown, champion_of(symbol, run)
        )
        if not grid:
            known = run.registry.candidates.with_key(symbol, job.key())
            if known is not None and run.take(known):
                continue
        yield job


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
