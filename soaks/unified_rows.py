"""Rows of API v3 as ``docs/bitget.md`` shows them, for the fuzzer of its parsers and for their tests."""

from typing import Any

SETTINGS: dict[str, Any] = {
    "uid": "1",
    "accountMode": "unified",
    "assetMode": "union",
    "accountLevel": "basic",
    "holdMode": "one_way_mode",
    "symbolConfigList": [
        {"category": "USDT-FUTURES", "symbol": "BTCUSDT", "marginMode": "isolated", "leverage": "5"}
    ],
}
ORDER: dict[str, Any] = {
    "orderId": "1370000000000000001",
    "clientOid": "t-0001",
    "category": "USDT-FUTURES",
    "symbol": "BTCUSDT",
    "orderType": "market",
    "side": "buy",
    "price": "0",
    "qty": "0.01",
    "cumExecQty": "0.01",
    "cumExecValue": "1029.13",
    "avgPrice": "102913",
    "orderStatus": "filled",
    "posSide": "long",
    "holdMode": "one_way_mode",
    "tradeSide": "open",
    "delegateType": "market",
    "reduceOnly": "NO",
    "marginMode": "isolated",
    "stopLoss": "101200",
    "feeDetail": [{"feeCoin": "USDT", "fee": "0.61747"}],
    "execType": "normal",
    "createdTime": "1762560123401",
    "updatedTime": "1762560123440",
}
FILL: dict[str, Any] = {
    "execId": "1370000000000000002",
    "orderId": "1370000000000000001",
    "clientOid": "t-0001",
    "category": "USDT-FUTURES",
    "symbol": "BTCUSDT",
    "orderType": "market",
    "side": "buy",
    "posSide": "long",
    "tradeSide": "open",
    "execPrice": "102913",
    "execQty": "0.01",
    "feeDetail": [{"feeCoin": "USDT", "fee": "-0.61747"}],
    "execPnl": "0",
    "createdTime": "1762560123430",
}
POSITION: dict[str, Any] = {
    "category": "USDT-FUTURES",
    "symbol": "BTCUSDT",
    "holdMode": "one_way_mode",
    "posSide": "long",
    "marginMode": "isolated",
    "total": "0.01",
    "leverage": "5",
    "avgPrice": "102913",
    "unrealisedPnl": "-2.3",
    "liquidationPrice": "82742.1",
    "markPrice": "102683",
}
STRATEGY: dict[str, Any] = {
    "orderId": "1369857741236084740",
    "clientOid": "t-0004",
    "category": "USDT-FUTURES",
    "symbol": "BTCUSDT",
    "qty": "0.01",
    "posSide": "long",
    "status": "pending",
    "slTriggerBy": "market",
    "takeProfit": "",
    "stopLoss": "101200",
    "slOrderType": "market",
}
ASSETS: dict[str, Any] = {
    "usdtEquity": "1000.12",
    "effEquity": "1000.41",
    "assets": [{"coin": "USDT", "equity": "1000.12", "available": "899.3"}],
}
