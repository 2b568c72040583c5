"""Stops and take-profits of unified accounts, as the list of strategy orders has them.

Place in the house: beside ``desk.market.bitget.account.unified.rows``.  Rows come in; what each does to a
position goes out, in the words of ``desk.market.bitget.account.bound_exits``, which knows what ends a whole
position.  Pure.

One strategy order holds a stop, a take-profit or both, under one id.  Whether its row says that it follows
the whole position is not established (``tpslMode`` is in requests); a row without that word and with a size
counts for that size, one without a size for the whole position.

References
----------
``docs/bitget.md``, section U8.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from desk.market.bitget.account.bound_exits import BoundExit
from desk.market.bitget.account.fields import Row, price_or_none, text, word
from desk.market.bitget.account.unified.rows import SIDES
from desk.policy import LONG, SHORT

ENDED = frozenset({"success", "failed", "cancelled", "canceled"})


@dataclass(frozen=True, slots=True)
class StrategyExit:
    """A stop, a take-profit or both, that wait under one id."""

    order_id: str
    symbol: str
    side: int | None
    """Of its position; None where the row doesn't say."""
    stop_loss: Decimal | None
    take_profit: Decimal | None
    stop_at_market: bool
    take_profit_at_market: bool
    size: Decimal | None
    """In base coin; None: the row names none."""
    follows: bool
    """It follows the whole position, whatever its size."""

    def is_of(self, symbol: str, side: int) -> bool:
        """Whether it belongs to this position."""
        return self.symbol == symbol and self.side in {None, side}

    def exits(self, *, followers: Iterable[str] = ()) -> tuple[BoundExit, ...]:
        """What it does; ``followers`` are ids of which it is known that they follow the whole position."""
        whole = self.follows or self.order_id in set(followers)
        parts = (
            ("loss", self.stop_loss, self.stop_at_market),
            ("profit", self.take_profit, self.take_profit_at_market),
        )
        return tuple(
            BoundExit(
                order_id=self.order_id,
                symbol=self.symbol,
                side=self.side,
                kind=f"pos_{name}" if whole else f"{name}_plan",
                trigger=trigger,
                size=self.size,
                at_market=at_market,
            )
            for name, trigger, at_market in parts
            if trigger is not None
        )


def strategy_of(row: Row) -> StrategyExit:
    """Read a strategy order."""
    side = SIDES.get(word(row, "posSide", "holdSide"))
    if side is None:
        side = {"sell": LONG, "buy": SHORT}.get(word(row, "side"))
    size, extent = price_or_none(row.get("qty")), word(row, "tpslMode")
    return StrategyExit(
        order_id=text(row, "orderId"),
        symbol=text(row, "symbol"),
        side=side,
        stop_loss=price_or_none(row.get("stopLoss")),
        take_profit=price_or_none(row.get("takeProfit")),
        stop_at_market=word(row, "slOrderType") != "limit",
        take_profit_at_market=word(row, "tpOrderType") != "limit",
        size=size,
        follows=extent == "full" or (not extent and size is None),
    )


def waits(row: Row) -> bool:
    """Whether a row is a stop or a take-profit that waits."""
    return word(row, "type") in {"tpsl", ""} and word(row, "status") not in ENDED
