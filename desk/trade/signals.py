"""From a model's probability to a signal about one candle.  Pure.

Probabilities and what the metadata say of the model come in; ``Signal`` goes out.

Not here: entries, exits and costs (the policy), and whether a signal becomes an order (risk).
"""

from dataclasses import dataclass
from datetime import datetime

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
            created=int(datetime.fromisoformat(metadata["created_at"]).timestamp() * 1000),
            thresholds=Thresholds(long=signals["long_threshold"], short=signals["short_threshold"]),
            rules=TradeRules(
                horizon=labels["horizon"],
                stop_loss=trading["stop_loss"],
                take_profit=trading["take_profit"],
            ),
            label_threshold=labels["threshold"],
            tradable=verdict["tradable"],
            reasons=tuple(verdict["reasons"]),
            expectation=BacktestExpectation(
                win_rate=signals["win_rate"],
                win_rate_labelled=signals["win_rate_labelled"],
                net_bps=signals["net_bps"],
            ),
        )
    except (KeyError, TypeError, ValueError, SettingsError) as exc:
        raise ModelIncomplete(f"{symbol}: its metadata tell too little to trade it: train it again") from exc
