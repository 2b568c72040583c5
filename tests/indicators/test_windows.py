"""The window operators against the plain thing, and the bits against everything that must not matter."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.indicators import windows
from desk.indicators.windows import Array
from tests.indicators.markets import bits

Operator = Callable[[Array, int], Array]
Plain = Callable[[Array], float]
DECAY = 0.9
few = settings(max_examples=25, deadline=None, derandomize=True, database=None)


def weighted(x: Array) -> float:
    """Exponential average of one window, newest value last, by its definition."""
    weights = DECAY ** np.arange(len(x))[::-1]
    return float((weights * x).sum() / weights.sum())


def newest_run(x: Array) -> float:
    """Length of the run at the end of one window, counted."""
    length = 1
    while length < len(x) and x[-length - 1] == x[-1]:
        length += 1
    return float(length)


OPERATORS: dict[str, tuple[Operator, Plain]] = {
    "mean": (windows.window_mean, lambda x: float(x.mean())),
    "sum": (windows.window_sum, lambda x: float(x.sum())),
    "max": (windows.window_max, lambda x: float(x.max())),
    "min": (windows.window_min, lambda x: float(x.min())),
    "smoothed": (lambda x, window: windows.smoothed(x, DECAY, window), weighted),
    "age_of_max": (windows.age_of_max, lambda x: float(np.argmax(x[::-1]))),
    "run_length": (windows.run_length, newest_run),
    "variance": (lambda x, window: windows.mean_and_variance(x, window)[1], lambda x: float(x.var())),
    "mean beside it": (lambda x, window: windows.mean_and_variance(x, window)[0], lambda x: float(x.mean())),
    "third moment": (
        lambda x, window: windows.variance_and_third_moment(x, window)[1],
        lambda x: float(((x - x.mean()) ** 3).mean()),
    ),
    "covariance": (
        lambda x, window: windows.covariances(x, x * x, window)[2],
        lambda x: float(((x - x.mean()) * (x * x - (x * x).mean())).mean()),
    ),
    "slope": (
        lambda x, window: windows.variance_and_slope(x, window)[1],
        lambda x: float(np.polynomial.polynomial.polyfit(np.arange(len(x)), x, 1)[1]),
    ),
}
every_operator = pytest.mark.parametrize(
    ("operator", "plain"), [pytest.param(*pair, id=name) for name, pair in OPERATORS.items()]
)


def series(seed: int, length: int) -> Array:
    """Small steps with repetitions, so that ties happen."""
    return np.random.default_rng(seed).integers(-3, 4, length).cumsum() / 4 + 50.0


@every_operator
@few
@given(st.integers(0, 999), st.integers(2, 70), st.integers(0, 40))
def test_an_operator_is_what_its_name_says(
    operator: Operator, plain: Plain, seed: int, window: int, more: int
) -> None:
    """Against the definition, window by window: doubling must be an implementation and no approximation."""
    x = series(seed, window + more)

    values = operator(x, window)

    expected = [plain(x[end - window : end]) for end in range(window, len(x) + 1)]
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)


@every_operator
@few
@given(st.integers(0, 999), st.integers(2, 300), st.integers(0, 100))
def test_the_bits_come_from_the_window_alone(
    operator: Operator, plain: Plain, seed: int, window: int, more: int
) -> None:
    """Alone, within a longer series and in a batch: live trading must see what training saw, to the bit."""
    del plain
    x = series(seed, window + more) * 1.1
    batch = np.stack([x[::-1], x, x + 1.0])

    whole = operator(x, window)

    assert whole.shape == (more + 1,)
    assert bits(whole[-1:]) == bits(operator(x[-window:], window))
    assert bits(whole[:1]) == bits(operator(x[:window], window))
    assert bits(whole) == bits(operator(batch, window)[1])


@every_operator
def test_a_window_that_is_not_full_has_no_value(operator: Operator, plain: Plain) -> None:
    """Not NaN, not a value over fewer candles: nothing, so that nobody can use it by mistake."""
    del plain

    assert operator(series(1, 9), 10).shape == (0,)
    assert operator(np.ones((3, 9)), 10).shape == (3, 0)


@few
@given(st.floats(1e-9, 1e6), st.integers(2, 600))
def test_a_constant_has_itself_as_mean_and_no_deviation(constant: float, window: int) -> None:
    """8 % of the candles on Bitget are flat: rounding there would become signals out of nothing."""
    x = np.full(window + 5, constant)

    assert set(windows.window_mean(x, window)) == {constant}
    assert set(windows.smoothed(x, 13 / 14, window)) == {constant}
    assert not windows.mean_and_variance(x, window)[1].any()
    assert not windows.variance_and_slope(x, window)[1].any()
    assert not windows.covariances(x, series(1, window + 5), window)[2].any()
