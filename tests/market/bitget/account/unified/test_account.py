"""A unified account over HTTP: what is looked up before anything is sent again, and stops that are seen."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from desk.errors import AccountError, Refused, Unanswered
from desk.market.bitget.account.rest import SignedRest
from desk.market.bitget.account.stream import PrivateStream
from desk.market.bitget.account.unified import requests as asked
from desk.market.bitget.account.unified.account import UnifiedAccount
from desk.market.bitget.account.unified.messages import STREAM
from desk.orders import OrderRequest
from desk.policy import LONG
from soaks.unified_rows import ASSETS, FILL, ORDER, POSITION, SETTINGS, STRATEGY
from tests.market.bitget.account.test_account import CREDENTIALS, REQUEST, link
from tests.market.lines import Exchange, exchange, hang_up, refuse, tell
from tests.market.samples import NOW, ImpatientClock

CLOSING = replace(REQUEST, client_id="t-0002", purpose="close", stop_loss=None)
NONE = tell({"list": None})
HELD = tell({"list": [POSITION]})
RECENT_FILL = {**FILL, "createdTime": str(NOW)}


@contextlib.asynccontextmanager
async def account() -> AsyncIterator[tuple[UnifiedAccount, Exchange, ImpatientClock]]:
    clock = ImpatientClock()
    async with exchange() as served:
        served.on(f"GET {asked.SETTINGS}", tell(SETTINGS))
        served.on(f"GET {asked.BOUND}", tell([]))
        served.on(f"GET {asked.POSITIONS}", NONE)
        served.on(f"GET {asked.FILLS}", tell({"list": [], "cursor": None}))
        served.on(f"GET {asked.ORDER}", refuse("25204"))
        served.on(f"POST {asked.PLACE}", tell({"orderId": "7", "clientOid": "t-0001"}))
        settings = link(served)
        async with SignedRest(settings, CREDENTIALS, asked.PACE, clock=clock) as rest:
            stream = PrivateStream(settings, CREDENTIALS, STREAM, clock=clock)
            yield UnifiedAccount(rest, stream, clock=clock), served, clock


# Orders whose answer was lost ---------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [hang_up, refuse("25000"), refuse("40725"), refuse("99999")])
async def test_an_entry_whose_answer_was_lost_is_never_sent_again(lost: Any) -> None:
    """The exchange would take the same id for a second position, because the first order is filled."""
    async with account() as (client, served, clock):
        served.on(f"POST {asked.PLACE}", lost)
        with pytest.raises((Unanswered, Refused)):
            await client.place(REQUEST)
        with pytest.raises(Unanswered, match="not repeated"):
            await client.place(REQUEST)

    assert len(served.bodies("/place-order")) == 1
    assert served.count("order-info") == 3
    assert clock.waits[-2:] == [0.5, 1.0]
    assert served.count("fills") == 1


async def test_an_entry_that_was_refused_may_be_sent_again() -> None:
    """A refusal says that nothing happened."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.PLACE}", refuse("25202"), tell({"orderId": "7"}))
        with pytest.raises(Refused):
            await client.place(REQUEST)

        assert await client.place(REQUEST) == "7"


async def test_an_order_that_is_known_a_moment_later_is_found() -> None:
    """The first answer may come from a part of the exchange that has not heard of it."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.PLACE}", hang_up)
        served.on(f"GET {asked.ORDER}", refuse("25204"), refuse("25204"), tell(ORDER))
        with pytest.raises(Unanswered):
            await client.place(REQUEST)

        assert await client.place(REQUEST) == ORDER["orderId"]


async def test_an_order_is_found_by_its_executions() -> None:
    """They are told apart from the order; together they are all that is known of it."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.FILLS}", tell({"list": [RECENT_FILL], "cursor": None}))
        found = await client.order("BTCUSDT", "t-0001")

    assert found is not None
    assert (found.status, found.filled, found.order_id) == ("filled", Decimal("0.01"), ORDER["orderId"])


@pytest.mark.parametrize(("positions", "sent"), [(HELD, 2), (NONE, 1)])
async def test_an_exit_is_sent_again_while_the_position_is_there(positions: Any, sent: int) -> None:
    """It closes only; where the position is gone, the first one did its work."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.POSITIONS}", positions)
        served.on(f"POST {asked.PLACE}", hang_up, tell({"orderId": "8"}))
        with pytest.raises(Unanswered):
            await client.place(CLOSING)
        if sent == 2:
            assert await client.place(CLOSING) == "8"
        else:
            with pytest.raises(Refused) as caught:
                await client.place(CLOSING)
            assert caught.value.meaning == "nothing_there"

    assert len(served.bodies("/place-order")) == sent


async def test_a_client_id_that_rests_is_the_order_that_was_to_be_placed() -> None:
    """25212 is the twin of 40786."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.PLACE}", refuse("25212"))
        served.on(f"GET {asked.ORDER}", tell(ORDER))

        assert await client.place(REQUEST) == ORDER["orderId"]


