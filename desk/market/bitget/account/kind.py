"""Which API an account has: that of classic accounts (v2), or that of unified ones (v3).

Place in the house: ``desk.market.bitget.account.account`` asks before the first private request, and again
when a call is refused because the account has the other API.

One read with the key itself decides, and only its two clear answers do.  A wrong key, a missing permission, a
pause or no answer at all say nothing about the kind: they are handed on, and nothing is guessed.  An account
that is being changed from one kind to the other is waited for.

References
----------
``docs/bitget.md``, section U1.
"""

import logging
from typing import Literal

from desk.errors import AccountError, Refused, Throttled
from desk.market.bitget.account.rest import SignedRest
from desk.market.bitget.account.unified import requests as asked
from desk.market.bitget.account.unified.rows import UnifiedSettings
from desk.market.bitget.account.unified.wire import read_settings
from desk.ports import Clock

AccountKind = Literal["classic", "unified"]
CLASSIC_CODES = frozenset({"40084", "25245"})
CHANGING_PAUSE_S = 10.0
LONGEST_CHANGE_S = 600.0
"""So long an account that is being changed is waited for."""
log = logging.getLogger(__name__)


async def account_kind(rest: SignedRest, *, clock: Clock, wait_s: float = LONGEST_CHANGE_S) -> AccountKind:
    """Find the kind of the account that a key belongs to.

    Parameters
    ----------
    rest : SignedRest
        Open.
    clock : Clock
    wait_s : float
        So long an account that is being changed is waited for, in seconds.

    Raises
    ------
    AccountError
        If the key or the account can do nothing here, or the answer decides nothing.
    Throttled, Unanswered
        If there is no answer, or the account is still being changed: later.
    """
    began = clock.monotonic()
    while True:
        try:
            found = await rest.read(asked.SETTINGS, {}, read_settings)
        except AccountError:
            raise
        except Refused as exc:
            if exc.code in CLASSIC_CODES:
                return "classic"
            raise AccountError(
                f"the kind of the account (classic or unified) could not be found: {exc}",
                endpoint=asked.SETTINGS,
                code=exc.code,
            ) from exc
        if found.settled:
            return "unified"
        await _pause(found, clock, clock.monotonic() - began, wait_s)


async def _pause(found: UnifiedSettings, clock: Clock, waited: float, wait_s: float) -> None:
    if waited + CHANGING_PAUSE_S > wait_s:
        raise Throttled(
            f"Bitget is changing the account ({found.mode}): start again once that is done",
            endpoint=asked.SETTINGS,
        )
    if waited < CHANGING_PAUSE_S:
        log.warning("Bitget is changing the account (%s); waiting until that is done", found.mode)
    await clock.sleep(CHANGING_PAUSE_S)
