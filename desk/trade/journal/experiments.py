"""Experiments with a price: when each began, what it may cost, whether it is over, and what its trades met.

Records come in and go out, as in ``desk.trade.journal.ledger``: at once, and on the disk when
``Journal.stored`` returns.  Which trades are an experiment's stands in ``trades.experiment``.

Not here: what follows from it (``desk.trade.experiment``).
"""

from decimal import Decimal

from desk.trade.experiment_values import EvaluatedPrices, ExperimentRecord, UnpricedTrade
from desk.trade.journal.database import read, sql_value
from desk.trade.journal.mirror import MirroredTables

_EXPERIMENT = "number, began, amount, ended, why"
_UNPRICED = "trade, symbol, side, model_file, opened, due, price, stop, take_profit, ended"


class ExperimentBook:
    """The experiments of one account."""

    def __init__(self, tables: MirroredTables) -> None:
        self._db = tables

    def newest(self) -> ExperimentRecord | None:
        """The one that began last; None if there never was one."""
        query = (
            "SELECT experiment, began, amount, ended, why FROM experiments ORDER BY experiment DESC LIMIT 1"
        )
        row = self._db.execute(query).fetchone()
        return None if row is None else ExperimentRecord(**read(_EXPERIMENT, row, "amount"))

    def begin(self, at: int, amount: Decimal) -> ExperimentRecord:
        """Write down that an experiment begins at a time (ms) that may lose so many USDT."""
        newest = self.newest()
        begun = ExperimentRecord(1 if newest is None else newest.number + 1, at, amount, None, None)
        self._db.execute(
            "INSERT INTO experiments (experiment, began, amount) VALUES (?, ?, ?)",
            (begun.number, at, sql_value(amount)),
        )
        return begun

    def change_amount(self, experiment: int, amount: Decimal) -> None:
        """Write down that an experiment, by number, may lose another amount in all."""
        query = "UPDATE experiments SET amount = ? WHERE experiment = ?"
        self._db.execute(query, (sql_value(amount), experiment))

    def end(self, experiment: int, at: int, why: str) -> None:
        """Write down that an experiment is over, for good.

        Parameters
        ----------
        experiment : int
            Its number.
        at : int
            Now, ms.
        why : str
        """
        query = "UPDATE experiments SET ended = ?, why = ? WHERE experiment = ? AND ended IS NULL"
        self._db.execute(query, (at, why, experiment))

    def keep_result(self, experiment: int, result: str) -> None:
        """Keep the figures of an experiment, as JSON."""
        self._db.execute("UPDATE experiments SET result = ? WHERE experiment = ?", (result, experiment))

    def funding_of(self, trade: str) -> Decimal | None:
        """USDT that a trade paid as funding; None while that is not known."""
        row = self._db.execute("SELECT funding FROM experiment_trades WHERE trade = ?", (trade,)).fetchone()
        return None if row is None or row[0] is None else Decimal(row[0])

    def record_funding(self, trade: str, amount: Decimal) -> None:
        """Write down what a trade that is over paid as funding, USDT."""
        self._db.execute(
            "INSERT INTO experiment_trades (trade, funding) VALUES (?, ?) "
            "ON CONFLICT (trade) DO UPDATE SET funding = excluded.funding",
            (trade, sql_value(amount)),
        )

    def unpriced(self, experiment: int) -> list[UnpricedTrade]:
        """Trades of an experiment that are over and of which the evaluation's prices are not known yet."""
        rows = self._db.execute(
            f"SELECT {_UNPRICED} FROM trades WHERE experiment = ? AND status = 'closed' AND trade NOT IN "  # noqa: S608
            "(SELECT trade FROM experiment_trades WHERE priced IS NOT NULL) ORDER BY opened, trade",
            (experiment,),
        )
        return [UnpricedTrade(**read(_UNPRICED, row, "price stop take_profit")) for row in rows]

    def record_prices(self, trade: str, found: EvaluatedPrices) -> None:
        """Write down at which prices the evaluation would have traded; None of what cannot be known."""
        values = (found.next_mean, found.exit_price, found.entry_charged, found.exit_charged)
        self._db.execute(
            "INSERT INTO experiment_trades (trade, priced, next_mean, exit_price, entry_charged, "
            "exit_charged) VALUES (?, 1, ?, ?, ?, ?) ON CONFLICT (trade) DO UPDATE SET priced = 1, "
            "next_mean = excluded.next_mean, exit_price = excluded.exit_price, "
            "entry_charged = excluded.entry_charged, exit_charged = excluded.exit_charged",
            (trade, *values),
        )
