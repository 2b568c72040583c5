"""The report of 786 invented symbols: its size, how long it takes to write, to be seen, and to be sorted.

The last two need a browser: ``CHROMIUM`` names one, else the first that is installed is taken.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.browser import find_browser, open_page
from benchmarks.report_samples import invented_report
from desk.reports.html.page import report_page

SYMBOLS = 786
SORTS = 5
PAINT = """new Promise(done => new PerformanceObserver(list => done(list.getEntries()[0].startTime))
  .observe({type: "paint", buffered: true}))"""
SORT = """(() => { const start = performance.now();
  document.querySelectorAll("#all thead button")[2].click();
  document.body.getBoundingClientRect();
  return performance.now() - start; })()"""


async def in_browser(browser: str, address: str) -> tuple[float, float]:
    """Milliseconds to the first paint, and of a sort: the medians of a few."""
    async with open_page(browser) as page:
        await page.screen(1440, 900)
        paints, sorts = [], []
        for _ in range(SORTS):
            await page.open(address)
            paints.append(await page.value(PAINT))
            sorts.append(await page.value(SORT))
    return sorted(paints)[SORTS // 2], sorted(sorts)[SORTS // 2]


def main() -> int:
    """Print the figures."""
    data = invented_report(SYMBOLS, seed=1)
    report_page(data)  # the template is compiled once
    start = time.perf_counter()
    page = report_page(data)
    seconds, size = time.perf_counter() - start, len(page.encode())
    print(f"{SYMBOLS} symbols: {size / 1e6:.2f} MB, written in {seconds:.2f} s")
    if (browser := find_browser()) is None:
        print("No Chromium is installed: first paint and sort were not measured.")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_text(page)
        paint, sort = asyncio.run(in_browser(browser, path.as_uri()))
    print(f"First paint after {paint:.0f} ms, a sort {sort:.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
