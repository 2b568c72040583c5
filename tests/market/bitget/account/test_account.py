"""The signed client over HTTP and websocket: what is repeated, what is forgiven, and what is never said."""

import asyncio
import contextlib
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from desk.errors import AccountError, ExchangeError, Refused, SettingsError, Throttled, Unanswered, Unreadable
from desk.market.bitget.account.classic import requests as asked
from desk.market.bitget.account.classic.account import ClassicAccount
from desk.market.bitget.account.classic.messages import STREAM, read_account_message
from desk.market.bitget.account.rest import SignedRest
from desk.market.bitget.account.secrecy import NOT_SHOWN
from desk.market.bitget.account.signing import Credentials, signature
from desk.market.bitget.account.stream import PrivateStream
from desk.market.bitget.public import CONTRACTS, TIME
from desk.market.settings import LinkSettings
from desk.orders import AccountUpdate, OrderRequest
from desk.policy import LONG, SHORT
from desk.ports import Clock
from tests.market.bitget.account.test_wire import BALANCE, CONTRACT, FILL, ORDER, POSITION
from tests.market.lines import Answer, Exchange, HandClock, Peer, exchange, hang_up, plain, refuse, tell
from tests.market.samples import NOW, ImpatientClock

CREDENTIALS = Credentials("bg-key-0123", "secret-of-the-key", "pass-phrase-9")
REQUEST = OrderRequest(
    client_id="t-0001",
    symbol="BTCUSDT",
    side=LONG,
    purpose="open",
    size=Decimal("0.01"),
    kind="market",
    price=None,
    stop_loss=Decimal(101200),
    take_profit=None,
)
NO_PLANS = tell({"entrustedList": None, "endId": None})


def done(*order_ids: str) -> Answer:
    """The answer of a call with several effects that did what it was asked for."""
    return tell({"successList": [{"orderId": one} for one in order_ids], "failureList": []})


HEDGE = {**BALANCE, "posMode": "hedge_mode"}


def link(served: Exchange, **changes: Any) -> LinkSettings:
    values: dict[str, Any] = {
        "base_url": served.url,
        "ws_url": served.ws_url,
        "proxy": "",
        "largest_body_mib": 16,
        "demo": False,
        "timeout_s": 5.0,
        "attempts": 3,
        "give_up_after_s": 30.0,
    }
    return LinkSettings(**{**values, **changes})


@contextlib.asynccontextmanager
async def classic_account(settings: LinkSettings, clock: Clock) -> AsyncIterator[ClassicAccount]:
    async with SignedRest(settings, CREDENTIALS, asked.PACE, clock=clock) as rest:
        yield ClassicAccount(rest, PrivateStream(settings, CREDENTIALS, STREAM, clock=clock))


@contextlib.asynccontextmanager
async def account(**changes: Any) -> AsyncIterator[tuple[ClassicAccount, Exchange, ImpatientClock]]:
    clock = ImpatientClock()
    async with exchange() as served:
        served.on(f"GET {asked.ACCOUNT}", tell(BALANCE))
        served.on(f"GET {asked.PENDING_PLANS}", NO_PLANS)
        served.on(f"GET {TIME}", tell({"serverTime": str(NOW)}))
        async with classic_account(link(served, **changes), clock) as client:
            yield client, served, clock


# Reads --------------------------------------------------------------------------------------------------


async def test_a_contract_that_is_suspended_is_read_again_and_holds_up_no_other() -> None:
    """What became of an order is asked for again; orders of other contracts leave at once meanwhile."""
    async with account() as (client, served, clock):
        served.on(f"GET {asked.DETAIL}", refuse("40308"), refuse("45043"), tell(ORDER))
        served.on(f"POST {asked.CLOSE}", refuse("40308"), tell({"successList": [], "failureList": []}))
        served.on(f"GET {asked.ALL_POSITIONS}", tell([]))
        assert await client.order("BTCUSDT", "t-0001") is not None
        assert max(clock.waits) <= 1.0

        with pytest.raises(Refused) as caught:
            await client.close("BTCUSDT", LONG)
        assert caught.value.meaning == "suspended"
        began = clock.monotonic()
        await client.close("ETHUSDT", LONG)
        assert clock.monotonic() - began <= 1.2


async def test_a_position_mode_that_cannot_be_set_for_now_is_set_later() -> None:
    """The soak of kills found it: a session did not start for a code that is over in minutes."""
    async with account(attempts=1) as (client, served, _):
        served.on(f"GET {CONTRACTS}", tell([CONTRACT]))
        served.on(f"POST {asked.SET_POSITION_MODE}", refuse("43115"))

        await client.set_position_mode("one_way")  # as it is already
        with pytest.raises(Unanswered):
            await client.set_position_mode("hedge")


async def test_a_machine_whose_clock_is_set_signs_with_the_time_of_the_exchange() -> None:
    """Ten minutes ahead every request would be refused once before it is sent again."""
    async with account() as (client, served, clock):
        served.on(f"GET {asked.ACCOUNTS}", tell([BALANCE]))
        await client.server_time()
        clock.wall_ms += 600_000
        await client.balance()

    *_, (_, request, _) = served.asked
    assert int(request.headers["ACCESS-TIMESTAMP"]) == NOW


async def test_the_position_mode_is_asked_of_a_contract_that_is_traded() -> None:
    """A session must not fail to start because the first contract of the list is in maintenance."""
    async with account(attempts=1) as (client, served, _):
        listed = [
            {**CONTRACT, "symbol": "AAAUSDT", "symbolStatus": "maintain"},
            {**CONTRACT, "symbol": "BBBUSDT", "symbolStatus": "normal"},
        ]
        served.on(f"GET {CONTRACTS}", tell(listed))
        served.on(f"POST {asked.SET_POSITION_MODE}", refuse("40920"))

        await client.set_position_mode("one_way")

    (about,) = (one.query["symbol"] for name, one, _ in served.asked if name == f"GET {asked.ACCOUNT}")
    assert about == "BBBUSDT"


