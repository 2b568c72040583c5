"""The signed client against the embedded exchange: two readings of one document, over real sockets."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from desk.clock import SystemClock
from desk.errors import AccountError, Refused, Throttled, Unanswered
from desk.market.bitget.account.account import BitgetAccount
from desk.market.bitget.account.signing import Credentials
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.emulator.keys import Keys
from desk.market.settings import LinkSettings
from desk.orders import ContractTerms, MarginMode, OrderRequest, Position, PositionMode
from desk.policy import LONG, SHORT
from tests.market.samples import ImpatientClock, random_candles

KEYS = Keys()
CREDENTIALS = Credentials(KEYS.key, KEYS.secret, KEYS.passphrase)
CANDLES = random_candles(count=900)
PRICE = Decimal(repr(float(CANDLES.close[-1])))

every_mode = pytest.mark.parametrize("mode", ["one_way", "hedge"])
every_margin = pytest.mark.parametrize("margin", ["isolated", "crossed"])


@dataclass
class Desk:
    """An account at an embedded exchange, set up."""

    client: BitgetAccount
    served: EmbeddedExchange
    contract: ContractTerms

    def near(self, share: str) -> Decimal:
        """A price that is ``share`` of the present one, on the tick."""
        return PRICE * Decimal(share) // self.contract.tick * self.contract.tick

    def order(self, name: str, side: int = LONG, size: str = "0.5", **changes: Any) -> OrderRequest:
        """A market order to open, with a stop."""
        values: dict[str, Any] = {
            "client_id": name,
            "symbol": "BTCUSDT",
            "side": side,
            "purpose": "open",
            "size": Decimal(size),
            "kind": "market",
            "price": None,
            "stop_loss": self.near("0.9" if side == LONG else "1.1"),
            "take_profit": None,
        }
        return OrderRequest(**{**values, **changes})

    async def position(self) -> Position:
        """The only position."""
        (position,) = await self.client.positions()
        return position


def link(url: str, *, demo: bool = False) -> LinkSettings:
    return LinkSettings(
        base_url=url,
        ws_url=url.replace("http", "ws"),
        proxy="",
        largest_body_mib=16,
        demo=demo,
        timeout_s=5.0,
        attempts=4,
        give_up_after_s=30.0,
    )


@contextlib.asynccontextmanager
async def desk(
    mode: PositionMode = "one_way", margin: MarginMode = "isolated", faults: Mapping[str, float] | None = None
) -> AsyncIterator[Desk]:
    clock = ImpatientClock()
    options = ExchangeOptions(rate_limit=0, faults=faults or {}, fault_seed=5)
    async with (
        EmbeddedExchange([CANDLES], options, clock=clock) as served,
        BitgetAccount(link(served.url), CREDENTIALS, clock=clock) as client,
    ):
        (contract,) = await client.contracts()
        while True:
            with contextlib.suppress(Unanswered, Throttled):
                await client.set_position_mode(mode)
                await client.set_up("BTCUSDT", leverage=Decimal(5), margin=margin)
                break
        yield Desk(client, served, contract)


@every_mode
@every_margin
@pytest.mark.parametrize("side", [LONG, SHORT])
async def test_a_position_lives_and_ends(mode: PositionMode, margin: MarginMode, side: int) -> None:
    """Opened with a stop, given another, reduced, closed: in every mode, either side, on the right side."""
    async with desk(mode, margin) as at:
        order_id = await at.client.place(at.order("t-1", side))
        held = await at.position()
        assert (held.side, held.size, held.margin_mode) == (side, Decimal("0.5"), margin)
        assert held.stop_loss == at.near("0.9" if side == LONG else "1.1")

        nearer = at.near("0.95" if side == LONG else "1.05")
        await at.client.protect("BTCUSDT", side, stop_loss=nearer, take_profit=None)
        assert (await at.position()).stop_loss == nearer

        await at.client.place(at.order("t-2", side, "0.2", purpose="close", stop_loss=None))
        assert (await at.position()).size == Decimal("0.3")

        await at.client.close("BTCUSDT", side)
        await at.client.close("BTCUSDT", side)
        assert await at.client.positions() == ()
        fills = await at.client.fills("BTCUSDT", 0)
        paid = sum((fill.fee for fill in fills), Decimal(0))
        balance = await at.client.balance()

    assert [(fill.client_id, fill.side, fill.purpose) for fill in fills] == [
        ("t-1", side, "open"),
        ("t-2", side, "close"),
        ("", side, "close"),
    ]
    assert fills[0].order_id == order_id
    flows = [fill.price * fill.size * (-side if fill.purpose == "open" else side) for fill in fills]
    gained = sum(flows, Decimal(0))
    assert abs(balance.equity - (Decimal(10_000) + gained - paid)) < Decimal("1e-6")


@every_mode
async def test_a_stop_and_a_take_profit_are_replaced_together(mode: PositionMode) -> None:
    """No take-profit asked for means that none is left."""
    async with desk(mode) as at:
        await at.client.place(at.order("t-1"))
        await at.client.protect("BTCUSDT", LONG, stop_loss=at.near("0.95"), take_profit=at.near("1.1"))
        both = await at.position()
        await at.client.protect("BTCUSDT", LONG, stop_loss=at.near("0.96"), take_profit=None)
        one = await at.position()

    assert (both.stop_loss, both.take_profit) == (at.near("0.95"), at.near("1.1"))
    assert (one.stop_loss, one.take_profit) == (at.near("0.96"), None)


@every_mode
async def test_an_order_whose_answer_was_lost_is_found_and_there_once(mode: PositionMode) -> None:
    """Looked up by its id; sent again, it is the order that is there; another under the id is refused."""
    async with desk(mode) as at:
        request = at.order("t-1")
        order_id = await at.client.place(request)
        found = await at.client.order("BTCUSDT", "t-1")
        assert await at.client.place(request) == order_id
        with pytest.raises(Refused, match="40786"):
            await at.client.place(at.order("t-1", size="0.6"))
        never = await at.client.order("BTCUSDT", "t-2")
        held = await at.position()

    assert found is not None
    assert (found.status, found.filled, never) == ("filled", Decimal("0.5"), None)
    assert held.size == Decimal("0.5")


async def test_limit_orders_are_listed_and_cancelled() -> None:
    """And cancelled twice."""
    async with desk() as at:
        await at.client.place(at.order("t-1", kind="limit", price=at.near("0.95")))
        (waiting,) = await at.client.open_orders()
        await at.client.cancel("BTCUSDT", "t-1")
        await at.client.cancel("BTCUSDT", "t-1")
        gone = await at.client.order("BTCUSDT", "t-1")

        assert await at.client.open_orders() == []
    assert (waiting.client_id, waiting.status) == ("t-1", "live")
    assert gone is not None
    assert gone.status == "canceled"


async def test_leverage_and_margin_are_set_and_told() -> None:
    """Locked by a position, the margin mode's refusal is told."""
    async with desk("hedge", "isolated") as at:
        await at.client.set_up("BTCUSDT", leverage=Decimal(7), margin="crossed")
        await at.client.place(at.order("t-1"))
        held = await at.position()
        with pytest.raises(Refused):
            await at.client.set_up("BTCUSDT", leverage=Decimal(7), margin="isolated")
        with pytest.raises(Refused):
            await at.client.set_position_mode("one_way")
        await at.client.set_position_mode("hedge")

    assert (held.leverage, held.margin_mode) == (Decimal(7), "crossed")


