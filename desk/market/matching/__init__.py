"""An exchange's account and what prices do to it: the matching core of the paper exchange and the emulator.

Place in the house: the market, as a double.  Tickets, prices, candles and funding rates come in; orders,
executions, positions and balances go out.  Pure: no clock (every call is handed its time), no file, no
network; the same calls give the same account, to the order ids.  Its two skins are
``desk.market.paper.exchange`` (in process) and ``desk.market.emulator`` (HTTP and websocket).

Reading order: ``values`` (what there is), ``margin`` (formulas), ``account`` (what an execution does to
money and positions), ``rules`` (what a ticket must obey), ``triggers`` (what a price on its way meets),
``market`` (what prices do), ``exchange`` (the calls).
"""

from desk.market.matching.exchange import Matching
from desk.market.matching.values import (
    Denied,
    FillModel,
    Force,
    MatchedFill,
    NewOrder,
    Order,
    Protection,
    SimulatedPosition,
    TriggerOrder,
)

__all__ = [
    "Denied",
    "FillModel",
    "Force",
    "MatchedFill",
    "Matching",
    "NewOrder",
    "Order",
    "Protection",
    "SimulatedPosition",
    "TriggerOrder",
]