async def test_another_order_under_the_id_is_told() -> None:
    async with account() as (client, served, _):
        served.on(f"POST {asked.PLACE}", refuse("25212"))
        served.on(f"GET {asked.ORDER}", tell({**ORDER, "side": "sell"}))
        with pytest.raises(Refused) as caught:
            await client.place(REQUEST)

    assert caught.value.meaning == "duplicate"


async def test_an_order_for_the_other_position_mode_is_sent_once_more() -> None:
    """It was refused before it took effect; somebody changed the mode by hand."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.SETTINGS}", tell(SETTINGS), tell({**SETTINGS, "holdMode": "hedge_mode"}))
        served.on(f"POST {asked.PLACE}", refuse("25236"), tell({"orderId": "7"}))
        await client.place(REQUEST)

    assert [one.get("posSide") for one in served.bodies("/place-order")] == [None, "long"]


# Closing ------------------------------------------------------------------------------------------------


async def test_nothing_to_close_is_believed_only_of_a_position_that_is_gone() -> None:
    """25227 was seen while a position was open."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.CLOSE}", refuse("25227"))
        await client.close("BTCUSDT", LONG)
        served.on(f"GET {asked.POSITIONS}", HELD)
        with pytest.raises(Unanswered):
            await client.close("BTCUSDT", LONG)


# Stops --------------------------------------------------------------------------------------------------


async def protect(client: UnifiedAccount, stop: int = 101200) -> None:
    await client.protect("BTCUSDT", LONG, stop_loss=Decimal(stop), take_profit=None)


async def test_a_stop_is_tried_again_until_the_position_is_seen() -> None:
    """Just after the entry strategy orders do not know it; and what names it, the sources disagree about."""
    async with account() as (client, served, clock):
        served.on(f"GET {asked.POSITIONS}", HELD)
        served.on(f"GET {asked.BOUND}", tell([]), tell([STRATEGY]))
        served.on(
            f"POST {asked.BIND}",
            *(refuse("31008"), refuse("25601"), refuse("31008")),
            tell({"orderId": STRATEGY["orderId"]}),
        )
        await protect(client)

    bodies = served.bodies("/place-strategy-order")
    assert [one.get("marginMode") for one in bodies] == ["isolated", "isolated", None, None]
    assert [one.get("posSide") for one in bodies] == ["long", "long", "long", None]
    assert (bodies[-1]["side"], bodies[-1]["reduceOnly"]) == ("sell", "yes")
    assert clock.waits.count(1.5) == 3
    assert len({one["clientOid"] for one in bodies}) == 4


async def test_a_stop_that_no_list_shows_is_not_there() -> None:
    """The list is the only proof."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.POSITIONS}", HELD)
        served.on(f"POST {asked.BIND}", tell({"orderId": "9"}))
        with pytest.raises(Unanswered):
            await protect(client)


async def test_a_second_stop_for_the_whole_moves_the_first() -> None:
    """25594: one follows the position already, though its row did not say so."""
    moved = {**STRATEGY, "stopLoss": "101500"}
    async with account() as (client, served, _):
        served.on(f"GET {asked.POSITIONS}", HELD)
        served.on(f"GET {asked.BOUND}", tell([STRATEGY]), tell([STRATEGY]), tell([moved]))
        served.on(f"POST {asked.BIND}", refuse("25594"))
        served.on(f"POST {asked.MOVE}", tell({"orderId": STRATEGY["orderId"]}))
        await protect(client, 101500)
        [position] = await client.positions()

    [body] = served.bodies("/modify-strategy-order")
    assert (body["orderId"], body["stopLoss"], body["qty"]) == (STRATEGY["orderId"], "101500", "0.01")
    assert position.stop_loss == 101500


async def test_a_stop_that_the_price_has_passed_is_told_as_such() -> None:
    """The caller closes at market then."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.POSITIONS}", HELD)
        served.on(f"POST {asked.BIND}", refuse("25586"))
        with pytest.raises(Refused) as caught:
            await protect(client)

    assert caught.value.meaning == "wrong_side"


