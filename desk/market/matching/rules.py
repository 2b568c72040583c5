"""Rules that a ticket must pass before it becomes an order.

Place in the house: the market, inside the matching core.  A ticket and an account come in; a ``Denied`` is
raised if a rule is broken.  Pure: nothing is changed here.

The codes are those of ``docs/bitget.md``, section 12.  Where the exchange's behaviour is not established, the
stricter reading is taken, except that the least and largest sizes do not bind what closes: a position must
always be closable.
"""

import re
from decimal import Decimal
from typing import Final

from desk.market.matching.account import SimulatedAccount
from desk.market.matching.values import ZERO, Denied, FillModel, NewOrder, Protection
from desk.orders import ContractTerms

LONGEST_CLIENT_ID: Final = 50
_CLIENT_ID: Final = re.compile(r"[0-9A-Za-z+_#-]*")


def check_tradable(account: SimulatedAccount, ticket: NewOrder, at: int) -> ContractTerms:
    """Raise unless the ticket's symbol is traded and its purpose allowed now; returns the contract.

    Parameters
    ----------
    account : SimulatedAccount
    ticket : NewOrder
    at : int
        Time, ms.
    """
    contract = account.contracts.get(ticket.symbol)
    if contract is None:
        raise Denied("40034", f"Parameter {ticket.symbol} does not exist")
    if contract.off_time is not None and at >= contract.off_time:
        raise Denied("40309", "The contract has been removed")
    closing_only = contract.limit_open_time is not None and at >= contract.limit_open_time
    if ticket.purpose == "open" and (closing_only or contract.status != "normal"):
        raise Denied("45119", "Opening positions is not allowed in this contract now")
    if ticket.purpose == "close" and contract.status not in {"normal", "limit_open"}:
        raise Denied("40308", "The contract is being temporarily maintained")
    if ticket.symbol not in account.marks:
        raise Denied("40308", "The contract has no price yet")
    return contract


def check_client_id(account: SimulatedAccount, client_id: str) -> None:
    """Raise unless the client id is well formed and was never used."""
    if len(client_id) > LONGEST_CLIENT_ID:
        raise Denied("40304", f"The length of clientOid cannot exceed {LONGEST_CLIENT_ID}")
    if not _CLIENT_ID.fullmatch(client_id):
        raise Denied("40305", "clientOid holds characters that are not allowed")
    if client_id and client_id in account.ids:
        raise Denied("40786", "Duplicate clientOid")


def check_size(ticket: NewOrder, contract: ContractTerms, fill_model: FillModel, price: Decimal) -> None:
    """Raise unless the size is on the step, within the contract's limits, and of enough value.

    Parameters
    ----------
    ticket : NewOrder
    contract : ContractTerms
    fill_model : FillModel
        Without ``rounding`` any positive size passes.
    price : Decimal
        At which the value of the order is measured, USDT.
    """
    size = ticket.size
    if size <= 0:
        raise Denied("40808", "Parameter verification exception: size must be positive")
    if not fill_model.rounding:
        return
    if size % contract.size_step:
        raise Denied("40808", f"Parameter verification exception: size {size} checkScale error")
    if ticket.purpose == "close":
        return
    if size < contract.min_size:
        raise Denied("45111", f"The order size must be at least {contract.min_size}")
    if size * price < contract.min_notional:
        raise Denied("45110", f"The order value must be at least {contract.min_notional} USDT")
    largest = contract.max_market_size if ticket.kind == "market" else contract.max_limit_size
    if largest is not None and size > largest:
        raise Denied("45112", f"The order size must not exceed {largest}")


def check_tick(price: Decimal, contract: ContractTerms, fill_model: FillModel) -> None:
    """Raise unless ``price`` is positive and on the tick.

    Parameters
    ----------
    price : Decimal
        In USDT.
    contract : ContractTerms
    fill_model : FillModel
        Without ``rounding`` any positive price passes.
    """
    if price <= 0:
        raise Denied("40808", "Parameter verification exception: price must be positive")
    if fill_model.rounding and price % contract.tick:
        raise Denied("45115", f"The price must be a multiple of {contract.tick}")


def check_trigger(kind: Protection, side: int, trigger: Decimal, mark: Decimal) -> None:
    """Raise unless the price has yet to reach ``trigger``.

    Parameters
    ----------
    kind : Protection
    side : int
        Of the position: 1 long, -1 short.
    trigger : Decimal
        Price in USDT.
    mark : Decimal
        Present price, or the entry price of an order that rests.
    """
    against = side if kind == "stop_loss" else -side
    if against * (mark - trigger) <= 0:
        where = "below" if against > 0 else "above"
        raise Denied("40917", f"The {kind.replace('_', ' ')} price must be {where} the current price")


def check_money(account: SimulatedAccount, need: Decimal, *, released: Decimal = ZERO) -> None:
    """Raise unless the free cash and the amount ``released`` cover ``need``.

    Parameters
    ----------
    account : SimulatedAccount
    need : Decimal
        In USDT.
    released : Decimal
        Cash that the request sets free, USDT.
    """
    if need > account.available() + released:
        raise Denied("40762", "The order size exceeds the balance")