async def test_requests_are_signed_as_they_are_sent() -> None:
    """The server computes the signature again, from the bytes that arrived."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.ACCOUNTS}", tell([BALANCE]))
        served.on(f"POST {asked.CANCEL}", tell({"orderId": "1"}))
        await client.balance()
        await client.cancel("龙虾USDT", "t-0001")

    for name, request, text in served.asked:
        method, path = name.split()
        query = f"?{request.query_string}" if request.query_string else ""
        prehash = f"{request.headers['ACCESS-TIMESTAMP']}{method}{path}{query}{text}"
        assert request.headers["ACCESS-SIGN"] == signature(CREDENTIALS.secret, prehash)
        assert request.headers["ACCESS-KEY"] == CREDENTIALS.key
        assert request.headers["Content-Type"] == "application/json"


async def test_the_demo_says_so_in_every_request() -> None:
    """One forgotten header would send an order to the real account."""
    async with account(demo=True) as (client, served, _):
        served.on(f"GET {asked.ALL_POSITIONS}", tell([]))
        served.on(f"POST {asked.PLACE}", tell({"orderId": "1"}))
        await client.positions()
        await client.place(REQUEST)

    assert {request.headers.get("paptrading") for _, request, _ in served.asked} == {"1"}


@pytest.mark.parametrize(
    "odd", [plain("<html>", status=502), hang_up, refuse("40725"), refuse("429", status=429)]
)
async def test_a_read_is_repeated(odd: Answer) -> None:
    """Within its bounds: three times here."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.ACCOUNTS}", odd, odd, tell([BALANCE]))

        assert (await client.balance()).equity == Decimal("1016.2401")


@pytest.mark.parametrize(("odd", "error"), [(plain("", status=500), Unanswered), (refuse("429"), Throttled)])
async def test_a_read_is_not_repeated_for_ever(odd: Answer, error: type[Exception]) -> None:
    """A session that waits for an answer doesn't watch its positions."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.ACCOUNTS}", odd)
        with pytest.raises(error):
            await client.balance()

    assert served.count("accounts") == 3


@pytest.mark.parametrize("rows", [[], [{**BALANCE, "marginCoin": "BTC"}]])
async def test_an_account_without_usdt_is_told_as_that(rows: list[object]) -> None:
    """An empty list of balances may be a slip: the balance is asked for by itself before that is said."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.ACCOUNTS}", tell(rows))
        assert (await client.balance()).equity == Decimal("1016.2401")
        served.on(f"GET {asked.ACCOUNT}", tell({}))
        with pytest.raises(Refused, match="holds no USDT"):
            await client.balance()

    assert served.count("accounts") == 2


@pytest.mark.parametrize("most", [100, 50, 20])
async def test_every_page_of_orders_is_read(most: int) -> None:
    """A page holds a hundred, or fewer where the exchange cuts it short."""
    first = [{**ORDER, "orderId": str(200 - place), "status": "live"} for place in range(most)]
    last = [{**ORDER, "orderId": "100", "status": "live"}]
    async with account() as (client, served, _):
        served.on(
            f"GET {asked.PENDING}",
            tell({"entrustedList": first, "endId": "101"}),
            tell({"entrustedList": last, "endId": "100"}),
        )
        orders = await client.open_orders()

    assert len(orders) == most + 1
    assert [request.query.get("idLessThan") for _, request, _ in served.asked] == [None, "101"]


async def test_somebody_elses_odd_order_is_told_once_and_bars_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An unreadable list of orders would keep the session from every step, for as long as the order waits."""
    odd = {**ORDER, "symbol": "SOLUSDT", "side": ""}
    async with account() as (client, served, _):
        served.on(f"GET {asked.PENDING}", tell({"entrustedList": [odd, ORDER], "endId": "1"}))
        for _ in range(3):
            assert [order.symbol for order in await client.open_orders()] == ["BTCUSDT"]

    assert [record.levelname for record in caplog.records if "SOLUSDT" in record.message] == ["WARNING"]


async def test_an_order_that_never_was_is_none() -> None:
    """By the code; any other refusal is told."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.DETAIL}", refuse("40109"), refuse("40309"))

        assert await client.order("BTCUSDT", "t-0001") is None
        with pytest.raises(Refused, match="40309"):
            await client.order("BTCUSDT", "t-0001")


async def test_a_read_that_is_refused_with_an_unknown_code_is_no_answer() -> None:
    """A code of tomorrow's maintenance must not end what a session of today does: it is asked again."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.ACCOUNTS}", refuse("45999"), refuse("45999"), tell([BALANCE]))
        assert (await client.balance()).equity == Decimal("1016.2401")
        served.on(f"GET {asked.ACCOUNTS}", refuse("45999"))
        with pytest.raises(Unanswered, match="45999"):
            await client.balance()


async def test_one_word_about_the_key_is_asked_about_again() -> None:
    """It would end a session of months, and leave its positions without their exits."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.ACCOUNTS}", refuse("40037"), refuse("40018"), tell([BALANCE]))
        assert (await client.balance()).equity == Decimal("1016.2401")

    assert served.count("accounts") == 3