async def test_what_a_former_position_left_is_cancelled_before_an_entry() -> None:
    """It would end the new position at a price that was meant for the old one."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.BOUND}", tell([STRATEGY, {**STRATEGY, "orderId": "2", "symbol": "ETHUSDT"}]))
        served.on(f"POST {asked.UNBIND}", tell(None))
        await client.place(REQUEST)

    assert served.bodies("/cancel-strategy-order") == [{"orderId": STRATEGY["orderId"]}]
    names = [name.split("/")[-1] for name, _, _ in served.asked if name.startswith("POST")]
    assert names == ["cancel-strategy-order", "place-order"]


async def test_the_stop_of_a_position_that_is_held_is_no_leftover() -> None:
    async with account() as (client, served, _):
        served.on(f"GET {asked.BOUND}", tell([STRATEGY]))
        served.on(f"GET {asked.POSITIONS}", HELD)
        await client.place(REQUEST)

    assert served.bodies("/cancel-strategy-order") == []


# Settings and money -------------------------------------------------------------------------------------


async def test_an_account_without_crossed_margin_says_what_to_switch() -> None:
    """Every order would be refused; the sentence names both ways out."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.SETTINGS}", tell({**SETTINGS, "accountLevel": "isolated"}))
        with pytest.raises(AccountError, match="basic"):
            await client.set_up("BTCUSDT", leverage=Decimal(5), margin="crossed")


async def test_a_leverage_that_is_another_afterwards_is_told() -> None:
    """The answer to setting it echoes nothing."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.SET_LEVERAGE}", tell("success"))
        with pytest.raises(Refused, match="it is 5"):
            await client.set_up("BTCUSDT", leverage=Decimal(3), margin="isolated")

    assert [one["posSide"] for one in served.bodies("/set-leverage")] == ["long", "short"]


async def test_a_side_whose_leverage_was_not_set_is_set_again() -> None:
    """Settings show one leverage of both sides: the other one stayed at 20, and nobody saw it."""
    async with account() as (client, served, _):
        hedged = {**SETTINGS, "holdMode": "hedge_mode"}
        served.on(f"GET {asked.SETTINGS}", tell(hedged))
        served.on(f"POST {asked.SET_LEVERAGE}", tell("success"), hang_up, tell("success"))
        with pytest.raises(Unanswered):
            await client.set_up("BTCUSDT", leverage=Decimal(5), margin="isolated")
        assert await client.set_up("BTCUSDT", leverage=Decimal(5), margin="isolated")
        assert not await client.set_up("BTCUSDT", leverage=Decimal(5), margin="isolated")

    assert [one["posSide"] for one in served.bodies("/set-leverage")] == ["long", "short"] * 2


async def test_the_leverage_of_a_position_counts_beside_that_of_the_settings() -> None:
    """It is by its own that a position is liquidated."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.SET_LEVERAGE}", tell("success"))
        served.on(f"GET {asked.POSITIONS}", tell({"list": [{**POSITION, "leverage": "20"}]}))
        with pytest.raises(Refused, match="it is 5 and 20"):
            await client.set_up("BTCUSDT", leverage=Decimal(5), margin="isolated")

    assert len(served.bodies("/set-leverage")) == 2


async def test_a_symbol_that_is_not_listed_counts_as_set_up() -> None:
    """The list of symbols is partial; the margin mode goes with the order."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.SET_LEVERAGE}", tell("success"))
        assert await client.set_up("ETHUSDT", leverage=Decimal(3), margin="isolated")
        await client.place(of_eth(REQUEST))

    assert served.bodies("/place-order")[0]["marginMode"] == "isolated"


def of_eth(request: OrderRequest) -> OrderRequest:
    return replace(request, symbol="ETHUSDT")


async def test_an_account_without_usdt_says_so() -> None:
    async with account() as (client, served, _):
        served.on(f"GET {asked.ASSETS}", tell({**ASSETS, "assets": []}))
        with pytest.raises(Refused, match="no USDT"):
            await client.balance()


async def test_why_the_exchange_closed_is_asked_of_its_order() -> None:
    """Rows of executions do not say whether it was a stop."""
    digits = "1370000000000000009"
    row = {**RECENT_FILL, "clientOid": digits, "side": "sell", "tradeSide": "sell_single", "execPnl": "-1"}
    made = {**ORDER, "clientOid": digits, "side": "sell", "delegateType": "stop_loss_market"}
    other = {**RECENT_FILL, "execId": "3", "symbol": "ETHUSDT"}
    async with account() as (client, served, _):
        served.on(f"GET {asked.FILLS}", tell({"list": [other, row], "cursor": None}))
        served.on(f"GET {asked.ORDER}", tell(made))
        [fill] = await client.fills("BTCUSDT", NOW)

    assert (fill.cause, fill.client_id, fill.side, fill.purpose) == ("stop_loss", "", LONG, "close")
