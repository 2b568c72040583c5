"""What the evaluation expected of models, and what they delivered.  Pure.

Closed trades and a model's card come in; a ``Score`` goes out, with the reason for demoting the model if
there is one.  Two rules, both of which may be asked as often as one likes:

* Share of labelled trades that took the side to which the price moved (the guide's win rate) below
  ``floor``, beyond chance; only of models whose evaluation expects more than the floor, and once there are
  ``floor_trades`` of them.
* Share of trades that earned after costs below the expected share, beyond chance.

"Beyond chance" is the same test in both.  The share of each finished UTC day is one observation between 0 and
1, because trades of a day win and lose together.  With it as a bet against the claimed share p, the mean over
alternatives q < p of ∏ (x q/p + (1-x) (1-q)/(1-p)) is a nonnegative supermartingale as long as the expected
share of every day, given the days before, is p or more.  That it ever reaches 2/error has probability
error/2 at most (Ville), however often one looks, so that both rules together demote a model that keeps what
was expected with probability ``error`` at most.  The shares p that the test has not rejected are a confidence
sequence: the rule asks whether the floor lies above all of it.

References
----------
Ville (1939), "Étude critique de la notion de collectif"; Waudby-Smith, Ramdas (2024), "Estimating means of
bounded random variables by betting", Journal of the Royal Statistical Society B 86(1); Ramdas, Grünwald,
Vovk, Shafer (2023), "Game-Theoretic Statistics and Safe Anytime-Valid Inference", Statistical Science 38(4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.clustered import DAY_MS, Mean, clustered_mean, share_interval
from desk.costs import coarse_steps
from desk.trade.records import ClosedTrade
from desk.trade.settings import ScoreSettings
from desk.trade.signals import ModelCard
from desk.values import CANDLE_MS

ALTERNATIVES = np.arange(1, 20) / 20
"""Win rates that are bet on, as shares of the expected one."""
RULES = 2
"""Tests that share the error of the settings."""
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A model's trades so far.  A figure is None where there is nothing to make it of.

    Intervals count the days of the signal candles, and are None where these are too few
    (``desk.clustered``).
    """

    card: ModelCard
    n: int
    win_rate: float | None
    """Share of the trades that earned after costs."""
    win_rate_ci95: Interval | None
    n_labelled: int
    win_rate_labelled: float | None
    """Share of the trades on labelled candles that took the side to which the price moved."""
    win_rate_labelled_ci95: Interval | None
    net_bps: float | None
    """Mean per trade, after costs."""
    net_bps_ci95: Interval | None
    evidence: float
    """Largest value of the e-process against the expected share of trades that earn, over finished days: 20
    means that luck alone gets there once in 20 models."""
    evidence_floor: float
    """The same of labelled trades against the floor; 0 where the evaluation expects no more than that."""
    demotion: str
    """Why the model should only look on; empty while it need not."""
    is_experiment: bool = False
    """Whether these are an experiment's trades, which are counted apart and demote nobody."""


def score(
    card: ModelCard,
    trades: Sequence[ClosedTrade],
    labels: Sequence[tuple[int, bool]],
    settings: ScoreSettings,
) -> Score:
    """Count a model's trades, and see whether they fall short of what was expected.

    Parameters
    ----------
    card : ModelCard
    trades : sequence of ClosedTrade
        Of that model, in the order in which they ended.
    labels : sequence of (int, bool)
        As ``labelled_wins`` gives them.
    settings : ScoreSettings
    """
    wins = [trade.net > 0 for trade in trades]
    opened = [trade.opened for trade in trades]
    labelled = [at for at, _ in labels]
    rights = [right for _, right in labels]
    expected, expected_labelled = card.expectation.win_rate, card.expectation.win_rate_labelled
    evidence = 0.0 if expected is None else evidence_below(expected, finished_days(wins, opened))
    floored = expected_labelled is not None and expected_labelled > settings.floor
    evidence_floor = evidence_below(settings.floor, finished_days(rights, labelled)) if floored else 0.0
    rate, rate_ci95 = _share_of(wins, opened)
    rate_labelled, rate_labelled_ci95 = _share_of(rights, labelled)
    net = _mean([trade.net * 1e4 for trade in trades], opened)
    enough, found = RULES / settings.error, []
    if rate_labelled is not None and len(labels) >= settings.floor_trades and evidence_floor >= enough:
        found.append(
            f"win rate {rate_labelled:.1%} on {len(labels)} labelled trades, at least {settings.floor:.1%} "
            f"is asked for: {_beyond(evidence_floor)}"
        )
    if expected is not None and rate is not None and evidence >= enough:
        found.append(
            f"{rate:.1%} of {len(wins)} trades earned, {expected:.1%} were expected: {_beyond(evidence)}"
        )
    return Score(
        card=card,
        n=len(wins),
        win_rate=rate,
        win_rate_ci95=rate_ci95,
        n_labelled=len(labels),
        win_rate_labelled=rate_labelled,
        win_rate_labelled_ci95=rate_labelled_ci95,
        net_bps=net.value if net else None,
        net_bps_ci95=net.reported() if net else None,
        evidence=evidence,
        evidence_floor=evidence_floor,
        demotion="; ".join(found),
    )


