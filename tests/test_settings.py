"""How settings are checked: all complaints at once, in one form."""

from types import SimpleNamespace

import pytest

from desk.errors import SettingsError
from desk.settings import check_settings, outside, outside_above

NOTHING = SimpleNamespace()
"""Has no annotated fields."""


def test_all_complaints_come_in_one_error() -> None:
    """Who corrects one value a run gives up at the third."""
    with pytest.raises(SettingsError, match=r"^fetch: days is 0; top is 0$"):
        check_settings("fetch", NOTHING, iter(("days is 0", "top is 0")))


def test_settings_without_a_complaint_pass() -> None:
    """An iterator that yields nothing is no complaint."""
    check_settings("fetch", NOTHING, iter(()))


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (0, "days is 0, must be between 1 and 3 days"),
        (4, "days is 4, must be between 1 and 3 days"),
        (float("nan"), "days is nan, must be between 1 and 3 days"),
        (1, None),
        (3, None),
    ],
)
def test_a_number_outside_its_bounds_is_named_with_them(value: float, complaint: str | None) -> None:
    """The bounds themselves are allowed; no number at all is not."""
    found = list(outside(SimpleNamespace(days=value), "days", 1, 3, unit="days"))

    assert found == ([] if complaint is None else [complaint])


@pytest.mark.parametrize(("value", "fine"), [(0, False), (0.1, True), (3, True), (3.1, False)])
def test_a_lower_bound_can_be_left_out(value: float, fine: bool) -> None:
    """A timeout of 0 seconds would be none."""
    complaints = list(outside_above(SimpleNamespace(timeout_s=value), "timeout_s", 0, 3))

    assert complaints == ([] if fine else [f"timeout_s is {value}, must be above 0 and at most 3"])
