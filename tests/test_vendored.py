"""What is kept here of others is what was reviewed, with its licence."""

import json
from pathlib import Path

import pytest

from desk.reports.html.page import package_text
from tests.vendor import AXE, CHART, RECORDS, integrity

BEGINS = {
    CHART: ("chart.umd.min.js", "Chart.js v{}", "chart.LICENSE.md", "The MIT License (MIT)"),
    AXE: ("axe.min.js", "axe v{}", "axe.LICENSE.txt", "Mozilla Public License, version 2.0"),
}


@pytest.mark.parametrize("at", RECORDS, ids=lambda at: at.stem)
def test_a_library_is_the_one_that_its_record_names(at: Path) -> None:
    """A file that somebody edited, or fetched from elsewhere, is not what was reviewed."""
    record = json.loads(at.read_text())
    library, names_itself, licence, permits = BEGINS[at]

    assert set(record["files"]) | {at.name} == {path.name for path in at.parent.iterdir()}
    for name, of in record["files"].items():
        assert integrity(at.with_name(name).read_bytes(), "sha384") == of["integrity"], name
    assert names_itself.format(record["version"]) in at.with_name(library).read_text()[:200]
    assert permits in at.with_name(licence).read_text()


def test_what_is_for_tests_is_in_no_page() -> None:
    """Its licence asks for more than the report says, and a page has no use for it."""
    assert "axe" not in package_text("templates/report.html")
    assert not list(CHART.parent.parent.rglob("axe*"))
