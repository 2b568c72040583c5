"""From a model's probability to an opinion about one candle.  Pure.

Probabilities and what the metadata say of the model come in; ``Opinion`` goes out.

Not here: entries, exits and costs (the policy), and whether an opinion becomes an order (risk).
"""

from dataclasses import dataclass


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
    long_threshold: float | None
    """At or above it the model fires long; None: that side never fires."""
    short_threshold: float | None
    """At or below it the model fires short; None: that side never fires."""
    tradable: bool
    """The verdict on the model."""
    reasons: tuple[str, ...]
    """Why it is not tradable."""

    @property
    def side(self) -> str:
        """``long``, ``short`` or ``flat``."""
        if self.long_threshold is not None and self.probability >= self.long_threshold:
            return "long"
        if self.short_threshold is not None and self.probability <= self.short_threshold:
            return "short"
        return "flat"

    @property
    def action(self) -> str:
        """What may be done about it: ``enter long``, ``enter short``, ``stay out`` or ``watch only``."""
        if not self.tradable:
            return "watch only"
        return "stay out" if self.side == "flat" else f"enter {self.side}"
