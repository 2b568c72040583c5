"""Rows of the API v3: settings, balances and positions of a unified account.

Place in the house: the market, inside the emulator.  As ``uta_rows``.  Pure.

REST and sockets differ in the names of sizes, prices and margins, as the exchange's do.

References
----------
``docs/bitget.md``, sections U4 (settings, balances), U9 (positions) and U10 (sockets).
"""

from decimal import Decimal
from typing import Final

from desk.market.emulator.endpoints import PRODUCT_TYPE
from desk.market.emulator.private_rows import COIN, Row, decimal_field
from desk.market.emulator.uta_book import UnifiedBook
from desk.market.emulator.uta_rows import word_of_side
from desk.market.matching import SimulatedPosition
from desk.market.matching.values import ZERO

UID: Final = "1000000001"


def settings_row(book: UnifiedBook) -> Row:
    """Object of ``account/settings``; only symbols that were configured or traded have a row."""
    rows = []
    for symbol, mode in sorted(book.configured):
        setup = book.account.setup(symbol)
        leverage = setup.cross_leverage if mode == "crossed" else setup.long_leverage
        rows.append(
            {
                "category": PRODUCT_TYPE,
                "symbol": symbol,
                "marginMode": mode,
                "leverage": decimal_field(leverage),
            }
        )
    return {
        "uid": UID,
        "accountMode": book.kind,
        "assetMode": "union",
        "accountLevel": book.level,
        "holdMode": f"{book.account.mode}_mode",
        "stpMode": "none",
        "symbolConfigList": rows,
        "coinConfigList": [],
    }


def assets_row(book: UnifiedBook) -> Row:
    """Object of ``account/assets``: ``mmr`` and ``imr`` are amounts."""
    account = book.account
    positions = list(account.positions.values())
    balance = account.balance()
    unrealized = balance.equity - account.cash
    equity, profit = balance.equity, unrealized
    if not book.options.isolated_in_equity:
        isolated = [held for held in positions if held.margin_mode == "isolated"]
        profit -= sum((account.unrealized(held) for held in isolated), ZERO)
        equity = account.pool() + profit
    kept = sum((_maintenance(book, held) for held in positions), ZERO)
    value = sum((held.size * account.marks[held.symbol] for held in positions), ZERO)
    ratio = decimal_field(round(kept / equity, 4)) if equity > 0 else "0"
    return {
        "accountEquity": decimal_field(equity),
        "usdtEquity": decimal_field(equity),
        "btcEquity": "0",
        "unrealisedPnl": decimal_field(profit),
        "usdtUnrealisedPnl": decimal_field(profit),
        "btcUnrealizedPnl": "0",
        "effEquity": decimal_field(equity),
        "mmr": decimal_field(kept),
        "imr": decimal_field(sum((held.margin for held in positions), ZERO)),
        "mgnRatio": ratio,
        "positionMgnRatio": ratio,
        "positionValue": decimal_field(value),
        "leverage": decimal_field(round(value / equity, 2)) if equity > 0 else "0",
        "assets": [_asset_row(book)] if balance.equity else [],
    }


def _asset_row(book: UnifiedBook) -> Row:
    """Row of USDT in ``assets``; ``locked`` is of spot orders only."""
    balance = book.account.balance()
    bound = sum((held.margin for held in book.account.positions.values()), ZERO)
    available = balance.available + (bound if book.options.available == "gross" else ZERO)
    return {
        "coin": COIN,
        "equity": decimal_field(balance.equity),
        "usdValue": decimal_field(balance.equity),
        "balance": decimal_field(book.account.cash),
        "available": decimal_field(available),
        "debt": "0",
        "locked": "0",
    }


def unified_position_row(book: UnifiedBook, position: SimulatedPosition) -> Row:
    """Row of ``current-position``: no stop, and ``posSide`` long or short in one-way mode too."""
    row = _position_fields(book, position)
    return {
        **row,
        "category": PRODUCT_TYPE,
        "positionBalance": decimal_field(position.margin),
        "total": decimal_field(position.size),
        "positionStatus": "normal",
        "liquidationPrice": decimal_field(book.account.liquidation_price(position) or ZERO),
        "totalFunding": decimal_field(-position.funding),
    }


def pushed_unified_position_row(book: UnifiedBook, position: SimulatedPosition) -> Row:
    """Row of the ``position`` topic."""
    return {
        **_position_fields(book, position),
        "marginSize": decimal_field(position.margin),
        "size": decimal_field(position.size),
        "positionStatus": "opening",
        "liqPrice": decimal_field(book.account.liquidation_price(position) or ZERO),
        "totalFundingFee": decimal_field(-position.funding),
    }


def ended_position_row(book: UnifiedBook, position: SimulatedPosition, at: int) -> Row:
    """Row of the ``position`` topic for a position that was closed at ``at`` (ms): most fields are empty."""
    kept = {
        "symbol": position.symbol,
        "marginCoin": COIN,
        "marginMode": position.margin_mode,
        "holdMode": f"{book.account.mode}_mode",
        "posSide": word_of_side(position.side),
        "size": "0",
        "positionStatus": "ended",
        "createdTime": str(position.opened),
        "updatedTime": str(at),
    }
    return {**dict.fromkeys(pushed_unified_position_row(book, position), ""), **kept}


def _position_fields(book: UnifiedBook, position: SimulatedPosition) -> Row:
    """Fields that both rows of a position share."""
    account = book.account
    mark, contract = account.marks[position.symbol], account.contracts[position.symbol]
    unrealized = account.unrealized(position)
    even = position.entry_price * (1 + position.side * 2 * contract.taker_fee)
    return {
        "symbol": position.symbol,
        "marginCoin": COIN,
        "holdMode": f"{account.mode}_mode",
        "posSide": word_of_side(position.side),
        "marginMode": position.margin_mode,
        "available": decimal_field(position.size),
        "frozen": "0",
        "leverage": decimal_field(position.leverage),
        "curRealisedPnl": decimal_field(position.profit),
        "avgPrice": decimal_field(position.entry_price),
        "unrealisedPnl": decimal_field(unrealized),
        "mmr": decimal_field(contract.maintenance_rate),
        "profitRate": decimal_field(round(unrealized / max(position.margin, contract.tick), 4)),
        "markPrice": decimal_field(mark),
        "breakEvenPrice": decimal_field(even),
        "openFeeTotal": decimal_field(-position.fees),
        "closeFeeTotal": "0",
        "createdTime": str(position.opened),
        "updatedTime": str(position.updated),
    }


def pushed_assets_row(book: UnifiedBook) -> Row:
    """Row of the ``account`` topic: no ``usdtEquity``, and debts instead of a debt."""
    row, asset = assets_row(book), _asset_row(book)
    coin = {name: asset[name] for name in ("coin", "balance", "locked", "equity", "usdValue", "available")}
    return {
        "totalEquity": row["accountEquity"],
        **{name: row[name] for name in ("effEquity", "mmr", "imr", "mgnRatio", "positionMgnRatio")},
        "unrealisedPnL": row["unrealisedPnl"],
        "coin": [{**coin, "borrow": "0", "debts": "0"}],
    }


def _maintenance(book: UnifiedBook, position: SimulatedPosition) -> Decimal:
    """Maintenance margin of a position, in USDT."""
    account = book.account
    return (
        position.size * account.marks[position.symbol] * account.contracts[position.symbol].maintenance_rate
    )
