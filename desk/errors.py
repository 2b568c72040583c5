"""Everything that can go wrong, arranged by what the caller should do about it.

* DeskError
  + SettingsError            the user edits config.py, an argument or the environment; nothing started
  + DataError                this symbol is left out of the run; the others go on
    - CandleError              rows that break a candle invariant
    - NotEnoughHistory         fewer candles or labels than needed: a stated reason to skip
    - MissingFeatures          too many rows without usable features
    - LookAhead                a feature or a label knew what live trading could not know
    - UntradablePrices         prices so coarse, or so unknown, that costs of a trade would be invented
    - CacheError               a cached file is corrupt, foreign or absent: set it aside, fetch anew
  + ModelError               this symbol is not traded; its last good model stays
    - ModelIncomplete          a file is missing, or is not the one that the metadata name
    - ContractMismatch         the model was trained on another feature contract
  + ExchangeError            see the three branches
    - Refused                  the exchange said no: do not repeat the request
      . AccountError             and it will say so to everything: stop; the user puts key or account right
    - Throttled                the exchange said later: wait, then repeat it
    - Unanswered               nobody knows: repeat a read, look a write up first
      . Unreadable               it was reached, and its answer is not what was asked for
  + FetchEnds                no symbol would fare better: what was fetched is kept, and the run stops
    - Unwritable               the cache folder cannot be written any more
  + OutputLost               all was done, and the document about it could not be handed over

A message may quote what came from outside, so every message is one safe line (``desk.safe_text``): of what an
exchange wrote at most 300 characters, of the others 4,000.

Programming mistakes are not in this tree.  They stay ``TypeError``, ``ValueError`` or
``AssertionError`` and are meant to be seen.
"""

from typing import Literal, Self

from desk.safe_text import LONGEST, safe_text

LONGEST_MESSAGE = 4_000
"""Characters; a message that lists every complaint is long."""
LONGEST_CODE = 20
"""Characters; codes of the exchange have five."""
Meaning = Literal[
    "duplicate",
    "nothing_there",
    "not_found",
    "no_margin",
    "size_or_price",
    "not_traded",
    "suspended",
    "setting_locked",
    "setting_unchanged",
    "wrong_side",
    "mode",
    "wrong_time",
    "account",
    "unknown",
]
"""What kind of no a refusal is, whatever code the exchange has for it.

``duplicate``: the client id is taken, so the order may be there.  ``nothing_there``: there is nothing to
close or to cancel, which is what was wanted.  ``not_found``: the exchange knows no such order.
``no_margin``, ``size_or_price``: this order cannot be had.  ``not_traded``: the symbol takes no orders.
``suspended``: this one symbol takes none for now.  ``setting_locked``: positions or orders hold a setting
where it is.  ``setting_unchanged``: it was so already.  ``wrong_side``: the price is beyond the trigger
already.  ``mode``: the order is meant for the other position mode.  ``wrong_time``: the request's timestamp
is off.  ``account``: every request would be refused.
"""


class DeskError(Exception):
    """Root of the tree."""

    def __init__(self, message: str = "") -> None:
        super().__init__(safe_text(message, LONGEST_MESSAGE))


class SettingsError(DeskError):
    """A setting, argument or environment variable is wrong; the message lists every complaint."""


class DataError(DeskError):
    """One symbol's data cannot be used."""


class CandleError(DataError):
    """A row is not a candle, or the rows are not a series of candles."""


class NotEnoughHistory(DataError):  # noqa: N818 - a stated reason to skip, not a fault
    """There are fewer candles or labelled candles than the work needs."""


class MissingFeatures(DataError):  # noqa: N818 - the guide's message, "Too many missing features"
    """Too many rows that should have features have none."""


class LookAhead(DataError):  # noqa: N818 - says what was found
    """A feature differs from what live trading computes, or a label is known before its candle."""


class UntradablePrices(DataError):  # noqa: N818 - says what the prices are
    """The price step is unknown or too coarse, or a price after costs is none."""


class CacheError(DataError):
    """A cached file is corrupt, foreign, hostile or absent; the message names it."""


class ModelError(DeskError):
    """A published model cannot be used."""


class ModelIncomplete(ModelError):  # noqa: N818 - says what the model is
    """A file of a published model is missing, or is not the one that its metadata name."""


class ContractMismatch(ModelError):  # noqa: N818 - says what was found
    """A model was trained on features that this checkout computes differently."""


class ExchangeError(DeskError):
    """A call to the exchange did not succeed.

    ``endpoint`` is the path without its query, so that the text is safe to log: no key, no
    signature and no account number is ever part of it.
    """

    def __init__(self, message: str, *, endpoint: str) -> None:
        super().__init__(f"{endpoint}: {safe_text(message)}")
        self.endpoint = endpoint


class Refused(ExchangeError):  # noqa: N818 - says what the exchange did
    """The exchange answered, and the answer is no.

    Parameters
    ----------
    message : str
        What the exchange wrote.
    endpoint : str
        Path without its query.
    code : str
        The exchange's business code, for people who look it up; empty where it has none.
    meaning : Meaning
        What callers decide by.
    """

    def __init__(self, message: str, *, endpoint: str, code: str, meaning: Meaning = "unknown") -> None:
        self.code = safe_text(code, LONGEST_CODE)
        text = safe_text(message, LONGEST - LONGEST_CODE - len(" (code )"))
        super().__init__(f"{text} (code {self.code})" if code else text, endpoint=endpoint)
        self.meaning = meaning


class AccountError(Refused):
    """The key, or the account, cannot trade here; the message says what the user must put right."""

    def __init__(self, message: str, *, endpoint: str, code: str) -> None:
        super().__init__(message, endpoint=endpoint, code=code, meaning="account")


class Throttled(ExchangeError):  # noqa: N818 - says what the exchange did
    """The exchange asks for a pause: too many requests, or it is being maintained."""


class Unanswered(ExchangeError):  # noqa: N818 - says what happened
    """No usable answer came, so the request may or may not have taken effect.

    A read is simply asked again.  A write is never repeated blindly: the order is looked up by its
    client order id first, because the first attempt may have filled.
    """

    @classmethod
    def of(cls, refusal: Refused) -> Self:
        """Take a refusal for no answer: one that a later answer to the same read will not repeat."""
        error = cls("", endpoint=refusal.endpoint)
        error.args = refusal.args
        return error


class Unreadable(Unanswered):
    """The exchange was reached, and its answer is not what was asked for; it may give it again for ever."""


class FetchEnds(DeskError):  # noqa: N818 - says what it does
    """No symbol would fare better: what was fetched is kept, and the run stops."""


class Unwritable(FetchEnds):
    """The cache folder cannot be written any more: the disk is full, or the folder is gone."""


class OutputLost(DeskError):  # noqa: N818 - says what happened
    """Standard output is closed or full, and a document was to be written there."""
