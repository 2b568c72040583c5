"""Journal and exchange are together again when a cycle is over, though answers are lost."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.trade.faulty import FaultyExchange
from tests.trade.samples import by_hand
from tests.trade.test_session import rounds_of, run, two_symbols


@pytest.mark.parametrize("fault", ["dropped", "lost", "later"])
async def test_a_stop_that_could_not_be_bound_is_asked_for_again_in_the_same_cycle(
    tmp_path: Path, fault: str
) -> None:
    """The soak found it: one lost answer in a hundred left a position bare for another minute."""
    play = two_symbols(tmp_path, wrap=FaultyExchange)
    with play.journal:
        await run(play, rounds_of(play, 2))
        account = play.paper.matching.account
        before = {(one.symbol, one.stop_loss) for one in await play.paper.positions()}
        account.plans.clear()
        assert isinstance(play.exchange, FaultyExchange)
        play.exchange.script["protect"] = [fault, fault]

        await play.trader.upkeep.reconcile()

        assert {(one.symbol, one.stop_loss) for one in await play.paper.positions()} == before
        assert len(before) == 2


async def test_what_stays_refused_is_not_tried_for_ever(tmp_path: Path) -> None:
    """A cycle comes to its end whatever the exchange says; the next one tries again."""
    play = two_symbols(tmp_path, wrap=FaultyExchange)
    with play.journal:
        await run(play, rounds_of(play, 2))
        play.paper.matching.account.plans.clear()
        assert isinstance(play.exchange, FaultyExchange)
        play.exchange.script["protect"] = ["unknown"] * 20
        asked = play.exchange.calls["protect"]

        await play.trader.upkeep.reconcile()

        assert 2 <= play.exchange.calls["protect"] - asked <= 8


async def test_what_is_adopted_has_paid_for_its_entry(tmp_path: Path) -> None:
    """Without it the journal is above the account by a fee for every adopted trade."""
    play = two_symbols(tmp_path, wrap=FaultyExchange)
    with play.journal:
        await play.trader.start()
        play.paper.feed_price("BTCUSDT", 100.0)
        await play.exchange.place(by_hand(size=Decimal(3)))
        await play.trader.upkeep.reconcile()
        (trade,) = play.journal.ledger.open_trades()
        await play.trader.upkeep.reconcile_and_leave(lambda: [trade])

        (closed,) = play.journal.ledger.closed_trades()
        balance = await play.paper.balance()
        assert closed.profit == balance.equity - play.deposit
