"""Report and live page hold no barrier that axe calls serious: for eyes, keyboards and screen readers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks.browser import Page, find_browser, open_page
from benchmarks.report_samples import invented_report
from desk.reports.html.page import report_page
from tests.test_live_page_browser import SHOWN, everything, made
from tests.trade.dashboard.test_server import Shown
from tests.vendor import AXE

BROWSER = find_browser()
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed, and CHROMIUM names none"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
SCREENS = [(width, dark) for width in (1440, 390) for dark in (False, True)]
RUN = """axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations
  .filter(one => ["serious", "critical"].includes(one.impact))
  .map(one => [one.id, one.help, ...one.nodes.slice(0, 5).map(at => at.html + " " + at.failureSummary)]))"""
OPEN_ALL = 'document.querySelectorAll("main details").forEach(one => { one.open = true; })'


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    assert BROWSER is not None
    async with open_page(BROWSER) as page:
        yield page
        assert page.complaints == []


async def barriers(page: Page) -> list[list[str]]:
    """What axe finds of weight: rule, help, elements."""
    await page.value(AXE.with_name("axe.min.js").read_text() + ";1")
    await page.frame()
    found: list[list[str]] = await page.value(RUN)
    return found


async def test_what_is_a_barrier_is_found(page: Page, tmp_path: Path) -> None:
    """Silence of a check that does not work would look like praise."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<html lang=en><title>x</title><main><h1>x</h1><p style='color:#ddd'>pale</p><input></main>"
    )
    await page.open(path.as_uri())

    assert {rule for rule, *_ in await barriers(page)} == {"color-contrast", "label"}


@pytest.mark.parametrize(("width", "dark"), SCREENS)
async def test_the_report_has_no_barrier(page: Page, tmp_path: Path, width: int, dark: bool) -> None:
    """As it opens, with all its figures open, and with a symbol open."""
    path = tmp_path / "report.html"
    path.write_text(report_page(invented_report(12, seed=3)))
    await page.screen(width, 900, dark=dark)
    await page.open(path.as_uri())
    assert await barriers(page) == []

    await page.value(OPEN_ALL)
    assert await barriers(page) == []
    await page.value('document.querySelector("#all tbody a").click()')
    await page.until('document.getElementById("panel").open')
    await page.value('document.querySelectorAll("#panel details").forEach(one => { one.open = true; })')
    assert await barriers(page) == []


@pytest.mark.parametrize(("width", "dark"), SCREENS)
async def test_the_live_page_has_no_barrier(page: Page, width: int, dark: bool) -> None:
    """With positions and troubles, with a button asked for, with a lost line, and before the token."""
    await page.screen(width, 900, dark=dark)
    async with made(Shown(state=everything())).serving() as url:
        await page.open(url)
        await page.until(SHOWN)
        assert await barriers(page) == []
        await page.value("document.querySelector('[data-action=flatten]').click()")
        assert await barriers(page) == []
        await page.press("Escape")
        await page.value("document.getElementById('line').classList.add('lost')")
        assert await barriers(page) == []
    async with made(Shown(), host="0.0.0.0").serving() as url:  # noqa: S104
        await page.open(url.replace("0.0.0.0", "127.0.0.1"))  # noqa: S104
        await page.until('!document.getElementById("login").hidden')
        assert await barriers(page) == []
