"""The summary of a run: what changed since the last one beyond chance, and what to do about it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from desk.learn.summary import RunCost, RunResults, summarise, targets_met
from desk.outcomes import Failed, Skipped
from desk.registry import ModelRegistry
from desk.reports.terminal import closing_words

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SETTINGS = {"prediction_horizon": 2, "min_price_change": 0.002, "n_trials": 50}


PORTFOLIO: dict[str, Any] = {
    "symbols": 0,
    "trades": 0,
    "days": 0,
    "net_bps": None,
    "p_value": None,
    "earns": False,
    "why": "no symbol traded: there is nothing to pool",
}


def trained(
    symbol: str,
    *,
    accuracy: float = 0.53,
    reach: float = 0.02,
    net: tuple[float, float] | None = (-5.0, 3.0),
    labelled: bool = True,
) -> dict[str, Any]:
    """The parts of a symbol's metadata that the summary reads."""
    metrics = {
        "accuracy": accuracy,
        "accuracy_ci95": [accuracy - reach, accuracy + reach],
        "n": 5_000,
        "precision": 0.53,
        "recall": 0.5,
        "f1": 0.51,
        "auc": 0.54,
    }
    signals = {
        "n": 300,
        "win_rate": 0.4,
        "break_even_win_rate": 0.5,
        "gross_bps": 1.0,
        "executable_gross_bps": 0.4,
        "net_bps": None if net is None else sum(net) / 2,
        "net_bps_ci95": None if net is None else list(net),
        "statistics": {
            "profit_factor": 0.9,
            "sharpe": -0.4,
            "sortino": -0.5,
            "calmar": None,
            "longest_losing_streak": 7,
            "max_drawdown": {"bps": 120.0, "first": "2026-10-01", "last": "2026-10-09"},
        },
    }
    return {
        "symbol": symbol,
        "model_file": f"{symbol}_lightgbm_20261122_120000.txt",
        "metrics": metrics if labelled else None,
        "signals": signals,
        "tuning": {"chosen": "baseline"},
        "data": {"tick_bps": 0.5, "spread_bps": 1.5},
        "timing": {"cpu_seconds": 9.0},
        "verdict": {"tradable": False, "reasons": ["no edge"]},
    }


