"""What every exchange of ours must keep, simulated or real: a test contract to inherit.

A test module derives ``class TestMine(ExchangeContract)`` and gives a fixture ``floor``: an open
``TradingFloor`` on which BTCUSDT and ETHUSDT trade at 100, tick 0.1, size step 0.01 or finer, fees 0.0006,
with 10,000 USDT on the account and nothing else.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final, Protocol

import pytest

from desk.errors import Meaning, Refused
from desk.orders import AccountUpdate, MarginMode, OrderRequest, PositionMode
from desk.policy import LONG, SHORT
from desk.ports import Exchange

SYMBOL: Final = "BTCUSDT"
DEPOSIT: Final = Decimal(10_000)
SLIP: Final = Decimal("0.5")
"""The most that a market order may cost against the price, at 100."""


class TradingFloor(Protocol):
    """An exchange under test, and its market."""

    exchange: Exchange

    async def trade_at(self, price: str) -> None:
        """Let SYMBOL trade at ``price``, without having been anywhere between."""

    async def until_heard(self) -> None:
        """Wait until what the exchange says unasked reaches the caller of ``pushes``."""


def entry(
    client_id: str = "t-1", *, side: int = LONG, size: str = "2", **told: Decimal | None
) -> OrderRequest:
    """A market order that opens."""
    request = OrderRequest(
        client_id=client_id,
        symbol=SYMBOL,
        side=side,
        purpose="open",
        size=Decimal(size),
        kind="market",
        price=None,
        stop_loss=told.get("stop_loss"),
        take_profit=told.get("take_profit"),
    )
    price = told.get("price")
    return request if price is None else replace(request, kind="limit", price=price)


def leave(client_id: str = "t-2", *, side: int = LONG, size: str = "2") -> OrderRequest:
    """A market order that closes."""
    return replace(entry(client_id, side=side, size=size), purpose="close")


async def held(floor: TradingFloor) -> dict[int, Decimal]:
    """Sizes by side."""
    return {holding.side: holding.size for holding in await floor.exchange.positions()}


class ExchangeContract:
    """The claims."""

    async def test_it_tells_what_orders_must_obey(self, floor: TradingFloor) -> None:
        contracts = {contract.symbol: contract for contract in await floor.exchange.contracts()}
        contract = contracts[SYMBOL]

        assert contract.status == "normal"
        assert min(contract.tick, contract.size_step, contract.min_size, contract.max_leverage) > 0
        assert 0 < contract.maker_fee < contract.taker_fee < Decimal("0.01")
        assert 0 < contract.maintenance_rate < Decimal("0.1")

    async def test_it_tells_the_time(self, floor: TradingFloor) -> None:
        assert await floor.exchange.server_time() > 1_600_000_000_000

    async def test_nothing_is_there_at_first(self, floor: TradingFloor) -> None:
        """The empty forms of every answer differ on the wire; here they are all alike."""
        balance = await floor.exchange.balance()

        assert (balance.equity, balance.available) == (DEPOSIT, DEPOSIT)
        assert list(await floor.exchange.positions()) == []
        assert list(await floor.exchange.open_orders()) == []
        assert list(await floor.exchange.fills(SYMBOL, 0)) == []
        assert await floor.exchange.order(SYMBOL, "never-sent") is None

    @pytest.mark.parametrize("mode", ["one_way", "hedge"])
    @pytest.mark.parametrize("margin", ["isolated", "crossed"])
    @pytest.mark.parametrize("side", [LONG, SHORT])
    async def test_a_market_order_opens_and_another_one_closes(
        self, floor: TradingFloor, mode: PositionMode, margin: MarginMode, side: int
    ) -> None:
        """In every mode the caller speaks of the position's side, and never of buying and selling."""
        exchange = floor.exchange
        await exchange.set_position_mode(mode)
        await exchange.set_up(SYMBOL, leverage=Decimal(4), margin=margin)
        order_id = await exchange.place(entry(side=side))
        [holding] = await exchange.positions()
        opened = await exchange.order(SYMBOL, "t-1")
        within = await exchange.balance()
        await exchange.place(leave(side=side))
        closed = await exchange.order(SYMBOL, "t-2")
        fills = await exchange.fills(SYMBOL, 0)

        assert opened is not None
        assert closed is not None
        assert (opened.order_id, opened.status, opened.filled) == (order_id, "filled", Decimal(2))
        assert (opened.side, opened.purpose, closed.side, closed.purpose) == (side, "open", side, "close")
        assert (holding.symbol, holding.side, holding.size) == (SYMBOL, side, Decimal(2))
        assert (holding.leverage, holding.margin_mode) == (Decimal(4), margin)
        assert abs(holding.entry_price - 100) <= SLIP
        assert DEPOSIT - 52 < within.available < DEPOSIT - 49
        assert await held(floor) == {}
        assert [fill.size for fill in fills] == [2, 2]
        assert [(fill.purpose, fill.side) for fill in fills] == [("open", side), ("close", side)]

    async def test_the_balance_is_what_the_fills_say(self, floor: TradingFloor) -> None:
        """What is paid for everything, less what it was sold for, less the fees."""
        exchange = floor.exchange
        await exchange.place(entry())
        await floor.trade_at("103")
        await exchange.place(leave(size="1"))
        await exchange.close(SYMBOL, LONG)
        money = DEPOSIT
        for fill in await exchange.fills(SYMBOL, 0):
            way = fill.side if fill.purpose == "open" else -fill.side
            money -= way * fill.price * fill.size + fill.fee
        balance = await exchange.balance()

        assert abs(balance.equity - money) < Decimal("1e-9")
        assert balance.available == balance.equity
        assert money > DEPOSIT + 4

    async def test_equity_moves_with_the_price(self, floor: TradingFloor) -> None:
        await floor.exchange.place(entry(size="10"))
        before = (await floor.exchange.balance()).equity
        await floor.trade_at("98")
        [holding] = await floor.exchange.positions()

        assert (await floor.exchange.balance()).equity == before - 20
        assert holding.mark_price == 98
        assert abs(holding.unrealized + 20) <= 10 * SLIP

    async def test_a_client_id_is_good_for_one_order(self, floor: TradingFloor) -> None:
        """A repeated request is refused, or answered with the order that is there: never a second order."""
        order_id = await floor.exchange.place(entry())
        try:
            assert await floor.exchange.place(entry()) == order_id
        except Refused as refused:
            assert refused.meaning == "duplicate"  # noqa: PT017 - either answer is right

        assert await held(floor) == {LONG: 2}

    @pytest.mark.parametrize("mode", ["one_way", "hedge"])
    async def test_closing_never_opens(self, floor: TradingFloor, mode: PositionMode) -> None:
        """An exit that is larger than what the stop has left must not become a position."""
        await floor.exchange.set_position_mode(mode)
        await floor.exchange.place(entry())
        await floor.exchange.place(leave(size="5"))

        assert await held(floor) == {}

    async def test_being_flat_already_is_no_error(self, floor: TradingFloor) -> None:
        """The stop may have been faster than the exit."""
        await floor.exchange.close(SYMBOL, LONG)
        await floor.exchange.place(entry())
        await floor.exchange.close(SYMBOL, LONG)
        await floor.exchange.close(SYMBOL, LONG)

        assert await held(floor) == {}

    @pytest.mark.parametrize("mode", ["one_way", "hedge"])
    @pytest.mark.parametrize(("side", "stop", "through"), [(LONG, "95", "94"), (SHORT, "105", "106")])
    async def test_an_attached_stop_is_told_and_fires(
        self, floor: TradingFloor, mode: PositionMode, side: int, stop: str, through: str
    ) -> None:
        """The one protection that works while the machine is off."""
        await floor.exchange.set_position_mode(mode)
        await floor.exchange.place(entry(side=side, stop_loss=Decimal(stop)))
        [holding] = await floor.exchange.positions()
        await floor.trade_at(through)
        fills = await floor.exchange.fills(SYMBOL, 0)

        assert holding.stop_loss == Decimal(stop)
        assert await held(floor) == {}
        assert len(fills) == 2
        assert abs(fills[1].price - Decimal(through)) <= SLIP

    async def test_an_attached_take_profit_fires_at_its_level(self, floor: TradingFloor) -> None:
        await floor.exchange.place(entry(stop_loss=Decimal(90), take_profit=Decimal(104)))
        [holding] = await floor.exchange.positions()
        await floor.trade_at("104.5")
        fills = await floor.exchange.fills(SYMBOL, 0)

        assert holding.take_profit == 104
        assert await held(floor) == {}
        assert abs(fills[1].price - 104) <= SLIP

    @pytest.mark.parametrize("mode", ["one_way", "hedge"])
    async def test_protection_replaces_what_was_there(self, floor: TradingFloor, mode: PositionMode) -> None:
        """Also the stop that came with the order: else the nearer one goes on ending positions."""
        await floor.exchange.set_position_mode(mode)
        await floor.exchange.place(entry(stop_loss=Decimal(95), take_profit=Decimal(104)))
        await floor.exchange.protect(SYMBOL, LONG, stop_loss=Decimal(90), take_profit=None)
        [holding] = await floor.exchange.positions()
        await floor.trade_at("105")
        await floor.trade_at("94")
        still = await held(floor)
        await floor.trade_at("89.9")

        assert (holding.stop_loss, holding.take_profit) == (Decimal(90), None)
        assert still == {LONG: 2}
        assert await held(floor) == {}

    async def test_a_stop_for_a_part_is_not_the_stop_of_the_position(self, floor: TradingFloor) -> None:
        """What was added to a position has none; with one of its own, the farther of the two ends it."""
        await floor.exchange.place(entry(stop_loss=Decimal(95)))
        await floor.exchange.place(entry("t-2"))
        [bare] = await floor.exchange.positions()
        await floor.exchange.place(entry("t-3", stop_loss=Decimal(90)))
        await floor.exchange.place(entry("t-4", stop_loss=Decimal(94)))
        [still_bare] = await floor.exchange.positions()
        await floor.exchange.place(entry("t-5", stop_loss=Decimal(93)))
        await floor.exchange.protect(SYMBOL, LONG, stop_loss=Decimal(92), take_profit=None)
        [whole] = await floor.exchange.positions()

        assert (bare.size, bare.stop_loss) == (Decimal(4), None)
        assert (still_bare.size, still_bare.stop_loss) == (Decimal(8), None)
        assert (whole.size, whole.stop_loss) == (Decimal(10), Decimal(92))

    async def test_stops_for_parts_may_cover_the_whole_together(self, floor: TradingFloor) -> None:
        """The price at which the last of the position is closed counts."""
        await floor.exchange.place(entry(stop_loss=Decimal(95)))
        await floor.exchange.place(entry("t-2", stop_loss=Decimal(90)))
        [holding] = await floor.exchange.positions()

        assert (holding.size, holding.stop_loss) == (Decimal(4), Decimal(90))

    async def test_an_unprotected_position_can_be_protected(self, floor: TradingFloor) -> None:
        await floor.exchange.place(entry(side=SHORT))
        [before] = await floor.exchange.positions()
        await floor.exchange.protect(SYMBOL, SHORT, stop_loss=Decimal(103), take_profit=Decimal(97))
        [after] = await floor.exchange.positions()
        await floor.trade_at("103")

        assert (before.stop_loss, before.take_profit) == (None, None)
        assert (after.stop_loss, after.take_profit) == (Decimal(103), Decimal(97))
        assert await held(floor) == {}

    async def test_a_stop_on_the_wrong_side_is_refused(self, floor: TradingFloor) -> None:
        """It would end the position at once."""
        await floor.exchange.place(entry())
        with pytest.raises(Refused):
            await floor.exchange.protect(SYMBOL, LONG, stop_loss=Decimal(101), take_profit=None)

        assert await held(floor) == {LONG: 2}

    async def test_a_limit_order_waits_and_can_be_cancelled(self, floor: TradingFloor) -> None:
        """Cancelling is a cleanup: done already, or never there, is as good."""
        exchange = floor.exchange
        await exchange.place(entry(price=Decimal(98)))
        [waiting] = await exchange.open_orders()
        await exchange.cancel(SYMBOL, "t-1")
        await exchange.cancel(SYMBOL, "never-sent")
        cancelled = await exchange.order(SYMBOL, "t-1")

        assert (waiting.client_id, waiting.status, waiting.average_price) == ("t-1", "live", None)
        assert cancelled is not None
        assert (cancelled.status, cancelled.filled) == ("canceled", Decimal(0))
        assert list(await exchange.open_orders()) == []
        assert (await exchange.balance()).available == DEPOSIT

    async def test_a_limit_order_is_filled_by_a_price_that_goes_through_it(self, floor: TradingFloor) -> None:
        await floor.exchange.place(entry(price=Decimal(98), stop_loss=Decimal(90)))
        await floor.trade_at("97.9")
        order = await floor.exchange.order(SYMBOL, "t-1")
        [holding] = await floor.exchange.positions()

        assert order is not None
        assert (order.status, order.average_price) == ("filled", Decimal(98))
        assert order.fee == Decimal("0.0002") * 196
        assert holding.stop_loss == 90

    async def test_in_hedge_mode_the_two_sides_are_apart(self, floor: TradingFloor) -> None:
        await floor.exchange.set_position_mode("hedge")
        await floor.exchange.place(entry("t-1", side=LONG))
        await floor.exchange.place(entry("t-2", side=SHORT, size="3"))
        both = await held(floor)
        await floor.exchange.close(SYMBOL, LONG)

        assert both == {LONG: 2, SHORT: 3}
        assert await held(floor) == {SHORT: 3}

    @pytest.mark.parametrize("margin", ["isolated", "crossed"])
    async def test_setting_up_may_be_repeated(self, floor: TradingFloor, margin: MarginMode) -> None:
        """At every start, with positions open, it asks for what is there already."""
        for _ in range(2):
            await floor.exchange.set_position_mode("one_way")
            await floor.exchange.set_up(SYMBOL, leverage=Decimal(3), margin=margin)
        await floor.exchange.place(entry())
        await floor.exchange.set_position_mode("one_way")
        await floor.exchange.set_up(SYMBOL, leverage=Decimal(3), margin=margin)
        [holding] = await floor.exchange.positions()

        assert (holding.leverage, holding.margin_mode) == (Decimal(3), margin)

    async def test_settings_that_are_locked_are_refused(self, floor: TradingFloor) -> None:
        """The desk must hear that it does not trade as it was told to."""
        await floor.exchange.set_up(SYMBOL, leverage=Decimal(3), margin="isolated")
        await floor.exchange.place(entry())
        with pytest.raises(Refused):
            await floor.exchange.set_up(SYMBOL, leverage=Decimal(3), margin="crossed")
        with pytest.raises(Refused):
            await floor.exchange.set_position_mode("hedge")

    @pytest.mark.parametrize(
        ("request_", "meaning"),
        [
            pytest.param(entry(size="0.04"), "size_or_price", id="value below the minimum"),
            pytest.param(entry(size="1000"), "no_margin", id="more than the money"),
            pytest.param(replace(entry(), symbol="NOPEUSDT"), "not_traded", id="unknown symbol"),
            pytest.param(entry(price=Decimal("98.05")), "size_or_price", id="price off the tick"),
        ],
    )
    async def test_what_breaks_a_rule_is_refused_with_its_meaning(
        self, floor: TradingFloor, request_: OrderRequest, meaning: Meaning
    ) -> None:
        with pytest.raises(Refused) as caught:
            await floor.exchange.place(request_)

        assert caught.value.meaning == meaning
        assert await held(floor) == {}
        assert (await floor.exchange.balance()).equity == DEPOSIT

    async def test_fills_are_told_from_a_time_on(self, floor: TradingFloor) -> None:
        await floor.exchange.place(entry())
        [fill] = await floor.exchange.fills(SYMBOL, 0)

        assert [each.trade_id for each in await floor.exchange.fills(SYMBOL, fill.at)] == [fill.trade_id]
        assert list(await floor.exchange.fills(SYMBOL, fill.at + 1)) == []
        assert fill.fee == fill.price * fill.size * Decimal("0.0006")
        assert list(await floor.exchange.fills("ETHUSDT", 0)) == []

    async def test_what_happens_is_pushed(self, floor: TradingFloor) -> None:
        """Order, fill, position and balance; in the end the stop that nobody asked about."""
        pushes: list[AccountUpdate] = []
        heard = asyncio.Event()

        async def listen() -> None:
            async for push in floor.exchange.pushes():
                pushes.append(push)
                heard.set()

        async def until(*claims: Callable[[AccountUpdate], object]) -> None:
            async with asyncio.timeout(10):
                while not all(any(claim(push) for push in pushes) for claim in claims):
                    heard.clear()
                    await heard.wait()

        task = asyncio.create_task(listen())
        try:
            await floor.until_heard()
            pushes.clear()
            await floor.exchange.place(entry(stop_loss=Decimal(95)))
            await until(
                lambda push: push.order and push.order.status == "filled",
                lambda push: push.fill and push.fill.client_id == "t-1",
                lambda push: push.positions,
                lambda push: push.balance,
            )
            pushes.clear()
            await floor.trade_at("94")
            await until(lambda push: push.positions == (), lambda push: push.balance)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
