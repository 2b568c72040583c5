"""What orders in each contract must obey, which is public and the same for every kind of account.

Place in the house: between the accounts of either kind and ``desk.market.bitget.account.rest``.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from desk.market.bitget import wire
from desk.market.bitget.account.rest import SignedRest
from desk.market.bitget.public import CONTRACTS
from desk.market.history.contract_terms import strict_terms
from desk.orders import ContractTerms

QUERY = {"productType": "USDT-FUTURES"}


class ContractList:
    """The contracts of the exchange, and the fees of those that were asked for.

    Parameters
    ----------
    rest : SignedRest
    """

    def __init__(self, rest: SignedRest) -> None:
        self._rest = rest
        self._taker_fees: dict[str, Decimal] = {}

    @property
    def taker_fees(self) -> Mapping[str, Decimal]:
        """By symbol, as fractions; empty until the list was asked for."""
        return MappingProxyType(self._taker_fees)

    async def read(self) -> tuple[ContractTerms, ...]:
        """Ask for every perpetual."""
        terms = await self._rest.read(CONTRACTS, QUERY, read_contract_terms)
        self._taker_fees = {one.symbol: one.taker_fee for one in terms}
        return terms


def read_contract_terms(body: bytes, *, endpoint: str, status: int = 200) -> tuple[ContractTerms, ...]:
    """Read what orders in each perpetual must obey; ``bitget.wire.read_contracts`` shows the payload.

    The list doesn't tell the maintenance rate.  Taken is the margin rate at the highest leverage, which is
    above it: liquidation then looks nearer than it is.  A funding interval that is missing counts as an hour.

    Parameters
    ----------
    body : bytes
    endpoint : str
    status : int
        Of HTTP.

    Raises
    ------
    Throttled, Unanswered, Refused
        As ``desk.market.bitget.wire.read_contracts``.
    """
    listed = wire.read_contracts(body, endpoint=endpoint, status=status)
    return tuple(strict_terms(one) for one in listed.contracts if one.kind == "perpetual")
