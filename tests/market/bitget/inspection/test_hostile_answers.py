"""What ``--check`` reads is as little trusted as what a session reads."""

from decimal import Decimal

import pytest

from desk.market.bitget.inspection.account_facts import read_account
from desk.market.bitget.inspection.probe import Probe
from desk.market.bitget.public import TIME
from tests.market.bitget.account.test_account import CREDENTIALS, link
from tests.market.lines import exchange, tell
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
