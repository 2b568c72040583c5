"""A simulated account that is written down and read back is the same, and goes on as if nothing had been."""

import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from desk.market.matching import Denied, Matching
from desk.market.matching.state import INVALID_STATE, StateWriter, core_from_text, state_of
from tests.market.matching.samples import BTC, ETH, Desk
from tests.market.matching.test_invariants import Account

LONG = 1


class Twins:
    """Two cores, or their markets, that are told the same and must answer the same."""

    def __init__(self, one: Any, other: Any) -> None:
        self.one, self.other = one, other

    def __getattr__(self, name: str) -> Any:
        first, second = getattr(self.one, name), getattr(self.other, name)
        if not callable(first):
            return Twins(first, second) if name == "market" else first

        def both(*args: Any, **told: Any) -> Any:
            answers = [_answer(method, *args, **told) for method in (first, second)]
            assert str(answers[0]) == str(answers[1])
            if isinstance(answers[0], Denied):
                raise answers[0]
            return answers[0]

        return both


def written(core: Matching) -> str:
    return StateWriter().text(core)


def _answer(method: Callable[..., Any], *args: Any, **told: Any) -> Any:
    try:
        return method(*args, **told)
    except Denied as denied:
        return denied


class Restarted(Account):
    """As ``Account``, and a twin that is written down and read back at any time."""

    writer = StateWriter()

    @rule()
    def restart(self) -> None:
        if not isinstance(self.core, Twins):
            self.core = self.desk.core = Twins(self.core, self.core)  # type: ignore[assignment]
        one, other = self.core.one, self.core.other  # type: ignore[attr-defined]
        assert state_of(one) == state_of(other)
        text = self.writer.text(other)
        assert text == written(other)
        self.core.other = core_from_text(text, [BTC, ETH], other.fill_model)  # type: ignore[attr-defined]
        assert state_of(self.core.other) == state_of(one)  # type: ignore[attr-defined]

    def teardown(self) -> None:
        if isinstance(getattr(self, "core", None), Twins):
            self.restart()


Restarted.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestRestarted = Restarted.TestCase


@pytest.fixture(scope="module")
def lived() -> Matching:
    """A core with something of everything."""
    desk = Desk(volume_share=Decimal("0.1"))
    desk.order(LONG, "2", client_id="in", stop_loss="95", take_profit="110")
    desk.candle("100", "101", "99", "100")
    desk.order(LONG, "1", "90", client_id="waits", stop_loss="85")
    desk.order(LONG, "1", purpose="close", client_id="out")
    desk.order(-1, "1", symbol="ETHUSDT")
    desk.candle("100", "101", "99", "100")
    return desk.core


def document(core: Matching) -> dict[str, Any]:
    """The text, taken apart."""
    parts: dict[str, Any] = json.loads(written(core))
    return parts


def summed(parts: dict[str, Any]) -> str:
    """The text again, with a checksum that fits: what somebody would write who means it."""
    body = json.dumps(parts["account"], separators=(",", ":"))
    return json.dumps({**parts, "sha256": hashlib.sha256(body.encode()).hexdigest()})


def test_a_contract_that_is_no_longer_listed_is_the_last_that_was_known(lived: Matching) -> None:
    """What is held in it must be closable."""
    again = core_from_text(written(lived), [BTC], lived.fill_model)

    assert again.account.contracts["ETHUSDT"] == ETH
    assert [order.status for order in again.close("ETHUSDT", 10**13)] == ["filled"]


@given(cut=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_torn_or_rotten_text_is_refused(lived: Matching, cut: int, byte: int) -> None:
    """Cut off anywhere, or with another byte anywhere: never a slightly different account."""
    text = written(lived)
    cut %= len(text)
    for wrong in (text[:cut], text[:cut] + chr(byte) + text[cut + 1 :]):
        if wrong != text:
            with pytest.raises(INVALID_STATE):
                core_from_text(wrong, [BTC, ETH], lived.fill_model)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("cash",), "NaN"),
        (("cash",), "1e999999"),
        (("cash",), 5.0),
        (("cash",), "9" * 1000),
        (("mode",), "both"),
        (("mode",), ["one_way"]),
        (("last_id",), 1),
        (("last_id",), True),
        (("marks",), {}),
        (("marks", "BTCUSDT"), "-1"),
        (("marks", "BTCUSDT"), None),
        (("newest",), []),
        (("volume_left", "BTCUSDT"), "-1"),
        (("setups", "BTCUSDT", "long_leverage"), "0"),
        (("setups", "BTCUSDT", "surprise"), 1),
        (("positions", 0, "size"), "0"),
        (("positions", 0, "side"), 2),
        (("positions", 0, "symbol"), "XUSDT"),
        (("positions", 1), "position 0"),
        (("orders", 0, "order_id"), "x"),
        (("orders", 0, "status"), "live"),
        (("orders", 0, "filled"), "9"),
        (("orders", 1, "ticket", "client_id"), "in"),
        (("orders", 1), "order 0"),
        (("plans", 0, "trigger"), "0"),
        (("plans", 0, "size"), "-1"),
        (("plans", 0, "side"), -1),
        (("executions", 0, "fill", "order_id"), "7"),
        (("executions", 1), "execution 0"),
        (("contracts",), {"BTCUSDT": {}}),
    ],
)
def test_an_account_that_cannot_be_is_refused(lived: Matching, path: tuple[Any, ...], value: Any) -> None:
    """However its checksum fits: money is at stake in what is made of it."""
    parts = document(lived)
    if isinstance(value, str) and value.endswith(" 0"):
        value = parts["account"][path[0]][0]
    *inner, last = path
    place = parts["account"]
    for name in inner:
        place = place[name]
    place[last] = value

    with pytest.raises(INVALID_STATE):
        core_from_text(summed(parts), [BTC, ETH], lived.fill_model)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"schema_version": 2}', "null", "7"])
def test_a_foreign_text_is_refused(text: str) -> None:
    """A file of another program, or of a newer one."""
    with pytest.raises(INVALID_STATE):
        core_from_text(text, [BTC, ETH])
