"""What costs and trade rules may be, at the very limits of it."""

import math
from dataclasses import replace

import pytest

from desk.costs import Costs
from desk.errors import SettingsError
from desk.policy import LONG, Candle, TradeRules, open_position

COSTS = Costs(tick=0.01, slippage=0.0001, fee_entry=0.0002, fee_exit=0.0006)


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"tick": 0.0}, True),
        ({"tick": -0.01}, False),
        ({"tick": math.inf}, False),
        ({"slippage": 0.0}, True),
        ({"slippage": 0.1}, False),
        ({"fee_entry": -0.0001}, True),  # a rebate
        ({"fee_entry": -0.1}, False),
        ({"fee_entry": -0.5}, False),
        ({"fee_exit": 0.1}, False),
        ({"fee_exit": 0.5}, False),
    ],
)
def test_costs_are_refused_exactly_from_their_limits_on(changes: dict[str, float], allowed: bool) -> None:
    """A fee of 0.5 is 0.5 % written as a percentage: every verdict under it would be wrong."""
    if allowed:
        replace(COSTS, **changes)  # type: ignore[arg-type]
    else:
        with pytest.raises(SettingsError, match=f"{next(iter(changes))} is "):
            replace(COSTS, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["stop_loss", "take_profit"])
@pytest.mark.parametrize(("distance", "allowed"), [(1e-9, True), (0.0, False), (0.999, True), (1.0, False)])
def test_protection_lies_between_the_price_and_nothing(name: str, distance: float, allowed: bool) -> None:
    """A stop at distance 0 ends every position at once, one at distance 1 never does."""
    rules = {"horizon": 1, "stop_loss": None, "take_profit": None, name: distance}
    if allowed:
        TradeRules(**rules)  # type: ignore[arg-type]
    else:
        with pytest.raises(SettingsError, match=name):
            TradeRules(**rules)  # type: ignore[arg-type]


def test_a_position_without_protection_has_none() -> None:
    """An infinite price is no protection and must not be sent anywhere as one."""
    bare = TradeRules(horizon=2, stop_loss=None, take_profit=None)

    position = open_position(LONG, Candle(0, 100.0, 101.0, 99.0, 100.0), bare)

    assert (position.stop, position.take_profit) == (None, None)
