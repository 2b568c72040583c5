"""Random sequences of orders, prices, candles and settings: the account always adds up."""

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from desk.market.matching import Denied, MatchedFill, Order
from desk.values import CANDLE_MS
from tests.market.matching.samples import BTC, Desk, plain_equity

SYMBOLS = st.sampled_from(["BTCUSDT", "ETHUSDT"])
SIDES = st.sampled_from([1, -1])
PRICES = st.integers(500, 1500).map(lambda tenths: Decimal(tenths) / 10)
SIZES = st.integers(1, 200_000).map(lambda steps: Decimal(steps) / 1000)
DISTANCES = st.integers(1, 300).map(lambda tenths: Decimal(tenths) / 10)
TINY = Decimal("1e-15")


@contextlib.contextmanager
def refused(*codes: str) -> Iterator[None]:
    """Let the block be refused, for nothing but these reasons."""
    try:
        yield
    except Denied as denied:
        if denied.code not in codes:
            raise


class Account(RuleBasedStateMachine):
    """A customer and a market that do as they please."""

    @initialize(
        mode=st.sampled_from(["one_way", "hedge"]),
        margin=st.sampled_from(["isolated", "crossed"]),
        leverage=st.sampled_from(["1", "5", "20", "100"]),
        share=st.sampled_from([None, Decimal("0.1")]),
    )
    def open(self, mode: str, margin: str, leverage: str, share: Decimal | None) -> None:
        self.desk = Desk(mode=mode, margin=margin, leverage=leverage, volume_share=share)
        self.core, self.account = self.desk.core, self.desk.account
        self.funding = Decimal(0)
        self.told: dict[str, Order] = {}
        self.fills: list[MatchedFill] = []

    @rule(
        symbol=SYMBOLS,
        side=SIDES,
        size=SIZES,
        limit=st.none() | PRICES,
        purpose=st.sampled_from(["open", "open", "close"]),
        force=st.sampled_from(["gtc", "gtc", "ioc", "fok", "post_only"]),
        stop=st.none() | DISTANCES,
        gain=st.none() | DISTANCES,
    )
    def place(
        self,
        symbol: str,
        side: int,
        size: Decimal,
        limit: Decimal | None,
        stop: Decimal | None,
        gain: Decimal | None,
        **told: Any,
    ) -> None:
        price = limit or self.account.marks[symbol]
        before = (self.account.cash, dict(self.account.positions), len(self.account.orders))
        try:
            self.desk.order(
                side,
                str(size),
                None if limit is None else str(limit),
                symbol=symbol,
                stop_loss=None if stop is None else str(price - side * stop),
                take_profit=None if gain is None else str(price + side * gain),
                **told,
            )
        except Denied:
            assert before == (self.account.cash, dict(self.account.positions), len(self.account.orders))

    @rule(symbol=SYMBOLS, side=SIDES, share=st.sampled_from([Decimal("0.3"), Decimal("0.9")]))
    def bet(self, symbol: str, side: int, share: Decimal) -> None:
        """Open what the money allows, more or less."""
        leverage = self.account.setup(symbol).leverage(side)
        size = share * max(self.account.available(), Decimal(0)) * leverage / self.account.marks[symbol]
        with refused("40762", "45110", "45111", "45112", "40808"):
            self.desk.order(side, str(round(size, 3)), symbol=symbol)

    @rule(symbol=SYMBOLS, price=PRICES)
    def jump(self, symbol: str, price: Decimal) -> None:
        self.desk.jump(str(price), symbol)

    @rule(symbol=SYMBOLS, points=st.tuples(PRICES, PRICES, PRICES, PRICES), volume=st.integers(0, 3000))
    def candle(self, symbol: str, points: tuple[Decimal, ...], volume: int) -> None:
        o, c = points[0], points[1]
        self.desk.now += CANDLE_MS
        self.desk.candle(
            str(o), str(max(points)), str(min(points)), str(c), volume=str(volume), symbol=symbol
        )

    @rule(symbol=SYMBOLS, bps=st.integers(-100, 100))
    def fund(self, symbol: str, bps: int) -> None:
        rate = Decimal(bps) / 10_000
        for leg in self.account.positions_in(symbol):
            self.funding += leg.side * leg.size * self.account.marks[symbol] * rate
        self.core.market.fund(symbol, rate, self.desk.now)

    @rule(symbol=SYMBOLS, side=SIDES, kind=st.sampled_from(["stop_loss", "take_profit"]), trigger=PRICES)
    def protect(self, symbol: str, side: int, kind: Any, trigger: Decimal) -> None:
        with refused("22002", "40917"):
            self.core.protect(symbol, side, kind, trigger, self.desk.now)

    @rule(symbol=SYMBOLS, leverage=st.integers(1, 100))
    def lever(self, symbol: str, leverage: int) -> None:
        with refused("45097", "40762", "45002"):
            self.core.set_leverage(symbol, Decimal(leverage))

    @rule(symbol=SYMBOLS)
    def cancel_all(self, symbol: str) -> None:
        self.core.cancel_all(self.desk.now, symbol=symbol)

    @rule(symbol=SYMBOLS)
    def close(self, symbol: str) -> None:
        with refused(*(() if self.account.positions_in(symbol) else ("22002",))):
            self.core.close(symbol, self.desk.now)

    @invariant()
    def equity_is_the_plain_ledgers(self) -> None:
        assert abs(self.account.balance().equity - plain_equity(self.core, self.funding)) < TINY

    @invariant()
    def positions_are_the_sum_of_their_fills(self) -> None:
        held: dict[tuple[str, int], Decimal] = {}
        for execution in self.account.executions:
            fill = execution.fill
            key = (fill.symbol, fill.side)
            held[key] = held.get(key, Decimal(0)) + (fill.size if fill.purpose == "open" else -fill.size)
        assert {key: size for key, size in held.items() if size} == {
            key: position.size for key, position in self.account.positions.items()
        }

    @invariant()
    def nothing_is_owed(self) -> None:
        assert self.account.cash >= -TINY or self.account.crossed()
        assert self.account.balance().equity >= -TINY or not self.account.crossed()
        assert self.account.insurance >= 0

    @invariant()
    def no_position_lives_on_margin_that_is_gone(self) -> None:
        assert not any(self.account.is_broken(position) for position in self.account.positions.values())

    @invariant()
    def one_way_means_one_way(self) -> None:
        if self.account.mode == "one_way":
            assert all(len(self.account.positions_in(symbol)) <= 1 for symbol in ("BTCUSDT", "ETHUSDT"))

    @invariant()
    def what_waits_belongs_to_something(self) -> None:
        for plan in self.account.plans.values():
            assert (plan.symbol, plan.side) in self.account.positions
        for order in self.account.live_orders():
            assert order.ticket.kind == "limit"
            assert order.remaining > 0
            assert order.ticket.purpose == "open" or (
                (order.ticket.symbol, order.ticket.side) in self.account.positions
            )

    @invariant()
    def what_was_told_is_what_is(self) -> None:
        for change in self.core.drain():
            if isinstance(change, Order):
                self.told[change.order_id] = change
            else:
                self.fills.append(change)
        assert self.told == self.account.orders
        assert self.fills == self.account.executions

    @invariant()
    def orders_are_the_sum_of_their_fills(self) -> None:
        filled: dict[str, Decimal] = {}
        for execution in self.account.executions:
            fill = execution.fill
            assert fill.fee == fill.price * fill.size * (BTC.maker_fee if execution.maker else BTC.taker_fee)
            filled[fill.order_id] = filled.get(fill.order_id, Decimal(0)) + fill.size
        for order in self.account.orders.values():
            assert order.filled == filled.get(order.order_id, Decimal(0)) <= order.ticket.size


Account.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAccount = Account.TestCase
