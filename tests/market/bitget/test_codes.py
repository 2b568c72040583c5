"""Whoever acts on a refusal acts on its meaning, so each code must have the right one."""

import json

import pytest

from desk.errors import AccountError, Meaning, Refused, Throttled
from desk.market.bitget.codes import meaning_of, refusal
from desk.market.bitget.wire import read_data

SUSPENDED = ("40308", "41114", "43115", "43119", "43120", "40844", "45043")
"""They speak of one contract."""


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
        *((code, "suspended") for code in SUSPENDED),
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


@pytest.mark.parametrize("code", SUSPENDED)
def test_a_contract_in_maintenance_pauses_nobody(code: str) -> None:
    """An order of another contract goes the same way: healthy exits were minutes late."""
    with pytest.raises(Refused) as caught:
        read_data(json.dumps({"code": code, "msg": "no", "data": None}).encode(), endpoint="place")

    assert caught.value.meaning == "suspended"


@pytest.mark.parametrize(("status", "code"), [(200, "429"), (429, "40308"), (200, "40200"), (400, "40200")])
def test_only_two_answers_ask_everybody_for_a_pause(status: int, code: str) -> None:
    """Too many requests, and an exchange that is being upgraded."""
    with pytest.raises(Throttled):
        read_data(json.dumps({"code": code}).encode(), endpoint="place", status=status)


def test_a_refusal_of_the_account_advises() -> None:
    """The exchange's own words name no environment variable."""
    found = refusal("Passphrase error", endpoint="place", code="40012")

    assert isinstance(found, AccountError)
    assert "check BITGET_API_KEY" in str(found)
    assert not isinstance(refusal("no", endpoint="place", code="40762"), AccountError)
