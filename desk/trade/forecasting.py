"""Signals of all models on one candle.

Place in the house: between the feed and the session.  A ``CandleRound`` comes in; an ``Signal`` per model,
or why there is none, goes out.  Models are handed in by a door through ``ModelSource``, features through a
callable: ``ml_feature_engineering.newest_rows``, bit for bit what training computed.

Not here: what models are, and where they lie (the door); what follows from a signal (``desk.trade.risk``).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from desk.errors import ModelError
from desk.trade.signals import ModelCard, Signal
from desk.values import CANDLE_MS, COLUMNS, CandleRound, Candles

FeatureRows = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float32]]
"""From candles of shape (symbols, 6, n) and their open times to the newest rows (symbols, features)."""


class Predictor(Protocol):
    """A model, as far as trading needs it."""

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of up for rows of shape (n, features)."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenModel:
    """A published model that passed every check."""

    card: ModelCard
    predictor: Predictor
    blocks: tuple[tuple[int, "OpenModel"], ...] = ()
    """Of a walk: open time (ms) of the first candle of each block, and the model that is in force from there
    on, oldest first.  Before the first block, and without any, this model is in force itself."""

    def at(self, open_time: int) -> "OpenModel":
        """The model that is in force at the candle of ``open_time`` (ms)."""
        begun = [model for first, model in self.blocks if first <= open_time]
        return begun[-1] if begun else self

    def sides(self, open_time: NDArray[np.int64], probability: NDArray[np.float64]) -> NDArray[np.int8]:
        """The side that fires at each candle, by the thresholds of its time.

        Parameters
        ----------
        open_time : ndarray, shape (n,)
            Increasing, ms.
        probability : ndarray, shape (n,)
            Of up; NaN where there is none.
        """
        fired = self.card.thresholds.sides(probability)
        for first, model in self.blocks:
            row = int(np.searchsorted(open_time, first))
            fired[row:] = model.card.thresholds.sides(probability[row:])
        return fired


class ModelSource(Protocol):
    """Where published models are."""

    def mark(self, symbol: str) -> object:
        """Something that changes when another model is published, or its metadata change; None: no model."""

    def open(self, symbol: str) -> OpenModel:
        """The newest published model; raises ``ModelError`` if it may not be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureWindow:
    """What a row of features needs."""

    memory: int
    """Candles, the newest included."""
    max_missing_share: float
    """Share of them that may be missing between the first and the last."""
    rows: FeatureRows


@dataclass(frozen=True, slots=True, eq=False)
class _OpenedModels:
    """Models that are open already."""

    models: Mapping[str, OpenModel]

    def mark(self, symbol: str) -> object:
        """They stay what they are."""
        return symbol

    def open(self, symbol: str) -> OpenModel:
        """The model."""
        return self.models[symbol]


def round_of(series: Sequence[Candles], open_time: int, *, memory: int) -> CandleRound:
    """The newest ``memory`` candles of series that all end at ``open_time`` (ms).

    Parameters
    ----------
    series : sequence of Candles
    open_time : int
        Of the newest candle of each, ms.
    memory : int
        Candles.
    """
    long = [candles for candles in series if len(candles) >= memory]
    needed = f"{memory} needed for a row of features: wait until it is older"
    short = (candles for candles in series if len(candles) < memory)
    absent = {candles.symbol: f"{len(candles)} candles, {needed}" for candles in short}
    return CandleRound(
        open_time=open_time,
        symbols=tuple(candles.symbol for candles in long),
        times=np.stack([candles.open_time[-memory:] for candles in long])
        if long
        else np.empty((0, memory), dtype=np.int64),
        values=np.stack([candles.values[:, -memory:] for candles in long])
        if long
        else np.empty((0, len(COLUMNS), memory)),
        absent=absent,
    )


