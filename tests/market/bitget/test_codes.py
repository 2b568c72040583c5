"""Whoever acts on a refusal acts on its meaning, so each code must have the right one."""

import pytest

from desk.errors import AccountError, Meaning
from desk.market.bitget.codes import meaning_of, refusal


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("40786", "duplicate"),
        ("22002", "nothing_there"),
        ("45129", "nothing_there"),
        ("40109", "not_found"),
        ("40762", "no_margin"),
        ("45110", "size_or_price"),
        ("40309", "not_traded"),
        ("45117", "setting_locked"),
        ("40814", "setting_unchanged"),
        ("45122", "wrong_side"),
        ("40774", "mode"),
        ("40008", "wrong_time"),
        ("40012", "account"),
        ("43011", "unknown"),
        ("99999", "unknown"),
    ],
)
def test_codes_have_their_meanings(code: str, meaning: Meaning) -> None:
    """By section 12 of the notes on the exchange."""
    assert meaning_of(code) == meaning
    assert refusal("no", endpoint="place", code=code).meaning == meaning


def test_a_refusal_of_the_account_advises() -> None:
    """The exchange's own words name no environment variable."""
    found = refusal("Passphrase error", endpoint="place", code="40012")

    assert isinstance(found, AccountError)
    assert "check BITGET_API_KEY" in str(found)
    assert not isinstance(refusal("no", endpoint="place", code="40762"), AccountError)
