"""What ``--check`` reads is as little trusted as what a session reads."""

from decimal import Decimal

import pytest

from desk.market.bitget.account.secrecy import NOT_SHOWN, Secrets
from desk.market.bitget.inspection.account_facts import read_account
from desk.market.bitget.inspection.channels import MOST_NAMES, _Kept
from desk.market.bitget.inspection.probe import Probe
from desk.market.bitget.inspection.shapes import candle_facts
from desk.market.bitget.public import TIME
from tests.market.bitget.account.test_account import CREDENTIALS, link
from tests.market.lines import exchange, refuse, tell
from tests.market.samples import NOW, ImpatientClock


@pytest.mark.parametrize("told", ["1e400", "9" * 25, "9" * 5_000, None, [], -1])
async def test_a_time_that_is_none_is_said_to_be_none(told: object) -> None:
    """A clock set by it would sign with a time of nowhere."""
    async with exchange() as served:
        served.on(f"GET {TIME}", tell({"serverTime": told}))
        async with Probe(link(served), None, clock=ImpatientClock()) as probe:
            assert await probe.clock_ahead_s() == "the answer names no time"


@pytest.mark.parametrize(
    ("maker", "fees"),
    [("0.0002", (Decimal("0.0002"), Decimal("0.0006"))), ("1e999999999", None), ("a fee", None)],
)
async def test_a_fee_that_is_none_is_left_out(maker: str, fees: tuple[Decimal, Decimal] | None) -> None:
    """Written out it took a gigabyte, or ended the check with a traceback."""
    async with exchange() as served:
        served.on(f"GET {TIME}", tell({"serverTime": str(NOW)}))
        for path in ("mix/account/accounts", "mix/position/all-position", "mix/order/orders-pending"):
            served.on(f"GET /api/v2/{path}", tell([]))
        served.on("GET /api/v2/mix/account/account", tell({}))
        served.on("GET /api/v2/mix/order/orders-plan-pending", tell({}))
        served.on("GET /api/v2/common/trade-rate", tell({"makerFeeRate": maker, "takerFeeRate": "0.0006"}))
        async with Probe(link(served), CREDENTIALS, clock=ImpatientClock()) as probe:
            facts = await read_account(probe, "classic", ["BTCUSDT"])

    assert facts.fees == fees


@pytest.mark.parametrize("secret", [CREDENTIALS.key, CREDENTIALS.passphrase, CREDENTIALS.secret[:12]])
@pytest.mark.parametrize("place", ["code", "word", "name"])
async def test_an_answer_that_quotes_the_key_is_shown_nowhere(secret: str, place: str) -> None:
    """``--check`` printed a code that was the key, and ``--record`` kept it under any name and word."""
    answers = {
        "code": refuse(secret),
        "word": tell({"accountMode": "unified", "accountLevel": secret}),
        "name": tell({secret: "5"}),
    }
    async with exchange() as served:
        served.on(f"GET {TIME}", tell({"serverTime": str(NOW)}))
        served.on("GET /api/v3/account/settings", answers[place])
        async with Probe(link(served), CREDENTIALS, clock=ImpatientClock()) as probe:
            answer = await probe.ask("/api/v3/account/settings", {}, signed=True)

    assert answer.why_not() == NOT_SHOWN
    assert secret not in repr(answer)


@pytest.mark.parametrize("odd", ["abc", None, {}, [], "1e999999999"])
def test_candles_that_are_none_have_no_facts_that_fail(odd: object) -> None:
    """One text in a candle ended ``--check --record`` with a traceback."""
    rows = [[str(NOW), "1", "1", "1", odd, "1"], [str(NOW + 300_000), odd, "1", "1", "1", "1"]]

    assert not candle_facts(rows, end=None, now=NOW)["each candle opens where the one before closed"]
    assert candle_facts([["abc", odd, odd, odd, odd]] * 3, end=None, now=NOW) == {}


def test_messages_that_quote_the_key_are_not_kept() -> None:
    """The record is made to be handed on."""
    kept = _Kept(Secrets(CREDENTIALS))
    for text in (
        f'{{"event": "{CREDENTIALS.key}"}}',
        f"{CREDENTIALS.passphrase} \x1b[2J {{",
        '{"event": "login"}',
    ):
        kept.add(text)
    for number in range(1_000):
        kept.add(f'{{"event": "\u202e{number}"}}')

    assert list(kept.messages)[:2] == [NOT_SHOWN, "event login"]
    assert len(kept.messages) == MOST_NAMES
    assert all(name.isprintable() for name in kept.messages)