def _share_of(won: Sequence[bool], opened: Sequence[int]) -> tuple[float | None, Interval | None]:
    mean = _mean(won, opened)
    return (mean.value, share_interval(mean, len(won))) if mean else (None, None)


def _mean(values: Sequence[float], opened: Sequence[int]) -> Mean | None:
    """Mean over trades whose signal candles opened at these times (ms); None of nothing."""
    if not values:
        return None
    return clustered_mean(np.asarray(values, dtype=np.float64), np.asarray(opened, dtype=np.int64))


def _beyond(evidence: float) -> str:
    return f"chance does this to one in {evidence:,.0f} models at most"


def labelled_wins(
    card: ModelCard, trades: Sequence[ClosedTrade], closes: Mapping[int, float]
) -> list[tuple[int, bool]]:
    """Of the trades on labelled candles, which took the side to which the price moved.

    Parameters
    ----------
    card : ModelCard
        Its horizon and threshold make the labels.
    trades : sequence of ClosedTrade
    closes : mapping
        Closing prices by open time, of the signal candles and of those a horizon later; a trade without
        both is left out.

    Returns
    -------
    list of (int, bool)
        For each such trade, the open time of its signal candle (ms) and whether its side was right.
    """
    found = []
    for trade in trades:
        before, after = (closes.get(at) for at in label_times(card, trade))
        if before is None or after is None:
            continue
        move = after / before - 1
        if abs(move) >= card.label_threshold:
            found.append((trade.opened, trade.side * move > 0))
    return found


def label_times(card: ModelCard, trade: ClosedTrade) -> tuple[int, int]:
    """Open times of the candles that make a trade's label."""
    return trade.opened, trade.opened + card.rules.horizon * CANDLE_MS


def finished_days(won: Sequence[bool], opened: Sequence[int]) -> list[float]:
    """The share won of each UTC day but the newest, which may still go on; oldest first.

    Parameters
    ----------
    won : sequence of bool
    opened : sequence of int
        Open time of the signal candle of each trade, ms.
    """
    days: dict[int, list[bool]] = {}
    for at, one in zip(opened, won, strict=True):
        days.setdefault(at // DAY_MS, []).append(one)
    return [sum(days[day]) / len(days[day]) for day in sorted(days)[:-1]]


def evidence_below(expected: float, shares: Sequence[float]) -> float:
    """The largest value so far of the e-process against "each of ``shares`` is ``expected`` or more".

    Parameters
    ----------
    expected : float
        In the mean, given the shares before; 0 and 1 cannot be tested.
    shares : sequence of float
        Between 0 and 1: the share won of each day, or 0 and 1 for single trades that are independent.

    Returns
    -------
    float
        0 where there is nothing to test.
    """
    if not shares or not 0 < expected < 1:
        return 0.0
    q = expected * ALTERNATIVES
    x: NDArray[np.float64] = np.asarray(shares, dtype=np.float64)[:, None]
    paths = np.cumsum(np.log(x * (q / expected) + (1 - x) * ((1 - q) / (1 - expected))), axis=0)
    top = paths.max(axis=1, keepdims=True)
    mixed = top[:, 0] + np.log(np.mean(np.exp(paths - top), axis=1))
    return float(np.exp(min(float(mixed.max()), 700.0)))


def score_cells(found: Score) -> tuple[str, ...]:
    """A score as text: symbol, trades, won, expected, net bp, expected, labelled wins, state.

    A symbol whose tick or spread is coarse bears an asterisk: its win rates count bounce.
    """
    card, costs = found.card, found.card.costs
    coarse = coarse_steps(tick_bps=costs.tick_bps, spread_bps=costs.spread_bps)
    return (
        f"{card.symbol}{'*' if coarse else ''}",
        f"{found.n:,}",
        _delivered_share(found.win_rate, found.win_rate_ci95),
        _share(card.expectation.win_rate),
        _delivered_bps(found.net_bps, found.net_bps_ci95),
        _bps(card.expectation.net_bps),
        _delivered_share(found.win_rate_labelled, found.win_rate_labelled_ci95),
        "experiment" if found.is_experiment else "retrain" if found.demotion else "as expected",
    )


def _delivered_share(value: float | None, between: Interval | None) -> str:
    words = "too few days" if between is None else f"{between[0] * 100:.0f}, {between[1] * 100:.0f}"
    return _share(value) if value is None else f"{_share(value)} [{words}]"


def _delivered_bps(value: float | None, between: Interval | None) -> str:
    words = "too few days" if between is None else f"{between[0]:+.1f}, {between[1]:+.1f}"
    return _bps(value) if value is None else f"{_bps(value)} [{words}]"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _bps(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"