async def test_an_order_that_is_refused_for_the_key_is_sent_once_more() -> None:
    """One such answer among good ones held up an exit by a minute, and the decisions of a whole candle."""
    async with account() as (client, served, clock):
        served.on(f"POST {asked.PLACE}", refuse("40037"), tell({"orderId": "9"}))
        began = clock.monotonic()
        assert await client.place(REQUEST) == "9"
        assert clock.monotonic() - began < 5

        served.on(f"POST {asked.PLACE}", refuse("40037"))
        with pytest.raises(AccountError):
            await client.place(REQUEST)

    assert served.count("place-order") == 4


async def test_an_order_that_nobody_answers_for_is_given_up_soon() -> None:
    """Exits of other symbols wait for the end of the step: whoever hangs with one order held them up."""
    async with account() as (client, served, clock):

        def late(request: web.Request, text: str) -> web.StreamResponse:
            clock.seconds += 10.0
            return refuse("45999")(request, text)

        served.on(f"GET {asked.DETAIL}", late)
        with pytest.raises(Unanswered):
            await client.order("BTCUSDT", "t-0001")

    assert served.count("detail") == 1


async def test_an_order_without_an_answer_does_not_keep_back_its_fills_for_ever() -> None:
    """Whatever the exchange says of that one order: what it executed has been told."""
    row = {**FILL, "cTime": str(NOW)}
    async with account() as (client, served, _):
        served.on(f"GET {asked.FILLS}", tell({"fillList": [row], "endId": "1"}))
        served.on(f"GET {asked.DETAIL}", refuse("45999"))
        for _ in range(2):
            with pytest.raises(Unanswered):
                await client.fills("BTCUSDT", NOW)
        (fill,) = await client.fills("BTCUSDT", NOW)

    assert (fill.trade_id, fill.client_id) == ("7", "")


async def test_rows_that_cannot_be_read_fill_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of rows that differ, each at every look, are some lines an hour, and none quotes the key."""
    odd = [{"orderId": str(n), "symbol": f"S{n}USDT", "planType": "pos_loss"} for n in range(500)]
    odd.append({"orderId": "1", "symbol": f"{CREDENTIALS.key}USDT", "planType": "pos_loss"})
    async with account() as (client, served, clock):
        served.on(f"GET {asked.ALL_POSITIONS}", tell([POSITION]))
        for rows, hours in ((odd[-1:], 0), (odd, 0), (odd, 0), (odd[:1], 2)):
            clock.wall_ms += hours * 3_600_000
            served.on(f"GET {asked.PENDING_PLANS}", tell({"entrustedList": rows, "endId": ""}))
            await client.positions()

    lines = [one.getMessage() for one in caplog.records if asked.PENDING_PLANS in one.getMessage()]
    assert 100 <= len(lines) <= 101
    assert NOT_SHOWN in lines[0]
    assert CREDENTIALS.key not in caplog.text


async def test_a_stop_that_came_with_the_order_is_found() -> None:
    """The list of positions may not tell it; a position that has a stop must not be given another."""
    plans = [
        {
            "orderId": "1",
            "symbol": "BTCUSDT",
            "planType": "pos_loss",
            "posSide": "net",
            "triggerPrice": "101200",
        },
        {"orderId": "2", "symbol": "ETHUSDT", "planType": "pos_loss", "posSide": "long", "triggerPrice": "9"},
    ]
    async with account() as (client, served, _):
        served.on(f"GET {asked.ALL_POSITIONS}", tell([{**POSITION, "stopLoss": ""}]))
        served.on(f"GET {asked.PENDING_PLANS}", tell({"entrustedList": plans, "endId": "1"}))
        (position,) = await client.positions()

    assert position.stop_loss == Decimal(101200)


async def test_a_stop_on_the_second_page_is_found() -> None:
    """Whoever has a hundred older stops would otherwise have this position protected anew every minute."""

    def plan(number: int, symbol: str) -> dict[str, str]:
        kind = {"planType": "pos_loss", "posSide": "net", "triggerPrice": "101200"}
        return {"orderId": str(number), "symbol": symbol, **kind}

    first = [plan(200 - place, f"S{place}USDT") for place in range(100)]
    async with account() as (client, served, _):
        served.on(f"GET {asked.ALL_POSITIONS}", tell([{**POSITION, "stopLoss": ""}]))
        served.on(
            f"GET {asked.PENDING_PLANS}",
            tell({"entrustedList": first, "endId": "101"}),
            tell({"entrustedList": [plan(100, "BTCUSDT")], "endId": "100"}),
        )
        (position,) = await client.positions()

    assert position.stop_loss == Decimal(101200)
    assert [request.query.get("idLessThan") for _, request, _ in served.asked][1:] == [None, "101"]


def exits(*told: tuple[str, str, str]) -> list[dict[str, str]]:
    """Waiting exits of BTCUSDT: kind, trigger and size of each."""
    return [
        {
            "orderId": str(at),
            "symbol": "BTCUSDT",
            "planType": kind,
            "triggerPrice": trigger,
            "size": size,
            "executePrice": "0",
        }
        for at, (kind, trigger, size) in enumerate(told, start=1)
    ]


@pytest.mark.parametrize("listed", ["", "101200"])
@pytest.mark.parametrize(
    ("plans", "stop", "profit"),
    [
        pytest.param(exits(("loss_plan", "101200", "0.004")), None, None, id="a part"),
        pytest.param(exits(("loss_plan", "101200", "0.01")), "101200", None, id="the whole"),
        pytest.param(
            exits(("loss_plan", "101200", "0.004"), ("loss_plan", "100900", "0.006")),
            "100900",
            None,
            id="two parts: the last one ends it",
        ),
        pytest.param(
            exits(("loss_plan", "101200", "0.004"), ("pos_loss", "100900", "0")),
            "100900",
            None,
            id="a part, and one of the position",
        ),
        pytest.param(
            exits(("pos_loss", "101200", "0"), ("loss_plan", "90000", "0.01")),
            "101200",
            None,
            id="one of the position shows size 0, and comes first",
        ),
        pytest.param(exits(("loss_plan", "101200", "")), None, None, id="no size"),
        pytest.param(
            [{**exits(("loss_plan", "101200", "0.01"))[0], "executePrice": "100000"}],
            None,
            None,
            id="at a limit price",
        ),
        pytest.param(exits(("moving_plan", "101200", "0.01")), None, None, id="a trailing one"),
        pytest.param(
            exits(("profit_plan", "104000", "0.004"), ("profit_plan", "105000", "0.006")),
            None,
            "105000",
            id="take-profits",
        ),
        pytest.param(exits(("profit_plan", "104000", "0.004")), None, None, id="a take-profit for a part"),
    ],
)
async def test_only_what_ends_the_whole_position_is_its_stop(
    plans: list[dict[str, str]], listed: str, stop: str | None, profit: str | None
) -> None:
    """Whatever the list of positions shows: what is left of a position would be unprotected."""
    async with account() as (client, served, _):
        shown = {"stopLoss": listed, "takeProfit": listed}
        served.on(f"GET {asked.ALL_POSITIONS}", tell([{**POSITION, **shown}]))
        served.on(f"GET {asked.PENDING_PLANS}", tell({"entrustedList": plans, "endId": "1"}))
        (position,) = await client.positions()

    assert position.stop_loss == (None if stop is None else Decimal(stop))
    assert position.take_profit == (None if profit is None else Decimal(profit))


async def test_the_stops_of_a_short_are_counted_from_below() -> None:
    """The one that the rising price reaches last ends it."""
    plans = exits(("loss_plan", "103000", "0.006"), ("loss_plan", "104000", "0.006"))
    async with account() as (client, served, _):
        served.on(f"GET {asked.ALL_POSITIONS}", tell([{**POSITION, "holdSide": "short"}]))
        served.on(f"GET {asked.PENDING_PLANS}", tell({"entrustedList": plans, "endId": "1"}))
        (position,) = await client.positions()

    assert position.stop_loss == Decimal(104000)


async def test_executions_come_oldest_first_once_and_with_their_client_id() -> None:
    """The exchange lists them newest first, may repeat one at a page's edge, and names order ids only."""
    rows = [{**FILL, "tradeId": str(trade), "cTime": str(NOW + trade)} for trade in (3, 2, 2, 1)]
    async with account() as (client, served, _):
        served.on(f"GET {asked.FILLS}", tell({"fillList": rows, "endId": "1"}))
        served.on(f"GET {asked.DETAIL}", tell(ORDER))
        fills = await client.fills("BTCUSDT", NOW + 2)

    assert [fill.trade_id for fill in fills] == ["2", "3"]
    assert {fill.client_id for fill in fills} == {"t-0001"}
    assert served.count("detail") == 1


