"""Figures over all symbols."""

from typing import Any

import pytest

from desk.learn.overview import by_name, nearest_first, overview, running_sum


def row(symbol: str, low: float | None, *, tradable: bool = False, status: str = "trained") -> dict[str, Any]:
    bounds = None if low is None else [low, low + 9.0]
    return {"symbol": symbol, "net_bps_ci95": bounds, "tradable": tradable, "status": status}


def group(name: str, trades: int, net_bps: float | None, labelled: int = 10) -> dict[str, Any]:
    known = {"trades": trades, "win_rate": None if net_bps is None else 0.5, "net_bps": net_bps}
    return {"name": name, "labelled": labelled, "accuracy": 0.5, **known}


def test_the_nearest_is_the_one_whose_lower_end_is_highest() -> None:
    """Tradable ones before all, those without an interval after, and those without a model last."""
    rows = [row("FAR", -9.0), row("NONE", None), row("FAILED", None, status="failed"), row("NEAR", -1.0)]
    rows += [row("PROVEN", 0.5, tradable=True)]

    assert [one["symbol"] for one in nearest_first(rows)] == ["PROVEN", "NEAR", "FAR", "NONE", "FAILED"]


def test_groups_of_one_name_are_weighted_by_their_trades() -> None:
    """Ten trades of one symbol must not weigh as much as a thousand of another."""
    found = by_name([group("2025-11", 10, 100.0), group("2025-10", 5, 1.0), group("2025-11", 990, 0.0)])

    assert [(one["name"], one["trades"], one["net_bps"]) for one in found] == [
        ("2025-10", 5, 1.0),
        ("2025-11", 1_000, 1.0),
    ]


def test_a_group_that_never_traded_has_no_mean() -> None:
    assert by_name([group("00:00", 0, None)])[0]["net_bps"] is None


def test_the_drawdown_counts_from_the_highest_point_so_far() -> None:
    """And from zero, where the first days lose."""
    days = [
        {"date": f"d{n}", "trades": 1, "net_bps": of} for n, of in enumerate((-5.0, 8.0, -2.0, -3.0, 9.0))
    ]

    found = running_sum(days)

    assert [day["sum_bps"] for day in found] == [-5.0, 3.0, 1.0, -2.0, 7.0]
    assert [day["below_peak_bps"] for day in found] == [5.0, 0.0, 2.0, 5.0, 0.0]


def test_chance_alone_would_put_one_interval_in_forty_above_one_half() -> None:
    def described(low: float, high: float) -> dict[str, Any]:
        return {
            "symbol": "A",
            "metrics": {"accuracy_ci95": [low, high]},
            "signals": {"statistics": {"sides": {}, "ended": {}}},
            "calibration": None,
            "stability": {"months": [], "hours": [], "thirds": []},
            "importance": {"x": 3.0, "y": 1.0},
            "tuning": {"chosen": "baseline"},
            "timing": {"fit": 2.0, "cpu_seconds": 3.0},
        }

    found = overview(
        [described(0.51, 0.55), described(0.45, 0.52), described(0.4, 0.49), described(0.45, 0.55)]
    )

    assert found["chance"] == {"intervals": 4, "above": 1, "below": 1, "expected": pytest.approx(0.1)}
    assert found["importance"][0] == {"name": "x", "share": pytest.approx(0.75)}
    assert found["chosen"] == {"baseline": 4}
    assert found["seconds"] == [{"name": "fit", "seconds": 2.0}]


def test_no_model_at_all_is_no_error() -> None:
    assert overview([])["chance"]["intervals"] == 0
