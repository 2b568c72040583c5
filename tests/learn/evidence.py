"""Evidence made for tests."""

import numpy as np

from desk.learn.evidence import DailySums, Evidence, Overclaim
from desk.learn.settings import VerdictRules

RULES = VerdictRules(
    min_trades=30,
    min_days=10,
    false_discovery_rate=0.1,
    recent_days=36,
    recent_level=0.9,
    max_coverage_ratio=2.0,
    coverage_level=0.95,
    calibration_level=0.99,
    min_labelled=2_000,
    min_turnover=1_000_000.0,
    max_spread_bps=20.0,
    require_target_win_rate=False,
    stay_error=0.1,
    stay_days=180,
)


def sums(net_bps: float, *, days: int = 94, per_day: int = 3, spread: float = 20.0) -> DailySums:
    """Days that earn ``net_bps`` a trade on average, some more and some less."""
    wave = np.where(np.arange(days) % 2, spread, -spread)
    return DailySums((net_bps + wave) * per_day, np.full(days, per_day, dtype=np.int64))


GOOD = Evidence(
    symbol="GOODUSDT",
    window="",
    net=sums(9.0),
    executable=sums(8.5),
    aged=sums(7.0),
    without_holes=sums(9.0),
    fired=np.full(28, 6.0),
    promised=np.full(28, 6.0),
    silent=("short is silent: it lost",),
    unproven=(),
    overclaim=Overclaim(points=2.0, limit_points=5.0),
    labelled=9_000,
    coarse=(),
    turnover=5e6,
    spread_bps=2.0,
)
