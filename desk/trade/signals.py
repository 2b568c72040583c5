"""From a model's probability to an opinion about one candle.  Pure.

Probabilities and what the metadata say of the model come in; ``Opinion`` goes out.

Not here: entries, exits and costs (the policy), and whether an opinion becomes an order (risk).
"""

from dataclasses import dataclass

from desk.policy import FLAT, LONG, SHORT, Thresholds, TradeRules

SIDES = {LONG: "long", SHORT: "short", FLAT: "flat"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the evaluation said of a model's trades; None where it could not say."""

    win_rate: float | None
    """Share of trades that earn after costs."""
    win_rate_labelled: float | None
    """Share of trades on labelled candles that take the side that came."""
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
    promise: Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a model thinks of the newest closed candle of its symbol."""

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
