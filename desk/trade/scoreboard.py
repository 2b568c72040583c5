"""What the evaluation expected of models, and what they delivered.  Pure.

Closed trades and a model's card come in; a ``Score`` goes out, with the reason for demoting the model if
there is one.  Two rules, both of which may be asked after every trade:

* Win rate on labelled trades (the guide's) below ``floor``, once there are ``floor_trades`` of them.
* Share of trades that earned after costs below the expected share, beyond chance.  The test is an e-process:
  with wins as bets against the expected share p, the mean over alternatives q < p of
  ∏ (q/p)^win ((1-q)/(1-p))^loss is a nonnegative supermartingale as long as every trade wins with probability
  p or more given the past.  That it ever reaches 1/error has probability ``error`` at most (Ville), however
  often one looks.

References
----------
Ville (1939), "Étude critique de la notion de collectif"; Ramdas, Grünwald, Vovk, Shafer (2023),
"Game-Theoretic Statistics and Safe Anytime-Valid Inference", Statistical Science 38(4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.clustered import Mean, clustered_mean, share_interval
from desk.costs import coarse_steps
from desk.trade.records import ClosedTrade
from desk.trade.settings import ScoreSettings
from desk.trade.signals import ModelCard
from desk.values import CANDLE_MS

ALTERNATIVES = np.arange(1, 20) / 20
"""Win rates that are bet on, as shares of the expected one."""
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
    """Largest value of the e-process so far: 20 means that luck alone gets there once in 20 models."""
    demotion: str
    """Why the model should only look on; empty while it need not."""


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
    expected = card.expectation.win_rate
    evidence = 0.0 if expected is None else evidence_below(expected, wins)
    n, labelled = len(wins), len(labels)
    opened = [trade.opened for trade in trades]
    rate, rate_ci95 = _share_of(wins, opened)
    rate_labelled, rate_labelled_ci95 = _share_of([right for _, right in labels], [at for at, _ in labels])
    net = _mean([trade.net * 1e4 for trade in trades], opened)
    return Score(
        card=card,
        n=n,
        win_rate=rate,
        win_rate_ci95=rate_ci95,
        n_labelled=labelled,
        win_rate_labelled=rate_labelled,
        win_rate_labelled_ci95=rate_labelled_ci95,
        net_bps=net.value if net else None,
        net_bps_ci95=net.reported() if net else None,
        evidence=evidence,
        demotion="; ".join(_demotion(rate, rate_labelled, labelled, n, evidence, expected, settings)),
    )


def _share_of(won: Sequence[bool], opened: Sequence[int]) -> tuple[float | None, Interval | None]:
    mean = _mean(won, opened)
    return (mean.value, share_interval(mean, len(won))) if mean else (None, None)


def _mean(values: Sequence[float], opened: Sequence[int]) -> Mean | None:
    """Mean over trades whose signal candles opened at these times (ms); None of nothing."""
    if not values:
        return None
    return clustered_mean(np.asarray(values, dtype=np.float64), np.asarray(opened, dtype=np.int64))


def _demotion(
    rate: float | None,
    rate_labelled: float | None,
    labelled: int,
    n: int,
    evidence: float,
    expected: float | None,
    settings: ScoreSettings,
) -> list[str]:
    found = []
    if rate_labelled is not None and labelled >= settings.floor_trades and rate_labelled < settings.floor:
        found.append(
            f"win rate {rate_labelled:.1%} on {labelled} labelled trades, {settings.floor:.1%} is asked for"
        )
    if expected is not None and rate is not None and evidence >= 1 / settings.error:
        found.append(
            f"{rate:.1%} of {n} trades earned, {expected:.1%} were expected: chance does this to one in "
            f"{evidence:,.0f} models at most"
        )
    return found


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


def evidence_below(expected: float, wins: Sequence[bool]) -> float:
    """The largest value so far of the e-process against "each trade wins with ``expected`` or more"."""
    if not wins or not 0 < expected < 1:
        return 0.0
    q = expected * ALTERNATIVES
    won: NDArray[np.bool_] = np.asarray(wins, dtype=bool)
    bet = np.where(won[:, None], np.log(q / expected), np.log((1 - q) / (1 - expected)))
    paths = np.cumsum(bet, axis=0)
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
        "retrain" if found.demotion else "as expected",
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