async def test_a_fee_in_another_coin_is_valued_by_the_contract_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As if it had been paid in USDT at the taker rate: an edge that comes from free trading is none."""
    row = {**FILL, "feeDetail": [{"feeCoin": "BGB", "totalFee": "-0.12"}], "cTime": str(NOW)}
    async with account() as (client, served, _):
        served.on(f"GET {CONTRACTS}", tell([{**CONTRACT, "symbol": "BTCUSDT"}]))
        served.on(f"GET {asked.FILLS}", tell({"fillList": [row], "endId": "1"}))
        served.on(f"GET {asked.DETAIL}", tell(ORDER))
        await client.contracts()
        fills = [*await client.fills("BTCUSDT", NOW), *await client.fills("BTCUSDT", NOW)]

    assert {fill.fee for fill in fills} == {Decimal("0.61373100")}
    assert sum("paid in BGB" in record.message for record in caplog.records) == 1


async def test_what_fills_tell_is_kept_where_their_order_cannot_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One unreadable order would otherwise keep every execution of its symbol from the journal."""
    rows = [
        {**FILL, "tradeId": str(trade), "orderId": str(trade), "cTime": str(NOW + trade)} for trade in (2, 1)
    ]
    async with account() as (client, served, _):
        served.on(f"GET {asked.FILLS}", tell({"fillList": rows, "endId": "1"}))
        served.on(f"GET {asked.DETAIL}", tell({**ORDER, "side": "sideways"}))
        fills = [*await client.fills("BTCUSDT", NOW), *await client.fills("BTCUSDT", NOW)]
        with pytest.raises(Unreadable):
            await client.order("BTCUSDT", "t-0001")

    assert [(fill.trade_id, fill.client_id) for fill in fills] == [("1", ""), ("2", "")] * 2
    assert {fill.price for fill in fills} == {Decimal("102288.5")}
    assert sum("cannot be read" in record.message for record in caplog.records) == 1


async def test_a_lost_question_for_the_time_does_not_put_the_signatures_ahead() -> None:
    """A timestamp from the future is refused, and the half of a timeout is 5 s."""
    async with account() as (client, served, clock):

        def lost(request: Any, text: str) -> Any:
            clock.wall_ms += 10_500
            return hang_up(request, text)

        def told(request: Any, text: str) -> Any:
            return tell({"serverTime": str(clock.wall_ms + 7_000)})(request, text)

        served.on(f"GET {TIME}", lost, told)
        served.on(f"GET {asked.ACCOUNTS}", tell([BALANCE]))
        await client.server_time()
        await client.balance()

    (stamp,) = [
        int(request.headers["ACCESS-TIMESTAMP"]) for name, request, _ in served.asked if "accounts" in name
    ]
    assert stamp == clock.wall_ms + 7_000


