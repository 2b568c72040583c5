"""A snapshot as Prometheus reads it.  Pure.

Units are base units, shares fractions, as the format's conventions ask
(https://prometheus.io/docs/instrumenting/exposition_formats/).  A figure that is not known has no line.
"""

from collections.abc import Iterable, Iterator

from desk.trade.snapshot import SessionSnapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[dict[str, str], float | None]
TOTALS = ("trades_closed", "orders", "requests", "requests_throttled", "requests_unanswered")
"""Of ``SessionSnapshot.counts``: those that only rise, and what the others are not."""


def metrics_text(snapshot: SessionSnapshot) -> str:
    """All figures of a snapshot, one block for each name."""
    return "".join(_lines(snapshot))


def _lines(one: SessionSnapshot) -> Iterator[str]:
    trial = one.experiment
    yield from _block("info", "gauge", "The session, by its mode.", [({"mode": one.mode}, 1.0)])
    yield from _block("running", "gauge", "Whether the session runs.", [({}, float(one.is_running))])
    yield from _block("stopping", "gauge", "Whether nothing is opened.", [({}, float(bool(one.stopping)))])
    yield from _block("start_time_seconds", "gauge", "When it began.", [({}, one.began / 1_000)])
    for name, text, value in (
        ("equity_usdt", "Equity, with what is unrealised.", one.equity),
        ("available_usdt", "Not bound as margin.", one.available),
        ("day_equity_usdt", "Equity at 00:00 UTC.", one.day_equity),
        ("peak_equity_usdt", "The highest equity so far.", one.peak_equity),
        ("day_change_ratio", "Won or lost since 00:00 UTC.", one.day_change),
        ("drawdown_ratio", "Share of the peak that is lost.", one.drawdown),
        ("daily_loss_stop_ratio", "Loss since 00:00 UTC that ends the session.", one.daily_loss_stop),
        ("max_drawdown_ratio", "Drawdown that ends the session.", one.max_drawdown),
        ("experiment_price_usdt", "What the experiment may lose.", trial.amount if trial else None),
        ("experiment_lost_usdt", "What it has lost.", trial.lost if trial else None),
    ):
        yield from _block(name, "gauge", text, [({}, None if value is None else float(value))])
    age = one.candle_age_ms
    yield from _block(
        "candle_age_seconds",
        "gauge",
        "Age of the newest candle that was decided on.",
        [({}, None if age is None else age / 1_000)],
    )
    yield from _block(
        "position_unrealized_usdt",
        "gauge",
        "Unrealised profit by position.",
        [
            (
                {"symbol": held.symbol, "side": held.side},
                None if held.unrealized is None else float(held.unrealized),
            )
            for held in one.positions
        ],
    )
    yield from _block("positions", "gauge", "Open positions.", [({}, float(len(one.positions)))])
    yield from _block(
        "probability_ratio",
        "gauge",
        "Last predicted probability of up.",
        [({"symbol": view.symbol}, view.probability) for view in one.symbols],
    )
    yield from _block(
        "threshold_distance_ratio",
        "gauge",
        "Distance of the probability from the nearer threshold.",
        [({"symbol": view.symbol}, view.distance) for view in one.symbols],
    )
    healthy: dict[str, float] = {}
    for item in one.health:
        healthy[item.name] = min(healthy.get(item.name, 1.0), float(item.state in {"good", "unknown"}))
    yield from _block("healthy", "gauge", "0: look.", [({"part": name}, v) for name, v in healthy.items()])
    for name, value in one.counts.items():
        if name in TOTALS:
            yield from _block(f"{name}_total", "counter", "Count.", [({}, value)])
        else:
            yield from _block(name, "gauge", "Count now.", [({}, value)])


def _block(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    known = [(labels, value) for labels, value in samples if value is not None]
    if not known:
        return
    yield f"# HELP desk_{name} {text}\n# TYPE desk_{name} {kind}\n"
    for labels, value in known:
        inner = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        yield f"desk_{name}{f'{{{inner}}}' if inner else ''} {value!r}\n"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
