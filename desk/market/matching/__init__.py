"""The matching core of the paper exchange and the emulator: an account, and how prices change it.

Place in the house: the market, as a double.  Tickets, prices, candles and funding rates come in; orders,
executions, positions and balances go out.  Pure: no clock (every call is given the time), no file, no
network; the same calls give the same account, down to the order ids.  Its two skins are
``desk.market.paper.exchange`` (in process) and ``desk.market.emulator`` (HTTP and websocket).

Reading order: ``values``, ``margin`` (formulas), ``account`` (how an execution changes money and
positions), ``rules`` (what a ticket must pass), ``triggers`` (what a moving price hits), ``market`` (prices
and candles as events), ``exchange`` (requests of the customer).
"""

from desk.market.matching.exchange import Matching
from desk.market.matching.values import (
    Denied,
    FillCosts,
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
    "FillCosts",
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