async def test_contracts_and_time_need_no_key() -> None:
    """The time must be had when the clock is so wrong that nothing signed is accepted."""
    async with account() as (client, served, _):
        served.on(f"GET {CONTRACTS}", tell([CONTRACT]))
        assert await client.server_time() == NOW
        assert [contract.symbol for contract in await client.contracts()] == ["ETHUSDT"]

    assert not any("ACCESS-KEY" in request.headers for _, request, _ in served.asked)


# Writes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        plain("<html>", status=502),
        plain('{"code":"00000","da'),
        hang_up,
        refuse("40010"),
        refuse("40725"),
        refuse("45001"),
        refuse("40019", status=500),
    ],
)
async def test_an_order_is_sent_once_whatever_comes_back(odd: Answer) -> None:
    """Nobody knows whether it took effect: it is looked up, never sent again blindly."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.PLACE}", odd)
        with pytest.raises(Unanswered):
            await client.place(REQUEST)

    assert served.count("place-order") == 1


async def test_a_throttled_order_is_told_and_not_repeated() -> None:
    """It did not take effect; whether it is still wanted is not for the client to say."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.PLACE}", refuse("429", status=429))
        with pytest.raises(Throttled):
            await client.place(REQUEST)

    assert served.count("place-order") == 1


async def test_a_wrong_clock_is_set_and_the_order_sent_once_more() -> None:
    """The refusal says that nothing happened."""
    async with account() as (client, served, clock):
        clock.wall_ms = NOW - 60_000
        served.on(f"POST {asked.PLACE}", refuse("40008"), tell({"orderId": "77"}))

        assert await client.place(REQUEST) == "77"

    stamps = [
        int(request.headers["ACCESS-TIMESTAMP"]) for name, request, _ in served.asked if "place" in name
    ]
    assert stamps == [NOW - 60_000, NOW]


async def test_a_clock_that_stays_wrong_is_told() -> None:
    """Once more is enough."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.PLACE}", refuse("40008"))
        with pytest.raises(Refused, match="40008"):
            await client.place(REQUEST)

    assert served.count("place-order") == 2


@pytest.mark.parametrize("code", ["40786", "45034", "43118"])
async def test_an_order_that_is_there_already_is_as_good_as_placed(code: str) -> None:
    """The first attempt arrived, and its answer was lost."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.PLACE}", refuse(code))
        served.on(f"GET {asked.DETAIL}", tell(ORDER))

        assert await client.place(REQUEST) == ORDER["orderId"]


async def test_another_order_under_the_same_id_is_refused() -> None:
    """Two intents must never share an id."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.PLACE}", refuse("40786"))
        served.on(f"GET {asked.DETAIL}", tell({**ORDER, "size": "5"}))
        with pytest.raises(Refused, match="40786"):
            await client.place(REQUEST)


async def test_an_accepted_order_without_an_id_is_looked_up() -> None:
    """Large reduce-only orders are answered like that."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.PLACE}", tell({"clientOid": "t-0001"}))
        served.on(f"GET {asked.DETAIL}", tell(ORDER), refuse("40109"))

        assert await client.place(REQUEST) == ORDER["orderId"]
        with pytest.raises(Unanswered, match="not found"):
            await client.place(REQUEST)


