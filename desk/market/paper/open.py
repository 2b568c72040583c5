"""A paper account beside a journal, on the real exchange's public half: opened, and brought up to now.

Place in the house: the composition of ``desk.market.paper.exchange`` for ``--mode paper``.  A journal's
path, the public client's settings and what to begin with come in; the exchange of a session goes out, with
everything behind it that happened while no process was there: candles that passed, stops that they touched,
funding.

Not here: candles as they come (``desk.trade.replay.feed.PaperFeed``).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from desk.market.bitget.public import BitgetPublic
from desk.market.matching import FillModel
from desk.market.paper.exchange import PaperExchange
from desk.market.paper.file import PaperFile
from desk.market.paper.funding import LiveFunding
from desk.market.paper.public import PublicMarket
from desk.market.settings import FetchSettings, LinkSettings
from desk.ports import Clock
from desk.retry import STARTUP, Retry
from desk.values import CANDLE_MS

HISTORY_MS: Final = 4 * 86_400_000
"""How long ended orders are kept: longer than the time that a start can catch up with (``LARGEST_COUNT``
candles), so that everything that it lets happen can still be asked for.  The file is written at every order
and holds them all."""


@dataclass(frozen=True, slots=True)
class PaperAccount:
    """An account that has lived through everything up to now."""

    exchange: PaperExchange
    funding: LiveFunding
    news: tuple[str, ...]
    """What is to be told of its opening."""


@asynccontextmanager
async def paper_account(
    fetch: FetchSettings,
    link: LinkSettings,
    *,
    journal: Path,
    deposit: Decimal,
    clock: Clock,
    terms: FillModel,
) -> AsyncIterator[PaperAccount]:
    """Open the account beside ``journal``, for the block.

    Parameters
    ----------
    fetch, link
        Address, pace and patience of the public client; a session that runs waits no longer for an answer
        than ``link`` says.
    deposit : Decimal
        Equity of a new account, USDT; one that is there has its own.

    Raises
    ------
    SettingsError
        If what is kept of an account cannot be continued.
    ExchangeError
        If the exchange does not tell its time, its contracts, or the candles that are missing.
    """
    quick = replace(
        fetch, timeout_s=link.timeout_s, attempts=link.attempts, give_up_after_s=link.give_up_after_s
    )
    async with BitgetPublic(fetch, clock=clock) as market:
        listed = PublicMarket(market).contracts
        contracts = await Retry(STARTUP, clock=clock, subject="contracts").call(listed)
    async with BitgetPublic(quick, clock=clock) as market:
        public, file = PublicMarket(market), PaperFile(journal)
        paper = PaperExchange(
            contracts,
            deposit=deposit,
            clock=clock,
            terms=replace(terms, history_ms=HISTORY_MS),
            public=public,
            keeper=file,
        )
        funding = LiveFunding(public, paper)
        news = await _catch_up(paper, public, funding)
        equity = (await paper.balance()).equity
        if paper.continued:
            held = ", ".join(sorted({one.symbol for one in await paper.positions()})) or "nothing"
            first = f"Paper account of {file.path} continued: equity {equity:.2f} USDT, holding {held}."
        else:
            first = f"No paper account at {file.path}: a new one begins with {equity:.2f} USDT."
        yield PaperAccount(paper, funding, (first, *news))


async def _catch_up(paper: PaperExchange, public: PublicMarket, funding: LiveFunding) -> list[str]:
    """Let happen what the account slept through, where something is at stake; what could not be known."""
    now = await paper.server_time()
    core = paper.matching
    stakes = sorted(core.account.stakes())
    if not stakes:
        return []
    news = list(await funding.settled(now // CANDLE_MS * CANDLE_MS))
    for symbol, candles in (await public.newest_candles(stakes, now=now)).items():
        if isinstance(candles, str) or not len(candles):
            news.append(f"{symbol}: its last price stays, no candles were told: {candles}")
            continue
        unseen = (int(candles.open_time[0]) - core.market.newest.get(symbol, now)) // CANDLE_MS - 1
        if unseen > 0:
            news.append(f"{symbol}: {unseen} candles lie too far back: what they touched is not known")
        paper.live_through(symbol, candles.open_time, candles.values, funding.rates.get(symbol, {}))
    return news
