"""Which API an account has: found with the key, never guessed, and found again when it changes."""

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from desk.errors import AccountError, ExchangeError, Refused, Throttled
from desk.market.bitget.account.account import MOST_REFUSALS, BitgetAccount
from desk.market.bitget.account.classic import requests as classic
from desk.market.bitget.account.unified import requests as unified
from soaks.unified_rows import ASSETS, SETTINGS
from tests.market.bitget.account.test_account import CREDENTIALS, REQUEST, link
from tests.market.bitget.account.test_wire import BALANCE
from tests.market.lines import Exchange, exchange, hang_up, refuse, tell
from tests.market.samples import ImpatientClock

UNIFIED, CLASSIC = tell(SETTINGS), refuse("40084", status=400)


@contextlib.asynccontextmanager
async def account(**changes: Any) -> AsyncIterator[tuple[BitgetAccount, Exchange, ImpatientClock]]:
    clock = ImpatientClock()
    async with exchange() as served:
        served.on(f"GET {unified.ASSETS}", tell(ASSETS))
        served.on(f"GET {unified.BOUND}", tell([]))
        served.on(f"GET {classic.ACCOUNTS}", tell([BALANCE]))
        async with BitgetAccount(link(served, **changes), CREDENTIALS, clock=clock) as client:
            yield client, served, clock


@pytest.mark.parametrize(
    ("answer", "kind", "equity"),
    [
        (UNIFIED, "unified", "1000.12"),
        (tell({**SETTINGS, "accountMode": "hybrid"}), "unified", "1000.12"),
        (tell({key: SETTINGS[key] for key in SETTINGS if key != "accountMode"}), "unified", "1000.12"),
        (CLASSIC, "classic", "1016.2401"),
        (refuse("25245"), "classic", "1016.2401"),
    ],
)
async def test_the_key_tells_the_kind(answer: Any, kind: str, equity: str) -> None:
    """Asked once, by a read that changes nothing; and of no other API before."""
    async with account() as (client, served, _):
        served.on(f"GET {unified.SETTINGS}", answer)
        found = await client.kind()
        balance = await client.balance()

    assert (found, balance.equity) == (kind, Decimal(equity))
    assert served.asked[0][0] == f"GET {unified.SETTINGS}"
    assert served.count("account/settings") == 1


@pytest.mark.parametrize(
    "answer",
    [
        *(refuse(code) for code in ("40006", "40009", "40012", "40014", "40018", "40037", "40099", "40085")),
        *(refuse("40034"), refuse("59999"), refuse("429", status=429), hang_up, tell([])),
    ],
)
async def test_what_decides_nothing_ends_the_start(answer: Any) -> None:
    """A wrong key taken for a classic account would be traded by the wrong API, or told to be unified."""
    async with account() as (client, served, _):
        served.on(f"GET {unified.SETTINGS}", answer)
        with pytest.raises(ExchangeError):
            await client.balance()

    assert {name.split("/")[-1] for name, _, _ in served.asked} == {"settings"}


@pytest.mark.parametrize(
    ("code", "remedy"), [("40099", "--mode demo"), ("40012", "BITGET_API_KEY"), ("40014", "permission")]
)
@pytest.mark.parametrize("path", [unified.SETTINGS, unified.ASSETS])
async def test_a_key_that_cannot_trade_is_told_with_the_remedy(code: str, remedy: str, path: str) -> None:
    """Of unified accounts as of classic ones; nothing of the key is in the text."""
    async with account() as (client, served, _):
        served.on(f"GET {unified.SETTINGS}", UNIFIED)
        served.on(f"GET {path}", refuse(code))
        with pytest.raises(AccountError, match=remedy) as caught:
            await client.balance()

    assert not any(part in str(caught.value) for part in (CREDENTIALS.key, CREDENTIALS.passphrase))


@pytest.mark.parametrize("mode", ["upgrading", "switching"])
async def test_an_account_that_is_being_changed_is_waited_for(mode: str) -> None:
    async with account() as (client, served, clock):
        served.on(f"GET {unified.SETTINGS}", tell({**SETTINGS, "accountMode": mode}), UNIFIED)

        assert await client.kind() == "unified"

    assert 10.0 in clock.waits


async def test_a_change_without_an_end_is_told() -> None:
    """After ten minutes; nothing was traded."""
    async with account() as (client, served, clock):
        served.on(f"GET {unified.SETTINGS}", tell({**SETTINGS, "accountMode": "upgrading"}))
        with pytest.raises(Throttled, match="upgrading"):
            await client.kind()

    assert clock.waits.count(10.0) == 60


async def test_an_account_that_was_upgraded_meanwhile_is_traded_on() -> None:
    """The call that meets the change says "later"; the next one is of the other API, set up as before."""
    async with account() as (client, served, _):
        served.on(f"GET {unified.SETTINGS}", CLASSIC, UNIFIED)
        served.on(
            f"GET {classic.ACCOUNT}", tell({**BALANCE, "isolatedLongLever": 3, "isolatedShortLever": 3})
        )
        served.on(f"GET {unified.POSITIONS}", tell({"list": None}))
        served.on(f"POST {unified.SET_LEVERAGE}", tell("success"))
        served.on(f"POST {unified.PLACE}", tell({"orderId": "7"}))
        await client.set_up("ETHUSDT", leverage=Decimal(3), margin="isolated")
        served.on(f"POST {classic.PLACE}", refuse("40085"))
        with pytest.raises(Throttled):
            await client.place(REQUEST)

        assert await client.place(REQUEST) == "7"
        assert await client.kind() == "unified"

    assert len(served.bodies("/api/v2/mix/order/place-order")) == 1
    assert [one["leverage"] for one in served.bodies("/set-leverage")] == ["3", "3"]


async def test_an_account_that_contradicts_itself_ends_the_session() -> None:
    """Settings that say unified, and calls that are refused for it: nothing can be traded."""
    async with account() as (client, served, _):
        served.on(f"GET {unified.SETTINGS}", UNIFIED)
        served.on(f"GET {unified.ASSETS}", refuse("40084"))
        for _ in range(MOST_REFUSALS):
            with pytest.raises(Throttled):
                await client.balance()
        with pytest.raises(AccountError, match="in turn"):
            await client.balance()


async def test_other_refusals_say_nothing_about_the_kind() -> None:
    async with account() as (client, served, _):
        served.on(f"GET {unified.SETTINGS}", UNIFIED)
        served.on(f"POST {unified.PLACE}", refuse("25202"))
        with pytest.raises(Refused):
            await client.place(REQUEST)
        await client.balance()

    assert served.count("account/settings") <= 2
