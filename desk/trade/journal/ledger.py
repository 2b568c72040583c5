"""What must not be lost: trades, orders, fills and corrections.

Records come in and go out; every method is one transaction.  It takes effect at once, and is on the disk when
``Journal.stored`` returns.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from desk.orders import Fill, OrderRequest, OrderState
from desk.trade.journal.aside import SqlValue
from desk.trade.journal.database import read, sql_value
from desk.trade.journal.mirror import MirroredTables
from desk.trade.records import UNRESOLVED, ClosedTrade, OpenTrade, OrderRecord, SendStatus

_TRADE = "trade, symbol, side, model_file, opened, due, price, stop, take_profit, status, size, experiment"
_ORDER = (
    "client_id, trade, symbol, side, purpose, size, written, status, order_id, filled, average_price, fee"
)
_CLOSED = (
    "trade, symbol, side, model_file, opened, closed, price, ended, size, entry_price, exit_price, fees, "
    "profit, gross, net, experiment"
)
_FILL = "trade_id, order_id, client_id, symbol, side, purpose, price, size, fee, at, cause"
_LONGEST_STREAK = 1_000


class Ledger:
    """Trades and their orders, from before an order is sent."""

    def __init__(self, tables: MirroredTables) -> None:
        self._db = tables

    def open_trade(self, trade: OpenTrade, order: OrderRequest, at: int) -> None:
        """Write down a trade with the order that is about to be sent for it, before it is sent.

        Parameters
        ----------
        trade : OpenTrade
        order : OrderRequest
        at : int
            Now, ms.
        """
        with self._db.transaction():
            self._insert_trade(trade)
            self._insert_order(order, trade.trade, at)

    def adopt(self, trade: OpenTrade, at: int, *, fee: Decimal) -> None:
        """Write down a trade that the exchange was found to hold, as an entry that was filled whole.

        Parameters
        ----------
        trade : OpenTrade
        at : int
            Now, ms.
        fee : Decimal
            USDT that its entry has cost.
        """
        with self._db.transaction():
            self._insert_trade(trade)
            self._db.execute(
                "INSERT OR IGNORE INTO orders (client_id, trade, symbol, side, purpose, size, written, "
                "answered, status, filled, average_price, fee) "
                "VALUES (?, ?, ?, ?, 'open', ?, ?, ?, 'filled', ?, ?, ?)",
                (
                    trade.trade,
                    trade.trade,
                    trade.symbol,
                    trade.side,
                    sql_value(trade.size),
                    at,
                    at,
                    sql_value(trade.size),
                    sql_value(trade.price),
                    sql_value(fee),
                ),
            )

    def _insert_trade(self, trade: OpenTrade) -> None:
        values = [sql_value(getattr(trade, name)) for name in _TRADE.split(", ")]
        marks = ",".join("?" * len(values))
        self._db.execute(f"INSERT OR IGNORE INTO trades ({_TRADE}) VALUES ({marks})", values)  # noqa: S608

    def knows_order(self, client_id: str) -> bool:
        """Whether an order of this id was ever written down."""
        found = self._db.execute("SELECT 1 FROM orders WHERE client_id = ?", (client_id,)).fetchone()
        return found is not None

    def intend(self, order: OrderRequest, trade: str, at: int) -> None:
        """Write down a further order of a trade, before it is sent.

        Parameters
        ----------
        order : OrderRequest
        trade : str
            Its name.
        at : int
            Now, ms.
        """
        with self._db.transaction():
            self._insert_order(order, trade, at)

    def _insert_order(self, order: OrderRequest, trade: str, at: int) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO orders (client_id, trade, symbol, side, purpose, size, stop, take_profit, "
            "written, status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'intended')",
            (
                order.client_id,
                trade,
                order.symbol,
                order.side,
                order.purpose,
                sql_value(order.size),
                sql_value(order.stop_loss),
                sql_value(order.take_profit),
                at,
            ),
        )

    def accepted(self, client_id: str, order_id: str) -> None:
        """Note by which id the exchange has an order that it took."""
        query = "UPDATE orders SET order_id = ? WHERE client_id = ? AND order_id IS NULL"
        self._db.execute(query, (order_id or None, client_id))

    def answered(self, client_id: str, at: int, *, status: SendStatus, error: str = "") -> None:
        """Note what became of an order of which the exchange holds nothing.

        Parameters
        ----------
        client_id : str
        at : int
            Now, ms.
        status : SendStatus
            ``refused`` or ``absent``.
        error : str
            What the exchange wrote.
        """
        self._db.execute(
            "UPDATE orders SET answered = ?, status = ?, error = ? WHERE client_id = ?",
            (at, status, error, client_id),
        )

    def reported(self, state: OrderState, at: int) -> None:
        """Note what the exchange reports of an order; older news than what is known already are ignored.

        In the same transaction, an entry that holds something makes its trade an open one, and an exit that
        was filled leaves so much less of its trade.
        """
        with self._db.transaction():
            known = self._orders("client_id = ?", (state.client_id,))
            if not known or known[0].status in {"filled", "canceled"} or known[0].filled > state.filled:
                return
            self._db.execute(
                "UPDATE orders SET answered = ?, status = ?, order_id = ?, filled = ?, average_price = ?, "
                "fee = ? WHERE client_id = ?",
                (
                    at,
                    state.status,
                    state.order_id,
                    sql_value(state.filled),
                    sql_value(state.average_price),
                    sql_value(state.fee),
                    state.client_id,
                ),
            )
            if state.purpose == "open" and state.filled:
                self._db.execute(
                    "UPDATE trades SET status = 'open', size = ? WHERE trade = ? "
                    "AND status IN ('opening', 'open') AND NOT EXISTS (SELECT 1 FROM orders "
                    "WHERE orders.trade = trades.trade AND orders.purpose = 'close')",
                    (sql_value(state.filled), known[0].trade),
                )
            if state.purpose == "close" and state.filled > known[0].filled:
                self._lessen(known[0].trade, state.filled - known[0].filled)

    def _lessen(self, trade: str, size: Decimal) -> None:
        """Note that so much less is held of a trade."""
        held = self.open_trade_named(trade)
        if held is not None:
            self.resize(trade, max(held.size - size, Decimal(0)))

    def resize(self, trade: str, size: Decimal) -> None:
        """Note what is held of a trade now."""
        self._db.execute(
            "UPDATE trades SET size = ?, status = 'open' WHERE trade = ? AND status IN ('opening', 'open')",
            (sql_value(size), trade),
        )

    def close_trade(self, closed: ClosedTrade) -> None:
        """Write down what a trade came to."""
        self._db.execute(
            "UPDATE trades SET status = 'closed', closed = ?, ended = ?, size = ?, entry_price = ?, "
            "exit_price = ?, fees = ?, profit = ?, gross = ?, net = ? WHERE trade = ?",
            (
                closed.closed,
                closed.ended,
                sql_value(closed.size),
                sql_value(closed.entry_price),
                sql_value(closed.exit_price),
                sql_value(closed.fees),
                sql_value(closed.profit),
                closed.gross,
                closed.net,
                closed.trade,
            ),
        )

    def void_trade(self, trade: str) -> None:
        """Write down that nothing was ever held."""
        self._db.execute("UPDATE trades SET status = 'void' WHERE trade = ?", (trade,))

    def void_open_trades(self) -> list[str]:
        """Write of every trade that is not over that it came to nothing; their symbols."""
        lost = self.open_trades()
        for trade in lost:
            self.void_trade(trade.trade)
        return [trade.symbol for trade in lost]

    def open_trades(self) -> list[OpenTrade]:
        """Every trade that is not over, oldest first."""
        return self._open_trades("")

    def open_trade_named(self, trade: str) -> OpenTrade | None:
        """One that is not over; None if it is, or never was."""
        return next(iter(self._open_trades("AND trade = ?", trade)), None)

    def _open_trades(self, which: str, *values: str) -> list[OpenTrade]:
        rows = self._db.execute(
            f"SELECT {_TRADE} FROM trades WHERE status IN ('opening', 'open') {which} ORDER BY opened, trade",  # noqa: S608
            values,
        )
        return [OpenTrade(**read(_TRADE, row, "price stop take_profit size")) for row in rows]

    def closed_trades(self, *, model_file: str | None = None, since: int = 0) -> list[ClosedTrade]:
        """Trades that are over, in the order in which they ended."""
        which = "" if model_file is None else "AND model_file = ?"
        rows = self._db.execute(
            f"SELECT {_CLOSED} FROM trades WHERE status = 'closed' AND closed >= ? {which} "  # noqa: S608
            "ORDER BY closed, trade",
            (since,) if model_file is None else (since, model_file),
        )
        money = "price size entry_price exit_price fees profit"
        return [ClosedTrade(**read(_CLOSED, row, money)) for row in rows]

    def orders_of(self, trade: str) -> list[OrderRecord]:
        """All orders of a trade, oldest first."""
        return self._orders("trade = ?", (trade,))

    def unresolved(self) -> list[OrderRecord]:
        """Orders of which it is not known what became of them."""
        return self._orders(f"status IN ({','.join('?' * len(UNRESOLVED))})", UNRESOLVED)

    def _orders(self, where: str, values: Sequence[SqlValue]) -> list[OrderRecord]:
        rows = self._db.execute(f"SELECT {_ORDER} FROM orders WHERE {where} ORDER BY written, rowid", values)  # noqa: S608
        found = []
        for row in rows:
            order = read(_ORDER, row, "size filled average_price fee")
            order["filled"] = order["filled"] or Decimal(0)
            order["fee"] = order["fee"] or Decimal(0)
            order["order_id"] = order["order_id"] or ""
            found.append(OrderRecord(**order))
        return found

    def orders_since(self, at: int, *, of_experiments: bool = False) -> int:
        """How many orders were sent from a time (ms) on; what was adopted was none.

        Parameters
        ----------
        at : int
        of_experiments : bool
            Whether those of experiments are counted, or the others.
        """
        (count,) = self._db.execute(
            "SELECT COUNT(*) FROM orders JOIN trades ON trades.trade = orders.trade WHERE written >= ? "
            "AND NOT (orders.status = 'filled' AND order_id IS NULL) "
            "AND (trades.experiment IS NOT NULL) = ?",
            (at, int(of_experiments)),
        ).fetchone()
        return int(count)

    def record_fills(self, fills: Iterable[Fill], trade: OpenTrade | None) -> None:
        """Keep executions; one that is known already is not kept twice.

        A fill belongs to the trade whose order made it; one that no order made, to ``trade`` if it closed
        some of that side.
        """
        with self._db.transaction():
            for fill in fills:
                query = "SELECT trade FROM orders WHERE client_id = ? OR (order_id = ? AND order_id <> '')"
                found = self._db.execute(query, (fill.client_id, fill.order_id)).fetchone()
                belongs = None if found is None else str(found[0])
                if belongs is None and trade is not None and fill.purpose == "close":
                    belongs = trade.trade if fill.side == trade.side else None
                values = [sql_value(getattr(fill, name)) for name in _FILL.split(", ")]
                marks = ",".join("?" * (len(values) + 1))
                self._db.execute(
                    f"INSERT OR IGNORE INTO fills ({_FILL}, trade) VALUES ({marks})",  # noqa: S608
                    (*values, belongs),
                )

    def fills_of(self, trade: str) -> list[Fill]:
        """Executions that were kept with a trade, oldest first."""
        rows = self._db.execute(
            f"SELECT {_FILL} FROM fills WHERE trade = ? ORDER BY at, trade_id",  # noqa: S608
            (trade,),
        )
        return [Fill(**read(_FILL, row, "price size fee")) for row in rows]

    def losing_streak(self, experiment: int | None = None) -> tuple[int, int | None]:
        """How many of the newest trades lost in a row, and when the last of them ended.

        Those of an experiment, by number, or those of none.
        """
        streak, last = 0, None
        rows = self._db.execute(
            "SELECT net, closed FROM trades WHERE closed IS NOT NULL AND experiment IS ? "
            "ORDER BY closed DESC, trade DESC LIMIT ?",
            (experiment, _LONGEST_STREAK),
        )
        for net, closed in rows:
            if net >= 0:
                break
            streak, last = streak + 1, last or closed
        return streak, last

    def correct(self, at: int, *, kind: str, symbol: str, why: str, outcome: str) -> None:
        """Keep a correction with what came of it.

        Parameters
        ----------
        at : int
            Now, ms.
        kind : str
        symbol : str
        why : str
            A clause.
        outcome : str
            ``done``, or why not.
        """
        self._db.write_only(
            "INSERT INTO corrections (at, kind, symbol, why, outcome) VALUES (?, ?, ?, ?, ?)",
            (at, kind, symbol, why, outcome),
        )
