"""Every field of every setting is of its type, or is named: what a file may hold is anybody's guess."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_type_hints

import pytest

import config
from desk.errors import SettingsError
from desk.settings import check_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One field of each kind."""

    flag: bool = True
    whole: int = 1
    number: float = 1.0
    money: Decimal = Decimal(1)
    text: str = "a"
    path: Path = Path("a")
    choice: Literal["net", "win_rate"] = "net"
    perhaps: float | None = None
    names: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    shares: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        check_settings("sample", self, self._problems())

    def _problems(self) -> Iterator[str]:
        if self.whole < 0:
            yield f"whole is {self.whole}, must be 0 or more"
        if self.number > 1:
            yield f"number is {self.number}, must be at most 1"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("flag", 1, "flag is 1, must be True or False"),
        ("flag", "no", "flag is 'no', must be True or False"),
        ("whole", True, "whole is True, must be a whole number"),
        ("whole", "180", "whole is '180', must be a whole number: write 180 without quotes"),
        ("whole", 180.5, "whole is 180.5, must be a whole number"),
        ("whole", math.inf, "whole is inf, must be a whole number"),
        ("whole", Decimal("NaN"), "whole is Decimal('NaN'), must be a whole number"),
        ("whole", None, "whole is None, must be a whole number"),
        ("number", "0.2%", "number is '0.2%', must be a number as a fraction: write 0.002"),
        ("number", "fast", "number is 'fast', must be a number, without quotes"),
        ("number", False, "number is False, must be a number"),
        ("number", math.nan, "number is nan, must be a finite number"),
        ("number", 10**400, "must be a number of at most 17 digits"),
        ("money", "1", "money is '1', must be a number: write 1 without quotes"),
        ("money", Decimal("Infinity"), "must be a finite number"),
        ("money", (1,), "money is (1,), must be a number"),
        ("text", 5, "text is 5, must be a text in quotes"),
        ("path", 5, "path is 5, must be a path"),
        ("path", "", "path is '', must be a path"),
        ("choice", "Net", """choice is 'Net', must be "net" or "win_rate\""""),
        ("choice", None, "choice is None, must be"),
        ("perhaps", "2 %", "perhaps is '2 %', must be a number as a fraction: write 0.02 or None"),
        ("names", "BTC", "names is 'BTC', must be a tuple of texts in quotes: write ('BTC',) with the comma"),
        ("names", ("BTC", 5), "names is ('BTC', 5), must be a tuple of texts in quotes"),
        ("names", {"BTC"}, "names is {'BTC'}, must be a tuple of texts in quotes"),
        ("numbers", 0.1, "numbers is 0.1, must be a tuple of numbers: write (0.1,) with the comma"),
        ("shares", {"a": "1"}, "shares is {'a': '1'}, must be a mapping whose 'a' is a number"),
    ],
)
def test_a_value_of_another_type_is_named_with_what_to_write(
    name: str, value: object, complaint: str
) -> None:
    """A traceback from the depth of the program says neither which setting nor what it should be."""
    with pytest.raises(SettingsError) as caught:
        replace(Sample(), **{name: value})  # type: ignore[arg-type]

    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "fitted"),
    [
        ("whole", 180.0, 180),
        ("whole", Decimal(3), 3),
        ("number", 1, 1.0),
        ("number", Decimal("0.1"), 0.1),
        ("money", 3, Decimal(3)),
        ("money", 3.0, Decimal(3)),
        ("money", 0.0025, Decimal("0.0025")),
        ("path", "a/b", Path("a/b")),
        ("names", ["BTC", "ETH"], ("BTC", "ETH")),
        ("numbers", (1, 0.5), (1.0, 0.5)),
        ("perhaps", 0, 0.0),
        ("shares", {"a": 1}, {"a": 1.0}),
    ],
)
def test_a_number_is_converted_where_that_is_exact(name: str, value: object, fitted: object) -> None:
    """Money that is a float would break the first order, hours after the start."""
    found = getattr(replace(Sample(), **{name: value}), name)  # type: ignore[arg-type]

    assert (found, type(found)) == (fitted, type(fitted))


