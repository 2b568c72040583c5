"""From a model's probability to an opinion about one candle.  Pure.

Probabilities and what the metadata say of the model come in; ``Opinion`` goes out.

Not here: entries, exits and costs (the policy), and whether an opinion becomes an order (risk).
"""

from dataclasses import dataclass

from desk.policy import FLAT, LONG, SHORT, Thresholds

SIDES = {LONG: "long", SHORT: "short", FLAT: "flat"}


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a model thinks of the newest closed candle of its symbol."""

    symbol: str
    open_time: int
    """Of that candle, in ms."""
    close: float
    """Its closing price, in USDT."""
    probability: float
    """Of the close going up rather than down within the horizon, given that it moves enough."""
    thresholds: Thresholds
    """Of the model."""
    tradable: bool
    """The verdict on the model."""
    reasons: tuple[str, ...]
    """Why it is not tradable."""

    @property
    def side(self) -> str:
        """``long``, ``short`` or ``flat``."""
        return SIDES[self.thresholds.side(self.probability)]

    @property
    def action(self) -> str:
        """What may be done about it: ``enter long``, ``enter short``, ``stay out`` or ``watch only``."""
        if not self.tradable:
            return "watch only"
        return "stay out" if self.side == "flat" else f"enter {self.side}"
