"""From a model's probability to a signal about one candle.  Pure.

Probabilities and what the metadata say of the model come in; ``Signal`` goes out.

Not here: entries, exits and costs (the policy), and whether a signal becomes an order (risk).
"""

from dataclasses import dataclass
from datetime import datetime

from desk.costs import WIDEST_SPREAD, Costs
from desk.errors import ModelIncomplete, SettingsError
from desk.outcomes import Json
from desk.policy import FLAT, LONG, SHORT, Thresholds, TradeRules

SIDES = {LONG: "long", SHORT: "short", FLAT: "flat"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestExpectation:
    """What the evaluation expects of a model's trades; None where it cannot say."""

    win_rate: float | None
    """Share of trades that earn after costs."""
    win_rate_labelled: float | None
    """Share of trades on labelled candles that take the side to which the price moved."""
    net_bps: float | None
    """Mean per trade, after costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedCosts:
    """What the evaluation charged the trades of a model with, besides fees."""

    slippage: float = 0.0
    """The setting, as a fraction of the price."""
    spread_bps: float | None = None
    """Distance between bid and ask, in basis points; None where it was not known."""
    tick: float | None = None
    """Price step of the contract, in USDT; 0 where it was not known, None where it was not recorded."""
    tick_bps: float | None = None
    """The coarsest of tick and grid, in basis points of the price; None where it was not known."""
    grid_from: tuple[int, ...] = ()
    """As ``grid``, see ``desk.costs.Costs``."""
    grid: tuple[float, ...] = ()

    @property
    def spread(self) -> float:
        """What of the distance between bid and ask was charged, as a fraction; 0 where it was not known."""
        return min((self.spread_bps or 0.0) / 1e4, WIDEST_SPREAD)

    def charged(self, *, fee: float, tick: float) -> Costs:
        """The same costs again.

        Parameters
        ----------
        fee : float
            The taker's, as a fraction.
        tick : float
            Price step in USDT that counts where none was recorded.
        """
        return Costs(
            tick=tick if self.tick is None else self.tick,
            slippage=self.slippage,
            fee_entry=fee,
            fee_exit=fee,
            spread=self.spread,
            grid_from=self.grid_from,
            grid=self.grid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """All that trading needs to know of a published model."""

    symbol: str
    model_file: str
    created: int
    """When it was published, ms."""
    thresholds: Thresholds
    rules: TradeRules
    label_threshold: float
    """Smallest move that is labelled up or down, as a fraction."""
    tradable: bool
    """The verdict."""
    reasons: tuple[str, ...]
    """Why it is not tradable."""
    expectation: BacktestExpectation
    costs: EvaluatedCosts = EvaluatedCosts()
    judged: int | None = None
    """When a later run judged it again and left it published, ms; None: its own run was the last."""

    @property
    def fresh(self) -> int:
        """From when on its age counts, ms."""
        return self.created if self.judged is None else self.judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What a model predicts on the newest closed candle of its symbol."""

    card: ModelCard
    open_time: int
    """Of that candle, in ms."""
    close: float
    """Its closing price, in USDT."""
    probability: float
    """Of the close going up rather than down within the horizon, given that it moves enough."""
    digest: str
    """SHA-256 of the features it was formed on, 16 hexadecimal digits."""

    @property
    def symbol(self) -> str:
        """Of the model."""
        return self.card.symbol

    @property
    def fired(self) -> int:
        """``LONG``, ``SHORT`` or ``FLAT``."""
        return self.card.thresholds.side(self.probability)

    @property
    def side(self) -> str:
        """``long``, ``short`` or ``flat``."""
        return SIDES[self.fired]

    @property
    def action(self) -> str:
        """What may be done about it: ``enter long``, ``enter short``, ``stay out`` or ``watch only``."""
        if not self.card.tradable:
            return "watch only"
        return "stay out" if self.fired == FLAT else f"enter {self.side}"


def card_of(metadata: Json) -> ModelCard:
    """What trading must know of a model.

    Raises
    ------
    ModelIncomplete
        If the metadata are of a version that held less.
    """
    symbol = metadata["symbol"]
    try:
        signals, labels, verdict = metadata["signals"], metadata["labels"], metadata["verdict"]
        trading = metadata["settings"]["trading"]
        return ModelCard(
            symbol=symbol,
            model_file=metadata["model_file"],
            created=_ms(metadata["created_at"]),
            judged=_ms(verdict["judged_at"]) if "judged_at" in verdict else None,
            thresholds=Thresholds(long=signals["long_threshold"], short=signals["short_threshold"]),
            rules=TradeRules(
                horizon=labels["horizon"],
                stop_loss=trading["stop_loss"],
                take_profit=trading["take_profit"],
                stop_overshoot=trading.get("stop_overshoot", 0.0),
            ),
            label_threshold=labels["threshold"],
            tradable=verdict["tradable"],
            reasons=tuple(verdict["reasons"]),
            expectation=expectation_of(signals),
            costs=_costs_of(metadata),
        )
    except (KeyError, TypeError, ValueError, AttributeError, SettingsError) as exc:
        raise ModelIncomplete(f"{symbol}: its metadata tell too little to trade it: train it again") from exc


def _ms(time: str) -> int:
    """An ISO 8601 time in ms."""
    return int(datetime.fromisoformat(time).timestamp() * 1000)


def expectation_of(figures: Json) -> BacktestExpectation:
    """What the figures of a stretch of trades let expect: ``signals`` of the metadata, or a part of it."""
    return BacktestExpectation(
        win_rate=figures["win_rate"],
        win_rate_labelled=figures["win_rate_labelled"],
        net_bps=figures["net_bps"],
    )


def _costs_of(metadata: Json) -> EvaluatedCosts:
    """What trades were charged with; metadata of earlier versions recorded less.

    Raises
    ------
    SettingsError
        If they are no costs.
    """
    data, trading = metadata["data"], metadata["settings"]["trading"]
    grid = data.get("grid") or {"from": (), "step": ()}
    found = EvaluatedCosts(
        slippage=trading.get("slippage", 0.0),
        spread_bps=data.get("spread_bps"),
        tick=(data["tick"] or 0.0) if "tick" in data else None,
        tick_bps=data.get("tick_bps"),
        grid_from=tuple(grid["from"]),
        grid=tuple(grid["step"]),
    )
    found.charged(fee=0.0, tick=0.0)
    return found
