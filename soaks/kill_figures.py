"""What happened in the chains of lives of ``soaks.kill``: figures, and the table that it prints."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(slots=True)
class Figures:
    """What happened in one chain, and what went wrong."""

    name: str
    kills: Counter[str] = field(default_factory=Counter)
    lives: int = 0
    looks: int = 0
    orders: int = 0
    resent: int = 0
    """Client ids that the exchange refused because it had seen them."""
    ended: Counter[str] = field(default_factory=Counter)
    """Executions that closed, by cause."""
    while_dead: int = 0
    """Stops and take-profits that were hit while no session was alive."""
    hands: Counter[str] = field(default_factory=Counter)
    suspended: int = 0
    """Lives in which a contract took no orders."""
    clocks_set: int = 0
    """Lives in the middle of which the machine's clock was set."""
    corrections: Counter[str] = field(default_factory=Counter)
    funding: Decimal = Decimal(0)
    trades: int = 0
    passing: int = 0
    """What was amiss at a look and well at the next: the exchange did not answer a step in between."""
    off_by: Decimal = Decimal(0)
    """Largest difference of an equity, USDT."""
    wrong: list[str] = field(default_factory=list)

    def must(self, *, hold: bool, claim: str) -> None:
        """Note a claim that does not hold."""
        if not hold:
            self.wrong.append(f"{self.name}: {claim}")


def table(all_figures: Sequence[Figures]) -> Iterator[str]:
    """Lines of figures, one column per chain."""
    rows: dict[str, Callable[[Figures], object]] = {
        "": lambda one: one.name,
        "kills": lambda one: one.kills.total(),
        "- order sent, answer not journaled": lambda one: one.kills["sent"],
        "- before a call": lambda one: one.kills["before"],
        "- after a call": lambda one: one.kills["after"],
        "lives, last one in peace": lambda one: one.lives,
        "looks at account and journal": lambda one: one.looks,
        "- amiss at one, well at the next": lambda one: one.passing,
        "orders": lambda one: one.orders,
        "client ids refused as known": lambda one: one.resent,
        "trades": lambda one: one.trades,
        "stops hit": lambda one: one.ended["stop_loss"],
        "take-profits hit": lambda one: one.ended["take_profit"],
        "closed while nobody was alive": lambda one: one.while_dead,
        "by hand: bare, half, closed, turned": lambda one: ", ".join(
            str(one.hands[hand]) for hand in ("strip", "part", "close", "turn")
        ),
        "leverages moved by hand": lambda one: one.hands["leverage"],
        "lives: contract suspended, clock set": lambda one: f"{one.suspended}, {one.clocks_set}",
        "corrections": lambda one: one.corrections.total(),
    }
    for kind in sorted(set().union(*(one.corrections for one in all_figures))):
        rows[f"- {kind}"] = lambda one, kind=kind: one.corrections[kind]  # type: ignore[misc]
    rows["funding paid, USDT"] = lambda one: f"{one.funding:.4f}"
    rows["equity off by at most, USDT"] = lambda one: f"{float(one.off_by):.1e}"
    rows["violations"] = lambda one: len(one.wrong)
    for name, value in rows.items():
        yield f"{name:36}" + "".join(f"{value(one)!s:>18}" for one in all_figures)
