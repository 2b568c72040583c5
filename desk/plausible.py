"""Values that are possible and hardly ever meant, named before anything is fetched.

A service.  Settings come in, sentences go out.  What no run can mean is refused by the settings classes; here
stands what somebody may want, and most who have it mistyped: a percentage for a fraction, a zero too many.
"""

from collections.abc import Iterable

USUAL: dict[str, tuple[float, float, str]] = {
    "fetch.days": (1, 1_500, "days"),
    "learn.prediction_horizon": (1, 288, "candles of five minutes"),
    "learn.min_price_change": (0.0003, 0.03, "a fraction: 0.002 means 0.2 %"),
    "learn.n_trials": (1, 1_000, "trials of each symbol"),
    "learn.num_boost_round": (20, 20_000, "rounds"),
    "learn.n_seeds": (1, 50, "members of each model"),
    "learn.trading.stop_loss": (0.001, 0.2, "a fraction: 0.02 means 2 %"),
    "learn.trading.take_profit": (0.001, 0.5, "a fraction: 0.02 means 2 %"),
    "learn.trading.slippage": (0.0, 0.005, "a fraction: 0.0001 means 1 bp"),
    "learn.trading.taker_fee": (0.0001, 0.002, "a fraction: 0.0006 means 6 bp"),
    "learn.trading.maker_fee": (0.0, 0.001, "a fraction: 0.0002 means 2 bp"),
    "learn.thresholds.target_win_rate": (0.5, 0.9, "a fraction: 0.6 means 60 %"),
    "learn.verdict.false_discovery_rate": (0.001, 0.3, "a fraction: 0.1 means 10 %"),
    "max_model_age_days": (1, 90, "days"),
    "risk.risk_per_trade": (0.0, 0.02, "a fraction: 0.0025 means 0.25 % of the equity"),
    "risk.max_position": (0.0, 1.0, "a fraction: 0.15 means 15 % of the equity"),
    "risk.max_gross": (0.0, 3.0, "a fraction: 0.6 means 60 % of the equity"),
    "risk.leverage": (1, 10, "times"),
    "risk.daily_loss_stop": (0.001, 0.1, "a fraction: 0.03 means 3 % of the equity"),
    "risk.max_drawdown": (0.01, 1.0, "a fraction: 0.1 means 10 % of the highest equity"),
    "risk.max_candle_age_s": (5, 240, "seconds"),
    "risk.max_clock_drift_s": (0.1, 10, "seconds"),
    "session.protective_stop": (0.001, 0.2, "a fraction: 0.02 means 2 %"),
    "session.reconcile_s": (5, 600, "seconds"),
    "paper.balance": (10, 10_000_000, "USDT"),
}
"""By dotted name: from, to, and the unit."""
USUAL_PER_CORE = 4
"""Worker processes for each core."""


def unusual(settings: Iterable[tuple[str, object]], *, cores: int) -> list[str]:
    """One sentence for each value that lies outside of what is usual.

    Parameters
    ----------
    settings : iterable of (str, object)
        Dotted names and values, as ``desk.settings.leaves`` gives them.
    cores : int
        That worker processes may use.
    """
    found = []
    for name, value in settings:
        least, most, unit = USUAL.get(name, (0, 0, ""))
        if unit and value is not None and not least <= float(value) <= most:  # type: ignore[arg-type]
            found.append(f"{name} is {value}, which is unusual ({least:g} to {most:g}, {unit}): is it meant?")
        if name == "N_JOBS" and isinstance(value, int) and value > USUAL_PER_CORE * cores:
            found.append(f"N_JOBS is {value}, and {cores} cores may be used: is it meant?")
    return found
