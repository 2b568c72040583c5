"""Pictures of the report and of the live page for the documents: on a desk and on a phone, in light and dark.

``python -m benchmarks.page_pictures MODELS FOLDER`` writes ``report_1440_light.png``, ``page_390_dark.png``
and so on; MODELS is what ``make demo`` leaves (``models/demo``).  The live page is that of a session on the
invented candles of the demo, some days of them, that stands still while it holds a position.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import config
from benchmarks.browser import Page, find_browser, open_page
from desk.clock import SystemClock
from desk.live_fills import fill_model_of
from desk.market.paper.exchange import PaperExchange
from desk.market.series.stored import synthetic_market
from desk.settings_files import in_force
from desk.trade.dashboard import DashboardAddress, open_dashboard
from desk.trade.events import Event, replayed_events
from desk.trade.forecasting import Forecaster
from desk.trade.journal import Journal
from desk.trade.replay.feed import PaperFeed, ReplayFeed, SimulatedClock
from desk.trade.settings import settings_text
from desk.trade.start import open_session
from desk.values import CANDLE_MS
from live_trade import feature_window, walk_source
from ml_feature_engineering import memory_of

SCREENS = ((1440, 1000), (390, 844))
DAYS = 9
"""That the session has traded before its picture is taken."""
TOKEN = "only-for-the-picture"  # noqa: S105 - opens nothing
SHOWN = '!document.getElementById("figures").hidden && document.querySelectorAll("#positions th + td").length'


@asynccontextmanager
async def demo_session(models_dir: Path) -> AsyncIterator[str]:
    """Address of the page of a session on the demo's candles, on simulated fills, that holds a position."""
    force = in_force(config, {})
    settings = replace(force.training, models_dir=models_dir)
    source = walk_source(settings)
    symbols = source.published(())
    forecaster = Forecaster(source, symbols, feature_window(settings))
    forecaster.refresh()
    stored = synthetic_market(config.DEMO_SERIES, symbols).between(source.span)
    last = min(int(one.open_time[-1]) for one in stored.series)
    first = {one.symbol: last - DAYS * 288 * CANDLE_MS for one in stored.series}
    clock = SimulatedClock(float(min(first.values())))
    fills = fill_model_of(forecaster, slippage=settings.learn.trading.slippage, least=False)
    paper = PaperExchange(stored.contracts, deposit=force.live.paper.balance, clock=clock, fill_model=fills)
    candles = ReplayFeed(stored.series, first=first, memory=memory_of(), clock=clock)
    feed = PaperFeed(candles, paper, stored.funding)
    reached = asyncio.Event()

    async def events(journal: Journal) -> AsyncGenerator[Event]:
        async with aclosing(replayed_events(feed)) as rounds:
            async for event in rounds:
                yield event
                now, held = clock.now_ms(), journal.ledger.open_trades()
                # One candle after the entry, when the account has been seen with the position.
                if now > last - 288 * CANDLE_MS and any(one.opened + CANDLE_MS < now for one in held):
                    reached.set()
                    await asyncio.Event().wait()

    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "j", durable=False) as journal:
        session = open_session(paper, journal, forecaster, clock, settings=force.live)
        text = settings_text(force.live)
        running = asyncio.create_task(session.run(events(journal), mode="paper", settings=text))
        await asyncio.wait(
            {running, asyncio.create_task(reached.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        address = DashboardAddress(host="127.0.0.1", port=0, token=TOKEN)
        page = open_dashboard(address, session, journal, forecaster, SystemClock())
        async with page.serving() as url:
            yield url
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def four_pictures(page: Page, name: str, address: str, until: str) -> dict[str, bytes]:
    """A page on both screens, in light and dark.

    Parameters
    ----------
    page : Page
    name : str
        Of the files.
    address : str
    until : str
        A JavaScript expression that is true once all is there.
    """
    found = {}
    for width, height in SCREENS:
        for dark in (False, True):
            await page.screen(width, height, dark=dark)
            await page.open(address)
            await page.until(until)
            await page.frame()
            found[f"{name}_{width}_{'dark' if dark else 'light'}.png"] = await page.picture()
    return found


async def pictures(browser: str, models_dir: Path) -> dict[str, bytes]:
    """PNG images by the name of their file.

    Parameters
    ----------
    browser : str
        Path of the program.
    models_dir : Path
        With the models of the demo.
    """
    report = (models_dir / "report.html").resolve().as_uri()
    async with open_page(browser) as page:
        found = await four_pictures(page, "report", report, "true")
        await page.screen(*SCREENS[0])
        await page.value('document.querySelector("#all tbody a").click()')
        await page.frame()
        found["report_symbol.png"] = await page.picture()
        async with demo_session(models_dir) as url:
            found |= await four_pictures(page, "page", url, SHOWN)
    return found


def main() -> int:
    """Write them."""
    if len(sys.argv) != 3:
        print("Models and a folder are needed: python -m benchmarks.page_pictures MODELS FOLDER")
        return 2
    if (browser := find_browser()) is None:
        print("No Chromium is installed, and CHROMIUM names none.")
        return 1
    models_dir, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for name, picture in asyncio.run(pictures(browser, models_dir)).items():
        (folder / name).write_bytes(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
