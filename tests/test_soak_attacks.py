"""What ``make soak-attacks`` plans, trains and claims; the soak itself trains 106 markets."""

import asyncio
from pathlib import Path

import pytest

from soaks.attacks import MARKETS, Planned, Row, chosen, claims, plan, train, unnamed
from soaks.markets import ATTACKS, EDGES


def row(name: str, seed: int = 1, *, tradable: bool = False, reasons: tuple[str, ...] = ("no",)) -> Row:
    """Row of a trained market."""
    return Row(Planned(name, seed), "trained", tradable, reasons, 40, -1.0, 10.0)


def failing(rows: list[Row]) -> list[str]:
    """Claims about ``rows`` that do not hold."""
    return [claim for claim, holds in claims(rows).items() if not holds]


def test_the_whole_plan_is_that_of_the_acceptance() -> None:
    """19 attacks and 3 edges with three seeds, each alone in its run, and 40 random walks."""
    runs = plan(chosen(""), (901, 902, 903), 40)
    alone = [run[0] for run in runs if len(run) == 1]
    walks = [of for run in runs if len(run) > 1 for of in run]

    assert len(alone) == len(set(alone)) == 3 * (len(ATTACKS) - 1 + len(EDGES)) == 66
    assert len(walks) == len({of.symbol for of in walks}) == 40
    assert {of.name for of in walks} == {"plain walk"}


def test_names_select_exactly_or_by_a_part() -> None:
    """A name may hold a comma and then goes by a part of it; a slip of the pen must not select nothing."""
    assert chosen("daily drift, spread of 4") == ["daily drift", "spread of 40 bp"]
    assert chosen("40 % empty") == ["40 % empty, spread of 30 bp"]
    assert chosen("") == list(MARKETS)
    with pytest.raises(SystemExit, match="'dfirt'"):
        chosen("dfirt")


def test_one_attack_that_is_called_tradable_fails_the_soak() -> None:
    """The soak exists for it: a user would put money on such a verdict."""
    good = [row("tick of 8 bp"), row("plain walk"), row("daily drift", tradable=True)]

    assert failing(good) == []
    assert len(failing([*good, row("pump and dump", tradable=True)])) == 1
    assert len(failing([*good, row("plain walk", 2, tradable=True)])) == 1
    assert len(failing([*good, row("pump and dump", reasons=())])) == 1


@pytest.mark.parametrize(("missed", "claims_missed"), [(0, 0), (1, 0), (2, 1)])
def test_one_edge_of_nine_may_be_missed(missed: int, claims_missed: int) -> None:
    """Eight of nine is the requirement; of fewer, all must be found."""
    edges = [row(name, seed) for name in EDGES for seed in range(3)]
    found = [row(of.planned.name, of.planned.seed, tradable=True) for of in edges[missed:]]

    assert len(failing(edges[:missed] + found)) == claims_missed
    assert failing([edges[0], *found[-2:]])


def test_a_run_that_did_not_end_is_not_a_refusal() -> None:
    """A crash would otherwise look like an attack that was seen through."""
    crashed = Row(Planned("tick of 8 bp", 1), "no summary", False, ("it crashed",), None, None, 1.0)

    assert len(failing([crashed])) == 1


def test_a_refusal_for_another_reason_is_noted() -> None:
    """Whoever reads the table learns where the verdict was right by luck."""
    named = row("spread of 40 bp", reasons=("too few days", "the spread of 40 bp costs more"))
    lucky = row("spread of 40 bp", 2, reasons=("too few days",))

    assert unnamed([named, lucky, row("GARCH with leverage")]) == ["spread of 40 bp (2)"]


def test_a_market_is_trained_by_the_command_and_its_summary_read(tmp_path: Path) -> None:
    """Two readings of bid and ask, a day apart, then the training, all over loopback."""
    run = [Planned("lagging last price", 11), Planned("price of 1e-09", 12)]
    short = ["--days", "20", "--trials", "2"]

    rows = asyncio.run(train(run, tmp_path, readings=2, arguments=short))

    assert [of.planned for of in rows] == run
    assert [of.status for of in rows] == ["trained", "trained"], rows
    assert all(of.reasons for of in rows if not of.tradable)
    assert (tmp_path / "candles" / "contracts.json").is_file()


def test_a_command_that_fails_is_told_by_its_last_line(tmp_path: Path) -> None:
    """Whoever runs the soak must learn why, without running the command by hand."""
    (failed,) = asyncio.run(train([Planned("pump and dump", 1)], tmp_path, arguments=["--days", "0"]))

    assert failed.status == "no summary"
    assert "status 2" in failed.reasons[0]
    assert "days" in failed.reasons[0]
