"""The report in a browser: sorted, filtered, opened, by keyboard alone, in the dark, on a phone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks.browser import Page, find_browser, open_page
from benchmarks.report_samples import invented_report, renamed
from desk.reports.html.page import report_page

BROWSER = find_browser()
HOSTILE = "<img src=x onerror=alert(1)>"
SYMBOLS = 150
ENTER = """(() => {{ const at = document.getElementById({0!r}); at.value = {1!r};
  at.dispatchEvent(new Event({2!r}, {{bubbles: true}})); }})()"""
"""What a user does who writes into a field, or chooses."""
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed, and CHROMIUM names none"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
ROWS = '[...document.querySelectorAll("#all tbody tr:not(.space)")]'
FIRST = f"{ROWS}.map(row => row.cells[0].textContent)[0]"
OPEN = 'document.getElementById("panel").open'


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report_page(renamed(invented_report(SYMBOLS, seed=3), HOSTILE)))
    return path.as_uri()


@pytest.fixture
async def page(address: str) -> AsyncIterator[Page]:
    assert BROWSER is not None
    async with open_page(BROWSER) as page:
        await page.screen(1440, 900)
        await page.open(address)
        yield page
        assert page.complaints == []
        assert page.failures == []
        assert {request for request in page.requests if request != "about:blank"} == {address}


async def click(page: Page, selector: str) -> None:
    await page.value(f"document.querySelector({selector!r}).click()")
    await page.frame()


async def test_a_heading_sorts_all_rows_and_says_so(page: Page) -> None:
    """Not only the rows that are in the document; symbols without the figure come last either way."""
    best = await page.value(
        "payload.rows.map(row => row[2]).filter(x => x !== null).sort((a, b) => b - a)[0]"
    )
    heading = "#all thead th:nth-child(3) button"

    await click(page, heading)

    assert await page.value('document.querySelector("#all thead th:nth-child(3)").ariaSort') == "descending"
    assert await page.value(f"{ROWS}[0].cells[2].textContent") == f"{best * 100:.1f} %"
    await click(page, heading)
    assert await page.value('document.querySelector("#all thead th:nth-child(3)").ariaSort') == "ascending"
    assert await page.value(f"{ROWS}[0].cells[2].textContent") != "–"


async def test_few_rows_are_in_the_document_and_all_can_be_reached(page: Page) -> None:
    """Hundreds of rows cost hundreds of milliseconds."""
    count = await page.value("payload.rows.length")
    assert await page.value(f"{ROWS}.length") < 90
    seen = set()
    for _ in range(40):
        seen |= set(await page.value(f"{ROWS}.map(row => row.cells[0].textContent)"))
        await page.value('window.scrollBy({top: 600, behavior: "instant"})')
        await page.frame()

    assert len(seen) == count
    counted = await page.value('document.getElementById("all").getAttribute("aria-rowcount")')
    assert counted == str(count + 1)


async def test_search_and_filter_narrow_the_table(page: Page) -> None:
    names = f"{ROWS}.map(row => row.cells[0].textContent)"
    await page.value(ENTER.format("search", "coin07", "input"))
    found = await page.value(names)
    assert found
    assert all("COIN07" in name for name in found)

    await page.value(ENTER.format("search", "", "input"))
    await page.value(ENTER.format("only", "failed", "change"))
    assert sorted(await page.value(names)) == ["BAD0USDT", "BAD1USDT", "BAD2USDT"]
    assert await page.value('document.getElementById("shown").textContent') == f"3 of {SYMBOLS + 8} symbols"


async def test_a_symbol_opens_and_closes_by_the_keyboard_alone(page: Page) -> None:
    """Tab to a symbol, down one row, Enter, Escape: the focus never gets lost."""
    await page.value('document.querySelector("#all tbody a").focus()')
    await page.press("ArrowDown")
    symbol = await page.value("document.activeElement.textContent")
    assert symbol == await page.value(f"{ROWS}[1].cells[0].textContent")

    await page.press("Enter")

    assert await page.value(OPEN)
    assert str(await page.value('document.getElementById("panel-title").textContent')).startswith(symbol)
    assert await page.value("document.activeElement.textContent") == "Close"
    assert await page.value('document.querySelectorAll("#panel canvas").length') >= 4
    await page.press("Escape")
    assert not await page.value(OPEN)
    assert await page.value("document.activeElement.textContent") == symbol


async def test_a_hostile_symbol_is_text_everywhere(page: Page) -> None:
    await page.value(f"location.hash = 'symbol=' + encodeURIComponent({HOSTILE!r})")
    await page.frame()

    assert await page.value(OPEN)
    assert HOSTILE in str(await page.value('document.getElementById("panel-title").textContent'))
    assert await page.value('document.querySelectorAll("img").length') == 0


async def test_pictures_are_drawn_and_their_figures_are_a_table(page: Page) -> None:
    for key in await page.value("payload.charts.map(chart => chart.key)"):
        await page.value(f'document.getElementById("picture-{key}").scrollIntoView({{behavior: "instant"}})')
        for _ in range(50):
            if await page.value(f'document.querySelectorAll("#picture-{key} canvas").length'):
                break
            await page.frame()
        assert await page.value(f'document.querySelectorAll("#picture-{key} canvas").length') == 1, key
        await page.value(f'document.querySelector("#picture-{key} details").open = true')
        await page.frame()
        await asyncio.sleep(0)
        assert await page.value(f'document.querySelectorAll("#picture-{key} details td").length'), key


@pytest.mark.parametrize("dark", [False, True])
async def test_a_phone_never_scrolls_sideways(page: Page, address: str, dark: bool) -> None:
    """At 390 pixels, in light and dark, with a panel open too."""
    await page.screen(390, 844, dark=dark)
    await page.open(address + "?phone")
    page.requests.remove(address + "?phone")

    assert await page.value("document.documentElement.scrollWidth") <= 390
    await page.value('document.querySelectorAll("details").forEach(one => { one.open = true; })')
    await page.frame()
    assert await page.value("document.documentElement.scrollWidth") <= 390
    await click(page, "#all tbody tr:nth-child(3) a")
    assert await page.value(OPEN)
    assert await page.value('(at => at.scrollWidth - at.clientWidth)(document.getElementById("panel"))') == 0
    back = await page.value("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")


async def test_numbers_are_written_alike_with_and_without_scripts(page: Page, tmp_path: Path) -> None:
    """The first rows are written twice, by two programs: they must not change when scripts start."""
    drawn = await page.value(f"{ROWS}.slice(0, 30).map(row => [...row.cells].map(cell => cell.textContent))")
    plain = tmp_path / "plain.html"
    text = report_page(renamed(invented_report(SYMBOLS, seed=3), HOSTILE))
    plain.write_text(text.replace("<script>", '<script type="off">'))
    await page.open(plain.as_uri())
    page.requests.remove(plain.as_uri())

    assert (
        await page.value(
            f"{ROWS}.slice(0, 30).map(row => [...row.cells].map(cell => cell.textContent.trim()))"
        )
        == drawn
    )
