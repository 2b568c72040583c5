"""Pictures of a report for the documents: on a desk and on a phone, in light and dark.

``python -m benchmarks.report_pictures REPORT FOLDER`` writes ``report_1440_light.png`` and so on; ``make
demo`` leaves the report that they are taken of.
"""

import asyncio
import sys
from pathlib import Path

from benchmarks.browser import find_browser, open_page

SCREENS = ((1440, 1100), (390, 844))


async def pictures(browser: str, address: str) -> dict[str, bytes]:
    """PNG images by the name of their file.

    Parameters
    ----------
    browser : str
        Path of the program.
    address : str
        Of the report.
    """
    found = {}
    async with open_page(browser) as page:
        for width, height in SCREENS:
            for dark in (False, True):
                await page.screen(width, height, dark=dark)
                await page.open(address)
                found[f"report_{width}_{'dark' if dark else 'light'}.png"] = await page.picture()
        await page.screen(*SCREENS[0])
        await page.value('document.querySelector("#all tbody a").click()')
        await page.frame()
        found["report_symbol.png"] = await page.picture()
    return found


def main() -> int:
    """Write them."""
    if len(sys.argv) != 3:
        print("A report and a folder are needed: python -m benchmarks.report_pictures REPORT FOLDER")
        return 2
    if (browser := find_browser()) is None:
        print("No Chromium is installed, and CHROMIUM names none.")
        return 1
    report, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for name, picture in asyncio.run(pictures(browser, report.resolve().as_uri())).items():
        (folder / name).write_bytes(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
