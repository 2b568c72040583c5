"""The matching core remembers what may still be asked for, and lets the rest go."""

import pytest

from desk.errors import SettingsError
from desk.market.matching import FillModel
from desk.values import CANDLE_MS
from tests.market.matching.samples import Desk

LONG = 1


def test_what_ended_long_ago_is_let_go_with_its_client_id_and_executions() -> None:
    """A simulated account that runs for months must not keep every order there ever was."""
    desk = Desk(history_ms=16 * CANDLE_MS)
    resting = desk.order(LONG, "1", "50", client_id="resting")
    for each in range(200):
        desk.order(LONG, "1", client_id=f"in-{each}")
        desk.order(LONG, "1", purpose="close", client_id=f"out-{each}")
        desk.candle("100", "100", "100", "100")
    ended = [order for order in desk.account.orders.values() if not order.is_live]

    assert desk.account.orders[resting.order_id].is_live
    assert desk.core.find("BTCUSDT", client_id="resting") is not None
    assert min(order.updated for order in ended) == desk.now - 17 * CANDLE_MS
    assert len(desk.account.orders) == len(desk.account.ids) == 2 * 17 + 1
    assert {execution.fill.order_id for execution in desk.account.executions} == {
        order.order_id for order in ended
    }
    assert desk.core.find("BTCUSDT", client_id="in-0") is None


def test_what_an_open_position_came_from_is_kept() -> None:
    """A session may ask for a position's executions as long as it is held, however long that is."""
    desk = Desk(history_ms=CANDLE_MS)
    before = desk.order(LONG, "1", purpose="open", symbol="ETHUSDT")
    desk.order(LONG, "1", purpose="close", symbol="ETHUSDT")
    entry = desk.order(LONG, "1", client_id="entry")
    for _ in range(50):
        desk.order(LONG, "1", symbol="ETHUSDT")
        desk.order(LONG, "1", purpose="close", symbol="ETHUSDT")
        desk.candle("100", "100", "100", "100")

    assert before.order_id not in desk.account.orders
    assert desk.core.find("BTCUSDT", client_id="entry") == entry
    assert desk.account.executions[0].fill.client_id == "entry"


def test_a_memory_of_no_time_is_refused() -> None:
    """An order must be found at least once after it has ended."""
    with pytest.raises(SettingsError, match="history_ms is 0, must be above 0"):
        FillModel(history_ms=0)
