"""A process that opens a position on a paper account, tells it, and kills itself as ``kill -9`` would.

Arguments: REST address, journal.
"""

import asyncio
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path

from config import link_settings
from desk.clock import SystemClock
from desk.market.matching import FillModel
from desk.market.paper.open import paper_account
from tests.market.exchange_contract import entry
from tests.market.samples import NOW, fetch_settings


async def live(url: str, journal: Path) -> None:
    """Open, trade, die."""
    opened = paper_account(
        fetch_settings(url, Path("unused")),
        link_settings("paper", base_url=url, ws_url=""),
        journal=journal,
        deposit=Decimal(10_000),
        clock=SystemClock(),
        fill_model=FillModel(),
    )
    async with opened as account:
        paper = account.exchange
        paper.feed_candle("BTCUSDT", NOW - 300_000, (100.0, 100.0, 100.0, 100.0), 1.0)
        await paper.place(entry(stop_loss=Decimal(95)))
        order = await paper.order("BTCUSDT", entry().client_id)
        sys.stdout.write(f"{order.status if order else order}\n")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(live(sys.argv[1], Path(sys.argv[2])))
