"""An acceptance stays while the days after it do not speak against it, and not for ever."""

from datetime import date, timedelta

import numpy as np
import pytest

from desk.learn.stay import CAP, Acceptance, Standing, merged_days, standing, wealth_against, whole_days

ACCEPTED = Acceptance(
    symbol="XUSDT",
    settings="abc",
    last_day="2026-01-31",
    at="2026-02-01T00:00:00+00:00",
    net_bps=5.0,
    p_value=0.01,
    day_spread_bps=140.0,
)


def days(*net: float) -> dict[str, float]:
    start = date.fromisoformat(ACCEPTED.last_day)
    return {(start + timedelta(days=at)).isoformat(): value for at, value in enumerate(net, start=1)}


def standing_after(net: dict[str, float], *, today: str = "2026-03-01") -> Standing:
    return standing(ACCEPTED, net, today=today, error=0.1, stay_days=180)


def test_good_and_ordinary_days_change_nothing() -> None:
    found = standing_after(days(100.0, -120.0, 50.0, 0.0, 30.0))

    assert (found.ended, found.days, found.since) == ("", 5, "2026-01-31")


def test_days_that_lose_again_and_again_end_it() -> None:
    found = standing_after(days(*[-150.0] * 21))

    assert found.ended == (
        f"accepted on 2026-01-31, but the 21 days since then earned -150.0 bp a day, which speaks "
        f"{found.wealth:.0f} to 1 against an edge; 10 to 1 ends it"
    )


def test_once_ended_good_days_do_not_bring_it_back() -> None:
    """It needs the test again; else a refusal would last as long as bad luck does."""
    assert standing_after(days(*[-150.0] * 21, *[400.0] * 40), today="2026-04-10").ended


def test_only_days_after_the_acceptance_count() -> None:
    """The days before it were looked at by the test."""
    before = {f"2026-01-{day:02}": -500.0 for day in range(1, 32)}

    assert standing_after(before).days == 0
    assert standing_after(before).ended == ""


def test_after_half_a_year_the_test_is_asked_again() -> None:
    assert standing_after({}, today="2026-07-30").ended == ""
    assert "after 180 days the test is asked again" in standing_after({}, today="2026-07-31").ended


def false_alarms(sample: str, runs: int = 4_000) -> float:
    rng = np.random.default_rng(2)
    shape = (runs, 180)
    if sample == "normal":
        net = rng.normal(size=shape)
    elif sample == "heavy":
        net = rng.standard_t(4, size=shape) / np.sqrt(2)
    else:
        rare = np.where(rng.random(shape) < 0.05, 4.36, -0.2294)
        net = rare if sample == "gains" else -rare
    return float(np.mean(wealth_against(net, scale=1.0).max(axis=1) >= 10))


@pytest.mark.parametrize("sample", ["normal", "heavy", "stops", "gains"])
def test_an_edge_of_nothing_is_rejected_as_rarely_as_it_says(sample: str) -> None:
    """Looked at on every one of 180 days: at most one in ten, whatever the pay-off looks like."""
    assert false_alarms(sample) <= 0.1


def test_bets_above_the_cap_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a cap so low that good days are not believed turns luck into evidence of loss."""
    monkeypatch.setattr("desk.learn.stay.CAP", 0.5)

    assert false_alarms("gains") > 0.1


def test_a_lost_edge_is_found_within_weeks() -> None:
    """-12 bp in ten trades a day, which is what costs leave of no edge: a month is enough in most cases."""
    rng = np.random.default_rng(3)
    wealth = wealth_against(rng.normal(-120.0, 142.0, (2_000, 40)), scale=142.0)

    assert np.mean(wealth.max(axis=1) >= 10) > 0.9
    assert np.isfinite(wealth_against(np.full((1, 10), 1e6), scale=142.0)).all()
    assert CAP * 0.19 < 1


def test_each_day_counts_once_and_live_trades_first() -> None:
    """What was really earned replaces what the walk says of the same day."""
    assert merged_days({"2026-02-01": 5.0, "2026-02-02": 6.0}, {"2026-02-02": -9.0}) == {
        "2026-02-01": 5.0,
        "2026-02-02": -9.0,
    }
    assert whole_days([("2026-02-01", 5.0), ("2026-02-02", 6.0)]) == {"2026-02-01": 5.0}
