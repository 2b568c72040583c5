"""The page of settings is that of this version."""

from dataclasses import is_dataclass

import config
from desk.settings import leaves
from desk.settings_files import in_force
from tests.config_doc import PAGE, WIDTH, meanings, page, sections


def test_the_page_of_settings_is_current() -> None:
    """Whoever changes a setting, its value or its meaning runs ``make docs``."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_page_names_every_setting_that_print_config_shows() -> None:
    """A setting that stands on no page is found by nobody."""
    force = in_force(config, {"DESK_CONFIG": ""})
    shown = [name for name, _, _ in force.rows(force.training)]
    text = page()

    assert len(shown) > 100
    assert [name for name in shown if f"- `{name}` = " not in text] == []


def test_every_setting_says_what_it_means() -> None:
    """The names of LightGBM's parameters are explained in its own documents."""
    without = [
        f"{name}.{setting}"
        for name, part in sections().items()
        for setting, _ in leaves(part)
        if "." not in setting and not meanings(type(part))[setting]
    ]

    assert without == []
    assert all(is_dataclass(part) for part in sections().values())


def test_lines_of_the_page_are_wrapped() -> None:
    """It is read in terminals, too; one long value aside."""
    assert [line for line in page().splitlines() if len(line) > WIDTH and " " in line[2:].strip("`")] == []
