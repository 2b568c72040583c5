"""Figures and subjects that other tests of risk and reconciliation left open: mutants survived there."""

from dataclasses import replace
from decimal import Decimal

import pytest

from desk.policy import LONG, SHORT
from desk.trade.reconcile import AccountState, Correction, JournalState, reconcile
from desk.trade.risk import decide, with_approved
from tests.trade.samples import LIMITS, context, contract, intent
from tests.trade.test_reconcile import OURS, TERMS, held, order_named, trade, waiting


def corrections(account: AccountState, journal: JournalState) -> list[Correction]:
    return list(reconcile(journal, account, TERMS))


def test_free_margin_holds_the_margin_and_the_fees_of_both_ways() -> None:
    """90 USDT are free, the price is 100, a side costs 6 bp: so many coins, and not one step more."""
    limits = replace(
        LIMITS,
        risk_per_trade=Decimal("0.9"),
        max_position=Decimal(10),
        max_gross=Decimal(10),
        max_net=Decimal(10),
    )
    free = Decimal(100) * (1 - limits.margin_reserve)

    decision = decide(intent(), context(available=Decimal(100)), limits)

    assert decision.order is not None
    needed = Decimal(100) / decision.order.leverage + 2 * Decimal("0.0006") * 100
    assert decision.order.size == (free / needed).quantize(Decimal("0.001"), rounding="ROUND_DOWN")


def test_an_approved_order_binds_its_margin_and_the_fees_of_both_ways() -> None:
    """The next intent of the same candle must not spend that money again."""
    before = context()
    decision = decide(intent(), before, LIMITS)
    assert decision.order is not None
    notional = decision.exposure.notional

    after = with_approved(before, decision)

    bound = notional / decision.order.leverage + 2 * Decimal("0.0006") * notional
    assert before.available - after.available == pytest.approx(bound)


def test_a_rule_without_a_word_does_not_end_the_questions() -> None:
    """Every reason is named, also those of rules that stand behind one that agrees."""
    reasons = decide(
        intent(), context(orders_last_minute=99, losses_in_a_row=0, clock_drift_s=5.0), LIMITS
    ).reasons

    assert {"order rate", "clock"} <= {reason.rule for reason in reasons}
    assert all(reason.text for reason in reasons)


@pytest.mark.parametrize(("side", "stop"), [(LONG, Decimal(98)), (SHORT, Decimal(102))])
def test_the_stop_of_a_resized_trade_is_that_of_the_trade(side: int, stop: Decimal) -> None:
    """Protection after a partial fill covers what is held, at the trade's own stop and for that trade."""
    known = trade(side=side, size=Decimal(2))

    resize, protect = corrections(
        AccountState(positions=[held(side=side, stop_loss=None)], orders=[]),
        JournalState(trades=[known], unresolved=[]),
    )

    assert (resize.kind, resize.size) == ("resize", Decimal(1))
    assert (protect.kind, protect.stop, protect.side) == ("protect", stop, side)
    assert protect.trade is not None
    assert (protect.trade.trade, protect.trade.size, protect.trade.status) == (
        known.trade,
        Decimal(1),
        "open",
    )


def test_every_stray_order_is_named_with_its_symbol() -> None:
    """An order that is waited for must not hide those behind it."""
    known = waiting()
    found = corrections(
        AccountState(
            positions=[], orders=[order_named(known.client_id), order_named(OURS), order_named("a hand's")]
        ),
        JournalState(trades=[], unresolved=[known]),
    )

    assert [(one.kind, one.symbol, one.order) for one in found if one.kind != "look_up"] == [
        ("cancel", "BTCUSDT", OURS),
        ("report", "BTCUSDT", "a hand's"),
    ]
    assert all(one.why for one in found)


def test_a_second_position_of_a_symbol_is_called_so() -> None:
    """What is closed without being asked for must say why."""
    (first, second) = corrections(
        AccountState(positions=[held(), held(side=SHORT)], orders=[]), JournalState(trades=[], unresolved=[])
    )

    assert {first.kind, second.kind} == {"close"}
    assert "second position" in first.why


@pytest.mark.parametrize(("side", "name"), [(LONG, "long"), (SHORT, "short")])
def test_an_adopted_trade_is_named_after_its_side(side: int, name: str) -> None:
    """In hedge mode a symbol may hold both; their trades need names that differ."""
    (adopt,) = corrections(
        AccountState(positions=[held(side=side)], orders=[]), JournalState(trades=[], unresolved=[])
    )

    assert adopt.kind == "adopt"
    assert adopt.trade is not None
    assert adopt.trade.trade.startswith(f"adopted-BTCUSDT-{name}-")
    assert adopt.trade.opened % 300_000 == 0
    assert isinstance(adopt.trade.opened, int)


def test_no_contract_no_slack() -> None:
    """Without a tick a stop that is off by anything is too far away."""
    terms = replace(TERMS, contracts={})
    far = held(stop_loss=Decimal("97.9"))

    (protect,) = reconcile(
        JournalState(trades=[trade()], unresolved=[]), AccountState(positions=[far], orders=[]), terms
    )

    assert protect.kind == "protect"
    assert "too far away" in protect.why
    assert contract().tick == Decimal("0.1")
