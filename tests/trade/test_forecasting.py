"""Signals are formed on whole, finite rows of features, for all symbols together."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from desk.trade.forecasting import FeatureWindow, Forecaster, OpenModel, round_of
from desk.values import CANDLE_MS, Candles, frozen
from tests.trade.samples import NOON, card
from tests.trade.stage import ScriptedModels


class Mean:
    """A model that says the first feature."""

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """That feature."""
        return x[:, 0].astype(np.float64)


def first_close(values: NDArray[np.float64], times: NDArray[np.int64]) -> NDArray[np.float32]:
    """One feature: the oldest close of the window over 1,000."""
    assert times.shape == (values.shape[0], values.shape[2])
    return (values[:, 3, :1] / 1000).astype(np.float32)


WINDOW = FeatureWindow(memory=4, max_missing_share=0.25, rows=first_close)


def series(symbol: str, *, price: float = 100.0, gaps: int = 0, n: int = 6) -> Candles:
    """Candles that end at noon, all at one price; some missing before the last two."""
    times = NOON + CANDLE_MS * np.arange(-n + 1, 1)
    times[:-2] -= gaps * CANDLE_MS
    return Candles(symbol, frozen(times), frozen(np.full((6, n), price)))


def forecaster(*symbols: str) -> Forecaster:
    """One model per symbol."""
    made = Forecaster(
        ScriptedModels({symbol: OpenModel(card(symbol), Mean()) for symbol in symbols}), symbols, WINDOW
    )
    assert made.refresh() == []
    return made


def test_every_symbol_has_an_opinion_or_a_reason() -> None:
    """Holed, young and strange symbols don't keep the others from theirs."""
    made = forecaster("A", "HOLED", "STRANGE", "YOUNG", "GONE")
    candles = round_of(
        [
            series("A", price=300.0),
            series("HOLED", gaps=2),
            series("STRANGE", price=np.inf),
            series("YOUNG", n=3),
            series("UNKNOWN"),
        ],
        NOON,
        memory=4,
    )

    signals, silent = made.signals(replace(candles, absent={**candles.absent, "GONE": "silent"}))

    assert [(one.symbol, round(one.probability, 6), one.open_time) for one in signals] == [("A", 0.3, NOON)]
    assert "33.3% of its newest candles are missing" in silent["HOLED"]
    assert "not finite" in silent["STRANGE"]
    assert "3 candles, 4 needed" in silent["YOUNG"]
    assert silent["GONE"] == "silent"
    assert "UNKNOWN" not in silent


def test_the_digest_names_the_features() -> None:
    """Equal features, equal digest: a decision can be checked later."""
    made = forecaster("A", "B", "C")
    candles = round_of([series("A"), series("B"), series("C", price=101.0)], NOON, memory=4)

    first, second, third = made.signals(candles)[0]

    assert first.digest == second.digest != third.digest
    assert len(first.digest) == 16


def test_a_model_is_opened_again_only_when_it_changes() -> None:
    """300 models are looked at every five minutes."""
    opened: list[str] = []

    class Counting(ScriptedModels):
        __test__ = False

        def open(self, symbol: str) -> OpenModel:
            opened.append(symbol)
            return super().open(symbol)

    source = Counting({"A": OpenModel(card("A"), Mean())})
    made = Forecaster(source, ["A"], WINDOW)
    made.refresh()
    made.refresh()
    source.version = 1
    news = made.refresh()

    assert opened == ["A", "A"]
    assert news == []
    assert made.taken_up == [card("A").model_file]
    assert made.cards["A"] == card("A")


def test_a_bad_first_model_leaves_the_symbol_without_one() -> None:
    """The others are asked all the same."""
    source = ScriptedModels({"A": OpenModel(card("A"), Mean())}, bad={"B": "B: torn"})
    made = Forecaster(source, ["A", "B"], WINDOW)

    (news,) = made.refresh()

    assert news == "B: torn. This newest model is refused, no model of it is in use"
    assert list(made.cards) == ["A"]
    assert made.refused == {"B": "B: torn"}


class Shelf(ScriptedModels):
    """Models that may be removed."""

    __test__ = False

    def mark(self, symbol: str) -> object:
        return symbol if symbol in self.models else None


def test_a_model_that_is_removed_is_not_asked_any_more() -> None:
    """Retired, or deleted by its owner, it must not go on opening positions for months."""
    source = Shelf({symbol: OpenModel(card(symbol), Mean()) for symbol in ("A", "B")})
    made = Forecaster(source, ["A", "B"], WINDOW)
    assert made.refresh() == []
    del source.models["A"]

    assert made.refresh() == [f"A: {card('A').model_file} was removed: nothing is opened in it"]
    assert made.refresh() == []
    assert (list(made.cards), list(made.horizons)) == (["B"], ["B"])
    source.models["A"] = OpenModel(card("A"), Mean())
    assert (made.refresh(), made.taken_up) == ([], [card("A").model_file])


def test_a_first_model_is_taken_up_while_running() -> None:
    """Whoever trains another symbol need not restart a session that holds positions."""
    source = Shelf({"A": OpenModel(card("A"), Mean())})
    made = Forecaster(source, ["A"], WINDOW, published=lambda: sorted(source.models))
    made.refresh()
    assert made.taken_up == []
    source.models["B"] = OpenModel(card("B"), Mean())

    assert (made.refresh(), made.taken_up, made.symbols) == ([], [card("B").model_file], ("A", "B"))
