"""A paper account beside a journal, on the real exchange's public half: opened, and brought up to now.

Place in the house: the composition of ``desk.market.paper.exchange`` for ``--mode paper``.  A journal's
path, the public client's settings and what to begin with come in; the exchange of a session goes out, with
everything that happened while no process was running already applied: candles that passed, stops that they
touched, funding.

Not here: live candles (``desk.trade.replay.feed.PaperFeed``).
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
    """An account to which every candle up to now was applied."""

    exchange: PaperExchange
    funding: LiveFunding
    news: tuple[str, ...]
    """Messages about its opening, for the user."""


@asynccontextmanager
async def paper_account(
    fetch: FetchSettings,
    link: LinkSettings,
    *,
    journal: Path,
    deposit: Decimal,
    clock: Clock,
    fill_model: FillModel,
) -> AsyncIterator[PaperAccount]:
    """Open the account beside ``journal``, for the block.

    Parameters
    ----------
    fetch : FetchSettings
        Address, pace and timeouts of the public client at the start.
    link : LinkSettings
        Timeouts of the public client while the session runs.
    journal : Path
        Journal of the session, beside which the account is saved.
    deposit : Decimal
        Equity of a new account, USDT; a saved account keeps its own.
    clock : Clock
    fill_model : FillModel
        Slippage, volume share, rounding.

    Raises
    ------
    SettingsError
        If the saved account cannot be continued.
    ExchangeError
        If the exchange does not report its time, its contracts, or the missing candles.
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
            fill_model=replace(fill_model, history_ms=HISTORY_MS),
            public=public,
            store=file,
        )
        funding = LiveFunding(public, paper)
        news = await _catch_up(paper, public, funding)
        equity = (await paper.balance()).equity
        if paper.continued:
            held = ", ".join(sorted({one.symbol for one in await paper.positions()})) or "none"
            first = f"Paper account {file.path} continued: equity {equity:.2f} USDT, open positions: {held}."
        else:
            first = f"No paper account at {file.path}: a new one starts with {equity:.2f} USDT."
        yield PaperAccount(paper, funding, (first, *news))


async def _catch_up(paper: PaperExchange, public: PublicMarket, funding: LiveFunding) -> list[str]:
    """Apply the candles that passed meanwhile, where there are positions or orders; what stayed unknown."""
    now = await paper.server_time()
    core = paper.matching
    exposed = sorted(core.account.exposed_symbols())
    if not exposed:
        return []
    news = list(await funding.settled(now // CANDLE_MS * CANDLE_MS))
    for symbol, candles in (await public.newest_candles(exposed, now=now)).items():
        if isinstance(candles, str) or not len(candles):
            news.append(f"{symbol}: the last known price is kept, no candles were received: {candles}")
            continue
        unseen = (int(candles.open_time[0]) - core.market.newest.get(symbol, now)) // CANDLE_MS - 1
        if unseen > 0:
            news.append(
                f"{symbol}: {unseen} candles lie too far back: whether they touched a stop is not known"
            )
        paper.live_through(symbol, candles.open_time, candles.values, funding.rates.get(symbol, {}))
    return news
