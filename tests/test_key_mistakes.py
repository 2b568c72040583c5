"""A key of either kind of account with every mistake that a key can have, through ``live_trade.py``.

Not here: what is missing in the environment (``tests/test_live_trade.py``).
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import live_trade
from desk.market.bitget.account import rest
from tests.test_live_command import KEYS, NAMES, SECRETS, SIGNATURE, Desk, desk

WRONG_KEY = "he key, its secret or its passphrase is wrong: check BITGET_API_KEY, _SECRET and _PASSPHRASE"
NO_PERMISSION = "he key lacks a permission: it needs futures trading (and no withdrawals)"
OTHER_ADDRESS = "he key may not be used from this address: add this machine's address to it at Bitget"
OTHER_ENVIRONMENT = "he key belongs to the other environment: --mode demo needs a key that was made inside"
PRIVATE = ("/api/v2/mix", "/api/v3")
ORDERS = ("/api/v2/mix/order", "/api/v2/mix/position", "/api/v3/trade", "/api/v3/position")
MISTAKES: dict[str, tuple[dict[str, Any], str, dict[str, str], str]] = {
    "unknown key": ({}, "live", {"BITGET_API_KEY": "bg_wr0ng"}, WRONG_KEY),
    "wrong secret": ({}, "live", {"BITGET_API_SECRET": "wr0ng-5ecre7"}, WRONG_KEY),
    "wrong passphrase": ({}, "live", {"BITGET_API_PASSPHRASE": "wr0ng-pa55phra5e"}, WRONG_KEY),
    "no permission": ({"lacks": PRIVATE}, "live", {}, NO_PERMISSION),
    "no permission for orders": ({"lacks": ORDERS}, "live", {}, NO_PERMISSION),
    "reads only": ({"read_only": True}, "live", {}, NO_PERMISSION),
    "another address": ({"address": "192.0.2.7"}, "live", {}, OTHER_ADDRESS),
    "demo key": ({"demo": True}, "live", {}, OTHER_ENVIRONMENT),
    "live key in demo mode": ({}, "demo", {}, OTHER_ENVIRONMENT),
}
"""The key's fields at the exchange, the mode, what is wrong in the environment, and the sentence."""

each_mistake = pytest.mark.parametrize("mistake", MISTAKES)
each_kind = pytest.mark.parametrize("unified", [False, True], ids=["classic", "unified"])


@pytest.fixture(autouse=True)
def _keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITGET_LIVE", "yes")
    for name, value in zip(NAMES, SECRETS, strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rest, "ASKED_AGAIN_S", (0.0, 0.0))  # else seconds pass


@pytest.fixture
def at(mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, unified: bool) -> Iterator[Desk]:
    """An account whose key has the mistake."""
    of_key, _, environment, _ = MISTAKES[mistake]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with desk(tmp_path, keys=replace(KEYS, unified=unified, **of_key)) as made:
        yield made


def outcome(at: Desk, mistake: str, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    """Status and texts of the command; neither the right nor the wrong secrets are in any of them."""
    _, mode, environment, _ = MISTAKES[mistake]
    status = live_trade.main(at.command(*more, mode=mode)[1:])
    said = capsys.readouterr()
    text = said.out + said.err
    files = [path for path in at.folder.iterdir() if path.is_file()]
    for shown in (text, *(path.read_bytes().decode("latin-1") for path in files)):
        assert not [secret for secret in (*SECRETS, *environment.values()) if secret in shown]
        assert not SIGNATURE.search(shown)
    assert "Traceback" not in text
    return status, " ".join(text.split())


@each_kind
@each_mistake
def test_a_session_ends_with_status_1_and_the_remedy(
    at: Desk, mistake: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever mistyped a key must not look for a fault of the exchange, of the network or of the suite."""
    at.hold()  # what it finds without a stop it protects: the first request that needs the right to trade
    with caplog.at_level(logging.INFO):
        status, said = outcome(at, mistake, capsys)

    assert status == 1, said
    assert MISTAKES[mistake][3] in said.rpartition("Ended: ")[2]
    assert not [secret for secret in SECRETS if secret in caplog.text]


@each_kind
@each_mistake
def test_a_check_names_the_mistake_once(at: Desk, mistake: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Six complaints about one key hide what is to be done, and an account that was not read is not empty."""
    status, said = outcome(at, mistake, capsys, "--check")

    if mistake == "reads only":  # no read shows it
        assert "whether it may trade shows with an order alone" in said
        return
    assert status == 1, said
    assert f"❌ T{MISTAKES[mistake][3]}" in said
    assert said.count("(code ") == 1
    assert "holds no USDT" not in said
    assert "positions none" not in said