@pytest.mark.parametrize("code", ["40774", "45021"])
async def test_a_changed_position_mode_is_noticed(code: str) -> None:
    """Somebody changed it on the web page; the refused order is sent again in the other form."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.ACCOUNT}", tell(BALANCE), tell(HEDGE))
        served.on(f"POST {asked.PLACE}", refuse(code), tell({"orderId": "1"}))
        await client.place(REQUEST)

    first, second = served.bodies("place-order")
    assert "tradeSide" not in first
    assert second["tradeSide"] == "open"


Call = Callable[[ClassicAccount], Coroutine[Any, Any, object]]
FORGIVEN: dict[str, tuple[Call, str, str]] = {
    "nothing to cancel": (lambda client: client.cancel("BTCUSDT", "t-1"), asked.CANCEL, "22001"),
    "cancelled a moment ago": (lambda client: client.cancel("BTCUSDT", "t-1"), asked.CANCEL, "45129"),
    "never there": (lambda client: client.cancel("BTCUSDT", "t-1"), asked.CANCEL, "40109"),
    "nothing to close": (lambda client: client.close("BTCUSDT", SHORT), asked.CLOSE, "22002"),
}


@pytest.mark.parametrize("name", FORGIVEN)
async def test_what_is_done_already_is_no_failure(name: str) -> None:
    """Both as a refusal of the whole and as an entry of the list of failures."""
    call, path, code = FORGIVEN[name]
    failed = tell({"successList": [], "failureList": [{"orderId": "1", "errorCode": code, "errorMsg": "no"}]})
    async with account() as (client, served, _):
        served.on(f"POST {path}", refuse(code), failed)
        await call(client)
        await call(client)


async def test_a_close_that_failed_in_the_list_is_told() -> None:
    """The envelope says success."""
    failed = tell({"successList": [], "failureList": [{"errorCode": "40762", "errorMsg": "no"}]})
    async with account() as (client, served, _):
        served.on(f"POST {asked.CLOSE}", failed)
        with pytest.raises(Refused, match="40762"):
            await client.close("BTCUSDT", LONG)


async def test_a_new_stop_is_bound_before_old_ones_go() -> None:
    """There is no moment without a stop, and what was bound separately cannot fire twice."""
    plans = [
        {
            "orderId": "1",
            "symbol": "BTCUSDT",
            "planType": "pos_loss",
            "posSide": "long",
            "triggerPrice": "101000",
        },
        {
            "orderId": "2",
            "symbol": "BTCUSDT",
            "planType": "loss_plan",
            "posSide": "long",
            "triggerPrice": "101000",
            "size": "0.004",
        },
        {
            "orderId": "3",
            "symbol": "BTCUSDT",
            "planType": "pos_profit",
            "posSide": "long",
            "triggerPrice": "109000",
        },
        {
            "orderId": "4",
            "symbol": "BTCUSDT",
            "planType": "pos_loss",
            "posSide": "short",
            "triggerPrice": "109000",
        },
    ]
    async with account() as (client, served, _):
        served.on(f"GET {asked.ACCOUNT}", tell(HEDGE))
        served.on(f"GET {asked.PENDING_PLANS}", tell({"entrustedList": plans, "endId": "1"}))
        served.on(f"POST {asked.BIND_EXITS}", tell([{"orderId": "9"}]))
        served.on(f"POST {asked.CANCEL_PLAN}", done("2"), done("3"))
        await client.protect("BTCUSDT", LONG, stop_loss=Decimal(101500), take_profit=None)

    posted = [request.path for name, request, _ in served.asked if name.startswith("POST")]
    assert posted == [asked.BIND_EXITS, asked.CANCEL_PLAN, asked.CANCEL_PLAN]
    cancelled = [(one["planType"], one["orderIdList"]) for one in served.bodies("cancel-plan-order")]
    assert cancelled == [("loss_plan", [{"orderId": "2"}]), ("pos_profit", [{"orderId": "3"}])]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"successList": [], "failureList": []}, id="nothing is named"),
        pytest.param({}, id="no lists"),
        pytest.param(
            {"successList": [], "failureList": [{"orderId": "2", "clientOid": "", "errorMsg": "no"}]},
            id="a failure without a code",
        ),
    ],
)
async def test_an_answer_that_cancels_nothing_is_not_done(answer: dict[str, Any]) -> None:
    """The exchange answers a cancellation that it does not understand with success and empty lists."""
    plan = {"orderId": "2", "symbol": "BTCUSDT", "planType": "loss_plan", "triggerPrice": "9", "size": "0.01"}
    async with account() as (client, served, _):
        served.on(f"GET {asked.PENDING_PLANS}", tell({"entrustedList": [plan], "endId": "2"}))
        served.on(f"POST {asked.BIND_EXITS}", tell([{"orderId": "9"}]))
        served.on(f"POST {asked.CANCEL_PLAN}", tell(answer))
        with pytest.raises(Refused, match="1 former stops or take-profits of BTCUSDT wait on"):
            await client.protect("BTCUSDT", LONG, stop_loss=Decimal(101500), take_profit=None)


async def test_what_is_gone_by_itself_was_cancelled() -> None:
    """A stop that was triggered meanwhile is named as a failure; nothing of it is left."""
    plan = {"orderId": "2", "symbol": "BTCUSDT", "planType": "loss_plan", "triggerPrice": "9", "size": "0.01"}
    failed = {"successList": [], "failureList": [{"orderId": "2", "clientOid": "", "errorMsg": "gone"}]}
    async with account() as (client, served, _):
        served.on(
            f"GET {asked.PENDING_PLANS}", tell({"entrustedList": [plan], "endId": "2"}), NO_PLANS, NO_PLANS
        )
        served.on(f"POST {asked.BIND_EXITS}", tell([{"orderId": "9"}]))
        served.on(f"POST {asked.CANCEL_PLAN}", tell(failed))
        await client.protect("BTCUSDT", LONG, stop_loss=Decimal(101500), take_profit=None)


async def test_a_stop_that_nobody_names_is_not_bound() -> None:
    """An empty answer to the binding leaves the position bare: it is looked at, and reported."""
    bound = {"orderId": "9", "symbol": "BTCUSDT", "planType": "pos_loss", "triggerPrice": "101500"}
    async with account() as (client, served, _):
        served.on(f"POST {asked.BIND_EXITS}", tell([]))
        with pytest.raises(Unanswered, match="no stop is there"):
            await client.protect("BTCUSDT", LONG, stop_loss=Decimal(101500), take_profit=None)
        served.on(f"GET {asked.PENDING_PLANS}", tell({"entrustedList": [bound], "endId": "9"}))
        await client.protect("BTCUSDT", LONG, stop_loss=Decimal(101500), take_profit=None)


async def test_a_closing_that_names_nothing_is_looked_at() -> None:
    """Two empty lists are no closed position, unless the account is flat."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.CLOSE}", done())
        served.on(f"GET {asked.ALL_POSITIONS}", tell([POSITION]), tell([]))
        with pytest.raises(Unanswered, match="still there"):
            await client.close("BTCUSDT", LONG)
        await client.close("BTCUSDT", LONG)


# Settings -----------------------------------------------------------------------------------------------


async def test_what_is_set_up_already_is_left_alone() -> None:
    """Positions and orders may lock the settings; asking for what is there is a needless refusal."""
    async with account() as (client, served, _):
        await client.set_up("BTCUSDT", leverage=Decimal(5), margin="isolated")

    assert {name.split()[0] for name, _, _ in served.asked} == {"GET"}


async def test_a_set_up_is_verified() -> None:
    """An accepted request that changed nothing must not be traded on."""
    async with account() as (client, served, _):
        served.on(f"POST {asked.SET_LEVERAGE}", tell({}))
        with pytest.raises(Refused, match="leverage 3 was asked for, it is isolated, 5 and 5"):
            await client.set_up("BTCUSDT", leverage=Decimal(3), margin="isolated")


async def test_each_side_has_its_own_leverage_when_isolated_and_hedged() -> None:
    """One side left at 20 would be liquidated first."""
    after = {**HEDGE, "isolatedLongLever": 3, "isolatedShortLever": "3"}
    async with account() as (client, served, _):
        served.on(f"GET {asked.ACCOUNT}", tell(HEDGE), tell(after))
        served.on(f"POST {asked.SET_LEVERAGE}", tell({}))
        await client.set_up("BTCUSDT", leverage=Decimal(3), margin="isolated")

    assert [body["holdSide"] for body in served.bodies("set-leverage")] == ["long", "short"]