def summary(
    *published: dict[str, Any],
    failed: tuple[str, ...] = (),
    skipped: tuple[str, ...] = (),
    previous: dict[str, Any] | None = None,
    ages: dict[str, float] | None = None,
    settings: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """``ages`` are the days since the models that stand in the directory were published."""
    return summarise(
        RunResults(
            trained=list(published),
            skipped=[Skipped(symbol, "Insufficient data") for symbol in skipped],
            failed=[Failed(symbol, "train", "broken", "") for symbol in failed],
            pooled=None,
            portfolio=PORTFOLIO,
            controls=None,
        ),
        settings=settings or SETTINGS,
        effort=RunCost(1.0, 2.0, 3, 0),
        started_at=NOW.isoformat(),
        finished_at=NOW.isoformat(),
        previous=previous,
        published={symbol: NOW - timedelta(days=age) for symbol, age in (ages or {}).items()},
        max_model_age_days=14,
    )


def words_of(told: dict[str, Any], target: float = 0.60) -> str:
    return closing_words(told, target=target, met=targets_met(told["averages"], target))


def named(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["symbol"] for entry in entries]


def test_the_summary_keeps_its_schema(tmp_path: Path) -> None:
    """With everything in it: changes, symbols to retrain, symbols to drop."""
    before = summary(trained("AUSDT", accuracy=0.60), trained("BUSDT", accuracy=0.50))
    told = summary(
        trained("AUSDT", accuracy=0.50),
        trained("BUSDT", accuracy=0.60),
        failed=("CUSDT",),
        skipped=("DUSDT",),
        previous=before,
        ages={"CUSDT": 3},
    )
    shelf = ModelRegistry(tmp_path)

    shelf.write_summary(told)

    assert shelf.read_summary() == told
    assert told["retrain"]
    assert told["drop"]


def test_a_first_run_has_nothing_to_compare_with() -> None:
    assert summary(trained("AUSDT"))["previous"] is None


def test_averages_are_compared_with_the_run_before() -> None:
    told = summary(trained("AUSDT", accuracy=0.53), previous=summary(trained("AUSDT", accuracy=0.51)))

    assert told["previous"]["averages"]["accuracy"] == 0.51
    assert told["previous"]["change"]["accuracy"] == pytest.approx(0.02)


def test_a_change_counts_only_where_the_intervals_part() -> None:
    """Of 300 symbols, a third rise by a point every week; nobody is served by their names."""
    before = summary(*(trained(symbol, accuracy=0.53) for symbol in ("AUSDT", "BUSDT", "CUSDT")))
    after = summary(
        trained("AUSDT", accuracy=0.58),
        trained("BUSDT", accuracy=0.56),
        trained("CUSDT", accuracy=0.48),
        trained("NEWUSDT", accuracy=0.70),
        previous=before,
    )["previous"]

    assert named(after["better"]) == ["AUSDT"]
    assert named(after["worse"]) == ["CUSDT"]
    assert after["worse"][0]["change"] == pytest.approx(-0.05)
    assert after["worse"][0]["accuracy_before"] == 0.53


def test_other_labels_are_not_compared() -> None:
    """At another horizon a win rate is another quantity: a fall is no loss."""
    before = summary(trained("AUSDT", accuracy=0.60), settings={**SETTINGS, "prediction_horizon": 6})
    told = summary(trained("AUSDT", accuracy=0.51), previous=before)

    assert told["previous"]["same_labels"] is False
    assert told["previous"]["worse"] == []
    assert told["retrain"] == []


def test_other_settings_than_the_labels_are_compared() -> None:
    """More trials are a reason to compare, not to refuse."""
    before = summary(trained("AUSDT", accuracy=0.60), settings={**SETTINGS, "n_trials": 100})

    assert named(summary(trained("AUSDT", accuracy=0.51), previous=before)["previous"]["worse"]) == ["AUSDT"]


def test_symbols_that_got_worse_are_to_be_retrained() -> None:
    (entry,) = summary(
        trained("AUSDT", accuracy=0.51), previous=summary(trained("AUSDT", accuracy=0.58)), ages={"AUSDT": 0}
    )["retrain"]

    assert entry["symbol"] == "AUSDT"
    assert "fell from 58.0 % to 51.0 %" in entry["reason"]


def test_a_failure_matters_where_an_old_model_stays_in_use() -> None:
    """Live trading goes on with the model of last time and would not say so."""
    told = summary(failed=("OLDUSDT", "NEVERUSDT"), ages={"OLDUSDT": 3})

    assert named(told["retrain"]) == ["OLDUSDT"]
    assert "3 days old stays published" in told["retrain"][0]["reason"]


@pytest.mark.parametrize(("age", "listed"), [(14.9, []), (15.1, ["OTHERUSDT"])])
def test_models_that_a_run_left_alone_grow_old(age: float, listed: list[str]) -> None:
    """After training a few symbols by name, the others must not be forgotten; two weeks are the most."""
    told = summary(trained("AUSDT"), ages={"AUSDT": 0, "OTHERUSDT": age})

    assert named(told["retrain"]) == listed
    assert all("15 days old" in entry["reason"] for entry in told["retrain"])


def test_a_model_of_this_run_is_never_old() -> None:
    """Also where the directory says otherwise, as on a machine whose clock was wrong."""
    assert summary(trained("AUSDT"), ages={"AUSDT": 100})["retrain"] == []


def test_losing_beyond_doubt_is_a_reason_to_drop() -> None:
    (entry,) = summary(trained("AUSDT", net=(-9.0, -3.0)), trained("BUSDT", net=(-9.0, 0.5)))["drop"]

    assert entry["symbol"] == "AUSDT"
    assert entry["reason"] == "its trades lose after costs beyond doubt: -6.0 bp each [-9.0, -3.0]"


@pytest.mark.parametrize(
    ("accuracy", "words"), [(0.51, "cannot be distinguished from"), (0.46, "lies below")]
)
def test_a_win_rate_at_or_below_one_half_is_a_reason_to_drop(accuracy: float, words: str) -> None:
    (entry,) = summary(trained("AUSDT", accuracy=accuracy), trained("BUSDT", accuracy=0.55))["drop"]

    assert entry["symbol"] == "AUSDT"
    assert f"{words} one half" in entry["reason"]


def test_what_is_tradable_is_not_to_be_dropped() -> None:
    """An edge of one candle a day does not show in the win rate of all labelled ones."""
    traded = trained("AUSDT", accuracy=0.5) | {"verdict": {"tradable": True, "reasons": []}}

    assert summary(traded)["drop"] == []


def test_both_reasons_are_told() -> None:
    (entry,) = summary(trained("AUSDT", accuracy=0.5, net=(-9.0, -3.0)))["drop"]

    assert "lose after costs" in entry["reason"]
    assert "one half" in entry["reason"]


def test_what_was_not_measured_is_not_held_against_a_symbol() -> None:
    """No trade and no labelled candle in the test part: there is nothing to say."""
    told = summary(trained("AUSDT", net=None, labelled=False), failed=("BUSDT",), skipped=("CUSDT",))

    assert told["drop"] == []


def test_the_terminal_is_told_counts_and_not_hundreds_of_names() -> None:
    """700 names would hide the three lines that matter."""
    names = [f"S{number}USDT" for number in range(700)]
    before = summary(*(trained(symbol, accuracy=0.58) for symbol in names))
    words = words_of(summary(*(trained(symbol, accuracy=0.51) for symbol in names), previous=before))

    assert "0 better and 700 worse beyond chance" in words
    assert "To retrain: 700, to drop: 700; the summary says which and why." in words
    assert "S1USDT" not in words


def test_nothing_to_do_is_not_mentioned() -> None:
    words = words_of(summary(trained("AUSDT", accuracy=0.56)))

    assert "retrain" not in words
    assert "beyond chance" not in words


def test_the_target_is_that_of_the_settings() -> None:
    """Who sets ``target_win_rate`` to 52 % must not read of a target of 60 % that was not met."""
    told = summary(trained("AUSDT", accuracy=0.525))
    lower = words_of(told, target=0.52)

    assert "targets of 52.0 %, on average: win rate 52.5 % (met), precision 53.0 % (met)" in lower
    assert "recall 50.0 % (not met)" in lower
    assert "targets of 60.0 %, on average: win rate 52.5 % (not met)" in words_of(told)
    assert targets_met(None, 0.5) == ()