WRONG: dict[str, tuple[Credentials, Keys, bool, str]] = {
    "an unknown key": (Credentials("k", KEYS.secret, KEYS.passphrase), KEYS, False, "BITGET_API_KEY"),
    "a wrong secret": (Credentials(KEYS.key, "s", KEYS.passphrase), KEYS, False, "BITGET_API_KEY"),
    "a wrong passphrase": (Credentials(KEYS.key, KEYS.secret, "p"), KEYS, False, "BITGET_API_KEY"),
    "a demo key for the real account": (CREDENTIALS, Keys(demo=True), False, "--mode demo"),
    "a real key for the demo": (CREDENTIALS, KEYS, True, "--mode live"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_key_that_cannot_trade_is_told_with_the_remedy(name: str) -> None:
    """At the first question, before anything is traded."""
    credentials, keys, demo, remedy = WRONG[name]
    clock = ImpatientClock()
    async with (
        EmbeddedExchange([CANDLES], ExchangeOptions(keys=keys), clock=clock) as served,
        BitgetAccount(link(served.url, demo=demo), credentials, clock=clock) as client,
    ):
        with pytest.raises(AccountError, match=remedy):
            await client.balance()


@pytest.mark.parametrize("unified", [False, True], ids=["classic", "unified"])
async def test_the_demo_is_listened_to_under_either_kind_of_account(*, unified: bool) -> None:
    """The opening of a unified account's websocket must ask for the demo as well, or the login is refused."""
    keys, clock = Keys(demo=True, unified=unified), SystemClock()
    async with (
        EmbeddedExchange([CANDLES], ExchangeOptions(rate_limit=0, keys=keys), clock=clock) as served,
        BitgetAccount(link(served.url, demo=True), CREDENTIALS, clock=clock) as client,
        contextlib.aclosing(client.pushes()) as pushes,  # type: ignore[type-var]
    ):
        while not (await anext(pushes)).reconnected:
            pass  # all channels are open only then


async def test_a_websocket_that_does_not_ask_for_the_demo_is_refused_with_the_remedy() -> None:
    """A login that is refused for its environment is refused again: nobody waits a minute for it."""
    keys, clock = Keys(unified=True), SystemClock()
    async with (
        EmbeddedExchange([CANDLES], ExchangeOptions(rate_limit=0, keys=keys), clock=clock) as served,
        BitgetAccount(link(served.url), CREDENTIALS, clock=clock) as client,
        contextlib.aclosing(client.pushes()) as pushes,  # type: ignore[type-var]
    ):
        await client.kind()
        served.sockets._keys = replace(keys, demo=True)
        with pytest.raises(AccountError, match="--mode demo needs a key"):
            await anext(pushes)


async def test_orders_survive_answers_that_are_lost() -> None:
    """A third of all answers fail, or are lost after they took effect: no order is there twice."""
    async with desk(faults={"lost": 0.2, "500": 0.1, "reset": 0.1, "429": 0.05}) as at:
        for number in range(20):
            request = at.order(f"t-{number}", size="0.1")
            while await at.client.order("BTCUSDT", request.client_id) is None:
                with contextlib.suppress(Unanswered, Throttled):
                    await at.client.place(request)
        held = await at.position()
        known = at.served.stats.as_json()["trading"]

    assert held.size == 2
    assert isinstance(known, dict)
    assert known["orders"] == 20