def test_a_mapping_that_fits_stays_the_one_that_was_handed_in() -> None:
    """The embedded exchange asks a mapping of costs at every fill, while somebody fills it."""
    shares = {"a": 1.0}

    assert Sample(shares=shares).shares is shares


def test_complaints_of_types_and_of_values_come_together() -> None:
    """And a value of another type is complained of once."""
    with pytest.raises(
        SettingsError, match=r"^sample: number is '2', [^;]*; whole is -1, must be 0 or more$"
    ):
        replace(Sample(), number="2", whole=-1)  # type: ignore[arg-type]


def parts(settings: object) -> Iterator[object]:
    """``settings`` and everything in it that has settings of its own."""
    yield settings
    assert is_dataclass(settings)
    for field in fields(settings):
        if is_dataclass(value := getattr(settings, field.name)):
            yield from parts(value)


EVERY_FIELD = [
    pytest.param(part, field.name, id=f"{type(part).__name__}.{field.name}")
    for whole in (
        config.default_settings({}),
        config.live_settings(14),
        config.link_settings("paper", base_url=config.BITGET, ws_url=""),
        config.stream_settings(100),
    )
    for part in parts(whole)
    for field in fields(part)  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("part", "name"), EVERY_FIELD)
@pytest.mark.parametrize(
    "wrong", [object(), b"1", {"a": 1}, {1, 2}, math.nan, [None]], ids=lambda one: type(one).__name__
)
def test_no_setting_takes_what_is_no_setting(part: Any, name: str, wrong: object) -> None:
    """A class that forgot the check would pass it on until something breaks."""
    with pytest.raises(SettingsError, match=rf"\b{name} is "):
        replace(part, **{name: wrong})


@pytest.mark.parametrize(("part", "name"), EVERY_FIELD)
def test_the_values_of_the_settings_file_have_their_types(part: Any, name: str) -> None:
    """Else the check would have converted them, and the file would teach its readers wrong forms."""
    value, kind = getattr(part, name), get_type_hints(type(part))[name]

    assert kind is not Decimal or isinstance(value, Decimal)
    assert kind is not float or isinstance(value, float)
    assert kind is not int or type(value) is int


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("learn", {"min_price_change": 0.2}),
        ("learn", {"min_precision_each_side": 45}),
        ("learn", {"min_recall_each_side": -0.1}),
        ("learn", {"control_symbols": 0}),
        ("learn", {"calibration_bins": 0}),
        ("baseline", {"learning_rate": 0}),
        ("baseline", {"feature_fraction": 20}),
        ("baseline", {"num_leaves": 1}),
        ("fetch", {"requests_per_second": 100}),
        ("notify", {"queue": 0}),
        ("session", {"wait_on_stop_s": -1}),
        ("risk", {"risk_per_trade": 1}),
        ("paper", {"balance": 0}),
    ],
)
def test_what_no_run_can_mean_is_refused(part: str, changes: dict[str, Any]) -> None:
    """A percentage for a fraction, a division by zero on the last symbol: found before anything starts."""
    base, live = config.default_settings({}), config.live_settings(14)
    of: dict[str, Any] = {"fetch": base.fetch, "learn": base.learn, "baseline": base.learn.baseline}
    of |= {name: getattr(live, name) for name in ("notify", "session", "risk", "paper")}

    with pytest.raises(SettingsError, match=f"{next(iter(changes))} is "):
        replace(of[part], **changes)


def test_an_annotation_that_is_not_known_is_a_mistake_of_the_class() -> None:
    """It would otherwise be a field that nobody checks."""

    @dataclass(frozen=True)
    class Odd:
        field: set[int]

        def __post_init__(self) -> None:
            check_settings("odd", self, ())

    with pytest.raises(TypeError, match="cannot be annotated"):
        Odd(field={1})
