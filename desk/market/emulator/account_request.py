"""Fields of a private request, checked one by one.

Place in the house: the market, inside the emulator.  Query or body come in, checked values or a
``RequestDenied`` go out, to ``private``.  Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from desk.market.emulator.endpoints import PRODUCT_TYPE, RequestDenied
from desk.market.matching import Matching
from desk.market.matching.account import SimulatedAccount
from desk.reading import decimal_of, read_json

LONGEST_ID = 30
"""Digits of an id, or of a time; those of the exchange have 19."""


@dataclass(frozen=True, slots=True)
class AccountRequest:
    """One request, and the account that it concerns."""

    fields: Mapping[str, object]
    """Query of a GET, JSON body of a POST."""
    matching: Matching
    now: int
    """Server time, ms."""

    @property
    def account(self) -> SimulatedAccount:
        """The customer's account in the matching core."""
        return self.matching.account

    def text(self, name: str) -> str:
        """Value of a field, empty where it is absent."""
        value = self.fields.get(name)
        return "" if value is None else str(value)

    def required(self, name: str) -> str:
        """Value of a field that must be there."""
        if value := self.text(name):
            return value
        raise RequestDenied("40019", f"Parameter {name} cannot be empty")

    def word(self, name: str, *allowed: str, usual: str = "") -> str:
        """Value of a field that must be one of some words, in any case; ``usual`` where it is absent."""
        value = (self.text(name) or usual).lower()
        if not value:
            raise RequestDenied("40019", f"Parameter {name} cannot be empty")
        if value not in allowed:
            raise RequestDenied("400172", f"Parameter verification failed: {name} is {value}")
        return value

    def number(self, name: str) -> Decimal:
        """Value of a field that must be a number."""
        number = self.optional_number(name)
        if number is None:
            raise RequestDenied("40019", f"Parameter {name} cannot be empty")
        return number

    def optional_number(self, name: str) -> Decimal | None:
        """Value of a field that must be a number if it is there."""
        value = self.text(name)
        if not value:
            return None
        try:
            return decimal_of(value)
        except ValueError:
            raise RequestDenied("40020", f"Parameter {name} error") from None

    def integer(self, name: str) -> int | None:
        """Value of a field that must be a whole number if it is there."""
        value = self.text(name)
        if not value:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= LONGEST_ID):
            raise RequestDenied("40020", f"Parameter {name} error")
        return int(value)

    def rows(self, name: str) -> list[Mapping[str, object]]:
        """Value of a field that is a list of objects, empty where it is absent; 50 at most."""
        value = self.fields.get(name) or []
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise RequestDenied("40020", f"Parameter {name} error")
        if len(value) > 50:
            raise RequestDenied("40053", f"Parameter {name} holds more than 50 orders")
        return value

    def symbol(self) -> str:
        """A symbol that must be named and known."""
        symbol = self.required("symbol")
        if symbol not in self.account.contracts:
            raise RequestDenied("40034", f"Parameter {symbol} does not exist")
        return symbol

    def optional_symbol(self) -> str | None:
        """A symbol that must be known if it is named."""
        return self.symbol() if self.text("symbol") else None

    def check_product(self) -> None:
        """Raise unless the product type is USDT-FUTURES."""
        if self.required("productType").upper() != PRODUCT_TYPE:
            raise RequestDenied("400172", "Parameter verification failed: productType")

    def check_coin(self) -> None:
        """Raise unless the margin coin is USDT."""
        if self.required("marginCoin").upper() != "USDT":
            raise RequestDenied("400172", "Parameter verification failed: marginCoin")


def body_of(text: str) -> Mapping[str, object]:
    """Read the body of a POST."""
    try:
        body = read_json(text or "{}")
    except ValueError:
        raise RequestDenied("40017", "Parameter verification failed: the body is not JSON") from None
    if not isinstance(body, dict):
        raise RequestDenied("40017", "Parameter verification failed: the body is not an object")
    return body