class Forecaster:
    """The models of a session; a newer one is taken up when it is published, a bad one is refused by name.

    One that is removed is not asked any more, so that nothing is opened in its symbol; what is held ends at
    its time.

    Parameters
    ----------
    source : ModelSource
    symbols : sequence of str
    window : FeatureWindow
    published : callable or None
        Asked at every look which symbols have a model, so that a first one is taken up; None: ``symbols`` are
        all that there will be.
    """

    def __init__(
        self,
        source: ModelSource,
        symbols: Sequence[str],
        window: FeatureWindow,
        *,
        published: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        self._source = source
        self._symbols = tuple(symbols)
        self._published = published
        self._looked = False
        self._window = window
        self._marks: dict[str, object] = {}
        self._models: dict[str, OpenModel] = {}
        self._held_back: list[str] = []
        self.refused: dict[str, str] = {}
        """Symbols whose newest model may not be used, and why; an older one may be in use all the same."""
        self.taken_up: list[str] = []
        """Model files that the last look has put to use."""

    @classmethod
    def of(cls, models: Mapping[str, OpenModel], window: FeatureWindow) -> Self:
        """Of models that are open already, and stay what they are."""
        made = cls(_OpenedModels(models), tuple(models), window)
        made.refresh()
        return made

    @property
    def models(self) -> Mapping[str, OpenModel]:
        """The models in use, by symbol."""
        return dict(self._models)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that is looked at, with or without a model in use."""
        return self._symbols

    @property
    def cards(self) -> Mapping[str, ModelCard]:
        """What is known of the models in use, by symbol."""
        return {symbol: model.card for symbol, model in self._models.items()}

    @property
    def horizons(self) -> Mapping[str, int]:
        """How many candles a position is held, of every symbol with a model in use."""
        return {symbol: model.card.rules.horizon for symbol, model in self._models.items()}

    def open_early(self) -> None:
        """Open the models before a session asks; its first ``refresh`` reports what is wrong with them."""
        self._held_back = self.refresh()

    def refresh(self) -> list[str]:
        """Take up what was published since the last look; what is wrong with what cannot be."""
        news, self._held_back = self._held_back, []
        self.taken_up = []
        if self._published is not None:
            self._symbols = tuple(dict.fromkeys((*self._symbols, *self._published())))
        known, self._looked = self._looked, True
        for symbol in self._symbols:
            mark = self._source.mark(symbol)
            if symbol in self._marks and self._marks[symbol] == mark:
                continue
            self._marks[symbol] = mark
            old = self._models.get(symbol)
            if mark is None:
                self.refused.pop(symbol, None)
                self._models.pop(symbol, None)
                was = "no model of it is published" if old is None else f"{old.card.model_file} was removed"
                news.append(f"{symbol}: {was}: nothing is opened in it")
                continue
            try:
                new = self._source.open(symbol)
            except ModelError as exc:
                self.refused[symbol] = str(exc)
                kept = "no model of it is in use" if old is None else f"{old.card.model_file} stays in use"
                news.append(f"{exc}. This newest model is refused, {kept}")
                continue
            self.refused.pop(symbol, None)
            self._models[symbol] = new
            if known:
                self.taken_up.append(new.card.model_file)
        return news

    def signals(self, candles: CandleRound) -> tuple[list[Signal], dict[str, str]]:
        """All symbols together: features in one pass, then one prediction per model.

        Returns
        -------
        list of Signal
            In the order of the round's symbols.
        dict
            Symbols with a model but without a signal, and why.
        """
        silent = {symbol: why for symbol, why in candles.absent.items() if symbol in self._models}
        known = [row for row, symbol in enumerate(candles.symbols) if symbol in self._models]
        if not known:
            return [], silent
        memory = self._window.memory
        if candles.times.shape[-1] < memory:
            why = f"{candles.times.shape[-1]} candles, {memory} needed for a row of features"
            return [], silent | {candles.symbols[row]: why for row in known}
        times = candles.times[known, -memory:]
        missing = 1 - memory / ((times[:, -1] - times[:, 0]) // CANDLE_MS + 1)
        x = self._window.rows(candles.values[known][..., -memory:], times)
        finite = [bool(np.isfinite(row).all()) for row in x]
        found = []
        for at, row in enumerate(known):
            symbol = candles.symbols[row]
            if missing[at] > self._window.max_missing_share:
                silent[symbol] = (
                    f"{missing[at]:.1%} of its newest candles are missing, at most "
                    f"{self._window.max_missing_share:.1%} may"
                )
            elif not finite[at]:
                silent[symbol] = "a feature is not finite"
            else:
                one, model = x[at : at + 1], self._models[symbol].at(candles.open_time)
                found.append(
                    Signal(
                        card=model.card,
                        open_time=candles.open_time,
                        close=float(candles.values[row, 3, -1]),
                        probability=float(model.predictor.probabilities(one)[0]),
                        digest=hashlib.sha256(one.tobytes()).hexdigest()[:16],
                    )
                )
        return found, silent