async def test_a_locked_position_mode_that_is_right_is_right() -> None:
    """The exchange refuses a change that is none while positions are open."""
    async with account() as (client, served, _):
        served.on(f"GET {CONTRACTS}", tell([CONTRACT]))
        served.on(f"POST {asked.SET_POSITION_MODE}", refuse("40920"))
        await client.set_position_mode("one_way")
        with pytest.raises(Refused, match="40920"):
            await client.set_position_mode("hedge")


# The key ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("40099", "--mode demo"),
        ("40012", "BITGET_API_KEY"),
        ("40037", "BITGET_API_KEY"),
        ("40014", "permission"),
        ("40018", "address"),
    ],
)
async def test_a_key_that_cannot_trade_is_told_with_the_remedy(code: str, remedy: str) -> None:
    """And is told apart from a refused order, because every other request would be refused too."""
    async with account() as (client, served, _):
        served.on(f"GET {asked.ACCOUNTS}", refuse(code))
        with pytest.raises(AccountError, match=remedy):
            await client.balance()

    assert served.count("accounts") == 3


ECHOES: dict[str, Answer] = {
    "in a refusal": lambda request, _: refuse("40019", f"bad header {request.headers['ACCESS-KEY']}")(
        request, ""
    ),
    "in a page": lambda request, _: plain(f"<p>{request.headers['ACCESS-PASSPHRASE']}", status=502)(
        request, ""
    ),
    "in a plea": lambda request, _: refuse("429", request.headers["ACCESS-SIGN"] and CREDENTIALS.secret)(
        request, ""
    ),
    "with a bad key": lambda request, _: refuse("40037", f"unknown {request.headers['ACCESS-KEY']}")(
        request, ""
    ),
}


@pytest.mark.parametrize("name", ECHOES)
async def test_an_answer_that_quotes_the_key_is_not_shown(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Errors go to logs, journals and messages, and some servers repeat what they were sent."""
    caplog.set_level(logging.DEBUG)
    async with account() as (client, served, _):
        served.on(f"POST {asked.PLACE}", ECHOES[name])
        with pytest.raises(ExchangeError) as caught:
            await client.place(REQUEST)

    story = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert not any(part in story for part in (CREDENTIALS.key, CREDENTIALS.secret, CREDENTIALS.passphrase))


async def test_the_key_is_not_taken_to_another_address() -> None:
    """A redirect is no answer."""
    elsewhere: Answer = lambda *_: plain("", status=307)(_[0], "")  # noqa: E731 - a table's entry
    async with account() as (client, served, _):
        served.on(f"GET {asked.ACCOUNTS}", elsewhere)
        with pytest.raises(Unanswered):
            await client.balance()


def test_a_key_is_sent_encrypted_only() -> None:
    """A mistyped address must not give it away."""
    served = Exchange()
    served.url, served.ws_url = "http://api.bitget.com", "ws://ws.bitget.com"
    with pytest.raises(SettingsError, match=r"base_url.*encrypted.*ws_url.*encrypted"):
        link(served)


# Pushes -------------------------------------------------------------------------------------------------

CHANNELS = ("orders", "positions", "account")
PUSHED = {
    **{name: value for name, value in ORDER.items() if name not in {"symbol", "state", "baseVolume", "fee"}},
    "instId": "BTCUSDT",
    "status": "filled",
    "accBaseVolume": "0.01",
    "baseVolume": "0.004",
    "tradeId": "7",
    "fillPrice": "102288.5",
    "fillFee": "-0.25",
    "fillTime": "1762560123533",
    "feeDetail": [{"feeCoin": "USDT", "fee": "-0.61"}],
}


async def let_in(peer: Peer, clock: HandClock) -> None:
    """Accept a login and the subscriptions."""
    login = await peer.hears(clock)
    assert login["op"] == "login"
    (arg,) = login["args"]
    assert arg["sign"] == signature(CREDENTIALS.secret, f"{arg['timestamp']}GET/user/verify")
    assert arg["timestamp"] == str(NOW // 1000)
    await peer.say({"event": "login", "code": 0, "msg": ""})
    subscribed = await peer.hears(clock)
    for channel, arg in zip(CHANNELS, subscribed["args"], strict=True):
        assert arg["channel"] == channel
        await peer.say({"event": "subscribe", "arg": arg})


async def push(peer: Peer, channel: str, *rows: object) -> None:
    arg = {"instType": "USDT-FUTURES", "channel": channel, "instId": "default"}
    await peer.say({"action": "snapshot", "arg": arg, "data": list(rows), "ts": NOW})


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[AsyncIterator[AccountUpdate], Exchange, HandClock]]:
    clock = HandClock()
    async with exchange() as served:
        served.on(f"GET {TIME}", tell({"serverTime": str(NOW)}))
        served.on(f"GET {asked.PENDING_PLANS}", NO_PLANS)
        async with (
            classic_account(link(served), clock) as client,
            contextlib.aclosing(client.pushes()) as pushes,  # type: ignore[type-var]
        ):
            yield pushes, served, clock


async def test_an_order_push_tells_the_order_and_its_execution() -> None:
    """``baseVolume`` is of this execution here, ``accBaseVolume`` of the order."""
    async with listening() as (pushes, served, clock):
        first = asyncio.ensure_future(anext(pushes))
        peer = await served.opened.get()
        await let_in(peer, clock)
        assert (await first).reconnected
        await push(peer, "orders", PUSHED)
        heard = await anext(pushes)

    assert heard.order is not None
    assert heard.fill is not None
    assert (heard.order.status, heard.order.filled, heard.order.fee) == (
        "filled",
        Decimal("0.01"),
        Decimal("0.61"),
    )
    assert (heard.fill.size, heard.fill.fee, heard.fill.client_id) == (
        Decimal("0.004"),
        Decimal("0.25"),
        "t-0001",
    )


async def test_an_execution_paid_in_another_coin_is_left_to_the_list() -> None:
    """What its fee is worth is told by the contract, which a push knows nothing of."""
    (heard,) = read_account_message(
        json.dumps(
            {"action": "snapshot", "arg": {"channel": "orders"}, "data": [{**PUSHED, "fillFeeCoin": "BGB"}]}
        )
    )

    assert isinstance(heard, AccountUpdate)
    assert heard.order is not None
    assert heard.fill is None


async def test_positions_are_asked_for_when_they_have_changed() -> None:
    """A frame of the channel tells no stops: taken as it is, it would look like unprotected positions."""
    async with listening() as (pushes, served, clock):
        served.on(f"GET {asked.ALL_POSITIONS}", tell([POSITION]), plain("", status=502))
        stops = exits(("pos_loss", "101200", "0"))
        served.on(f"GET {asked.PENDING_PLANS}", tell({"entrustedList": stops, "endId": "1"}))
        first = asyncio.ensure_future(anext(pushes))
        peer = await served.opened.get()
        await let_in(peer, clock)
        await first
        await push(peer, "positions")
        told = await anext(pushes)
        await push(peer, "positions")
        failed = await anext(pushes)

    assert told.positions is not None
    assert [position.stop_loss for position in told.positions] == [Decimal(101200)]
    assert failed == AccountUpdate(reconnected=True)


async def test_a_balance_push_is_read() -> None:
    """In USDT; other coins are none of ours."""
    async with listening() as (pushes, served, clock):
        first = asyncio.ensure_future(anext(pushes))
        peer = await served.opened.get()
        await let_in(peer, clock)
        await first
        await push(
            peer, "account", {"marginCoin": "BTC"}, {"marginCoin": "USDT", "equity": "9.5", "available": "7"}
        )
        told = await anext(pushes)

    assert told.balance is not None
    assert (told.balance.equity, told.balance.available) == (Decimal("9.5"), Decimal(7))


async def test_after_a_lost_line_everything_must_be_asked_for() -> None:
    """What happened in between was said to nobody."""
    async with listening() as (pushes, served, clock):
        first = asyncio.ensure_future(anext(pushes))
        peer = await served.opened.get()
        await let_in(peer, clock)
        await first
        second = asyncio.ensure_future(anext(pushes))
        await peer.hang_up()
        while served.opened.empty():
            await clock.advance(1)
        await let_in(await served.opened.get(), clock)

        assert (await second) == AccountUpdate(reconnected=True)


async def test_what_is_not_understood_is_asked_for() -> None:
    """A new field, a new channel, a broken row: none ends the listening."""
    async with listening() as (pushes, served, clock):
        first = asyncio.ensure_future(anext(pushes))
        peer = await served.opened.get()
        await let_in(peer, clock)
        await first
        for odd in ("{", "[]", json.dumps({"action": "snapshot", "arg": {"channel": "fees"}, "data": []})):
            await peer.say(odd)
            assert (await anext(pushes)) == AccountUpdate(reconnected=True)
        await push(peer, "orders", {**PUSHED, "size": "many"})
        assert (await anext(pushes)) == AccountUpdate(reconnected=True)
        await push(peer, "orders", {**PUSHED, "new": [1]})
        assert (await anext(pushes)).order is not None


@pytest.mark.parametrize("trouble", [refuse("429", status=429), refuse("40019"), plain("", status=502)])
async def test_a_time_that_is_not_told_costs_one_attempt_only(trouble: Answer) -> None:
    """A login needs the exchange's time; whatever REST says instead, the line is tried again."""
    async with listening() as (pushes, served, clock):
        served.on(f"GET {TIME}", *[trouble] * 3, tell({"serverTime": str(NOW)}))
        first = asyncio.ensure_future(anext(pushes))
        peer = await served.opened.get()
        while peer.heard.empty():
            await clock.advance(0.5)
            if not served.opened.empty():
                peer = served.opened.get_nowait()
        await let_in(peer, clock)

        assert await first == AccountUpdate(reconnected=True)


async def test_a_key_that_is_not_let_in_ends_the_listening() -> None:
    """It would never be let in."""
    async with listening() as (pushes, served, clock):
        first = asyncio.ensure_future(anext(pushes))
        peer = await served.opened.get()
        await peer.hears(clock)
        await peer.say({"event": "error", "code": 30012, "msg": "bad passphrase"})
        with pytest.raises(AccountError, match="BITGET_API_KEY"):
            await first


async def test_the_line_is_kept_alive() -> None:
    """Without a ping the exchange hangs up after two minutes, even while it talks."""
    async with listening() as (pushes, served, clock):
        first = asyncio.ensure_future(anext(pushes))
        peer = await served.opened.get()
        await let_in(peer, clock)
        await first
        await clock.advance(25)

        assert await peer.heard.get() == "ping"


async def test_a_line_that_cannot_be_opened_is_told() -> None:
    """Reconnecting in silence for days, nobody would learn that fills are seen a minute late."""
    async with listening() as (pushes, served, clock):
        served.shut = True
        waiting = asyncio.ensure_future(anext(pushes))
        for _ in range(80):
            await clock.advance(1.0)
            await asyncio.sleep(0.001)
        with pytest.raises(Unanswered, match="cannot be opened"):
            await waiting
