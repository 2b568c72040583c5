"""Paper on the real exchange's public half: its time, its contracts, its funding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from config import link_settings
from desk.errors import ExchangeError, Refused, SettingsError, Unanswered
from desk.market.bitget.public import CONTRACTS, TIME, BitgetPublic
from desk.market.matching import FillModel
from desk.market.paper.exchange import PaperExchange
from desk.market.paper.file import PaperFile
from desk.market.paper.funding import LiveFunding
from desk.market.paper.open import paper_account
from desk.market.paper.public import PublicMarket
from desk.orders import ContractTerms
from desk.policy import LONG
from desk.values import CANDLE_MS
from tests.market.emulator.samples import T0, HandClock, open_exchange
from tests.market.exchange_contract import DEPOSIT, SYMBOL, entry
from tests.market.lines import exchange, tell
from tests.market.matching.samples import BTC, ETH
from tests.market.samples import NOW, ImpatientClock, fetch_settings, random_candles

HOUR_MS = 3_600_000


@dataclass
class Board:
    """What an exchange says to everybody, in a test's hands."""

    ahead_ms: int = 0
    listed: Sequence[ContractTerms] = (BTC, ETH)
    expected: Mapping[str, float] = field(default_factory=dict)
    history: Mapping[int, float] = field(default_factory=dict)
    silent: ExchangeError | None = None

    async def server_time(self) -> int:
        """A time."""
        return T0 + self.ahead_ms

    async def contracts(self) -> Sequence[ContractTerms]:
        """What is listed."""
        return self.listed

    async def expected_funding(self) -> Mapping[str, float]:
        """Of the next settlement."""
        if self.silent:
            raise self.silent
        return self.expected

    async def settled_funding(self, symbol: str) -> Mapping[int, float]:
        """Of those that were."""
        if self.silent:
            raise self.silent
        return self.history if symbol == SYMBOL else {}


def papers(board: Board) -> PaperExchange:
    """An account under ``board`` at a price of 100, at T0 by its own clock."""
    paper = PaperExchange(board.listed, deposit=DEPOSIT, clock=HandClock(T0 / 1000), public=board)
    for symbol in (SYMBOL, "ETHUSDT"):
        paper.feed_candle(symbol, T0 - CANDLE_MS, (100.0, 100.0, 100.0, 100.0), 10.0)
    return paper


async def test_the_exchanges_time_is_told_and_kept() -> None:
    """A clock that is wrong must be noticed before money is at stake; orders bear the exchange's time."""
    paper = papers(Board(ahead_ms=7_000))
    told = await paper.server_time()
    await paper.place(entry())
    order = await paper.order(SYMBOL, entry().client_id)

    assert told == T0 + 7_000
    assert order is not None
    assert order.created == T0 + 7_000


async def test_contracts_that_change_bind_orders_from_then_on() -> None:
    """The step, the minimum, the announcement: what the next order must obey is what is listed now."""
    board = Board()
    paper = papers(board)
    board.listed = (replace(BTC, min_size=Decimal(3)), replace(ETH, limit_open_time=T0))
    told = {one.symbol: one for one in await paper.contracts()}

    assert told == {one.symbol: one for one in board.listed}
    with pytest.raises(Refused, match="45111"):
        await paper.place(entry())
    with pytest.raises(Refused, match="45119"):
        await paper.place(replace(entry(), symbol="ETHUSDT"))


async def test_a_contract_that_is_no_longer_listed_can_only_be_closed() -> None:
    """One unreadable row of an answer must not trap a position, nor let anything be opened."""
    board = Board()
    paper = papers(board)
    await paper.place(entry())
    board.listed = (ETH,)
    await paper.contracts()
    with pytest.raises(Refused, match="45119"):
        await paper.place(replace(entry(), client_id="another"))
    await paper.close(SYMBOL, LONG)

    assert await paper.positions() == []


async def test_a_contract_whose_time_has_come_is_wound_up_at_its_last_price() -> None:
    """As the exchange settles what is delisted: nothing stays that no candle would ever close."""
    board = Board()
    paper = papers(board)
    await paper.place(entry(stop_loss=Decimal(90)))
    board.listed = (replace(BTC, off_time=T0, status="off"), ETH)
    await paper.contracts()
    fills = await paper.fills(SYMBOL, 0)

    assert await paper.positions() == []
    assert [(fill.purpose, fill.price, fill.client_id) for fill in fills[1:]] == [("close", Decimal(100), "")]


# Funding ------------------------------------------------------------------------------------------------


async def lived(paper: PaperExchange, funding: LiveFunding, candles: int) -> list[str]:
    """Let candles at 100 come from T0 on, as ``PaperFeed`` does; what was told of funding."""
    news: list[str] = []
    for each in range(candles):
        times = np.array([T0 + each * CANDLE_MS])
        end = int(times[0]) + CANDLE_MS
        news += await funding.settled(end)
        paper.live_through(SYMBOL, times, np.full((6, 1), 100.0), funding.rates.get(SYMBOL, {}))
        news += await funding.expected(end + CANDLE_MS)
    return news


def paid(paper: PaperExchange) -> Decimal:
    """Funding of the one position."""
    return paper.matching.account.positions[SYMBOL, LONG].funding


async def test_a_position_pays_what_was_expected_or_else_what_was_settled() -> None:
    """The exchange moved its rate between; who slept meanwhile is charged by the history."""
    hourly = replace(BTC, funding_hours=1)
    board = Board(
        listed=(hourly, ETH),
        expected={SYMBOL: 0.001},
        history={T0 + HOUR_MS: 0.002, T0 + 2 * HOUR_MS: 0.002, T0: 0.5},
    )
    paper = papers(board)
    await paper.place(entry())
    awake = await lived(paper, LiveFunding(board, paper), 13)
    by_expected = paid(paper)
    asleep = LiveFunding(board, paper)
    news = await asleep.settled(T0 + 2 * HOUR_MS)
    paper.live_through(SYMBOL, T0 + CANDLE_MS * np.arange(24), np.full((6, 24), 100.0), asleep.rates[SYMBOL])

    assert (awake, news) == ([], [])
    assert by_expected == 2 * 100 * Decimal("0.001")
    assert paid(paper) - by_expected == 2 * 100 * Decimal("0.002")


@pytest.mark.parametrize(
    ("board", "said"),
    [
        (Board(silent=Unanswered("no answer", endpoint="x")), "no answer"),
        (Board(expected={SYMBOL: 5.0}), "the exchange does not report them"),
        (Board(), "the exchange does not report them"),
    ],
    ids=["silent", "absurd", "unknown"],
)
async def test_funding_that_is_not_told_leaves_a_note(board: Board, said: str) -> None:
    """No crash, no invented rate; the journal says that the account looks too good or too bad."""
    board.listed = (replace(BTC, funding_hours=1), ETH)
    paper = papers(board)
    await paper.place(entry())
    news = await lived(paper, LiveFunding(board, paper), 13)

    assert said in news[-1]
    assert paid(paper) == 0


async def test_rates_do_not_pile_up() -> None:
    """A session runs for months."""
    board = Board(listed=(replace(BTC, funding_hours=1), ETH), expected={SYMBOL: 0.0, "ETHUSDT": 0.0})
    funding = LiveFunding(board, papers(board))
    for hour in range(1000):
        await funding.expected(T0 + hour * HOUR_MS)

    assert len(funding.rates[SYMBOL]) <= 25
    assert len(funding.rates["ETHUSDT"]) <= 4


# The real client ------------------------------------------------------------------------------------------


async def test_the_public_half_asks_the_public_client(tmp_path: Path) -> None:
    """Against an exchange that shares no code with the client."""
    series = random_candles(SYMBOL, count=100)
    async with (
        open_exchange([series], now_ms=NOW) as counter,
        BitgetPublic(fetch_settings(counter.exchange.url, tmp_path), clock=ImpatientClock()) as market,
    ):
        public = PublicMarket(market)
        (contract,) = await public.contracts()
        candles = (await public.newest_candles([SYMBOL, "NOPEUSDT"], now=NOW))[SYMBOL]

        assert contract.symbol == SYMBOL
        assert (contract.limit_open_time, contract.off_time) == (None, None)
        assert await public.server_time() == NOW
        assert list(await public.expected_funding()) == [SYMBOL]
        assert not isinstance(candles, str)
        assert candles.values.tobytes() == series.values.tobytes()
        assert all(not time % HOUR_MS for time in await public.settled_funding(SYMBOL))


async def test_an_exchange_that_nobody_reaches_does_not_answer(tmp_path: Path) -> None:
    """A session waits for it; it does not end as for wrong settings."""
    async with exchange() as served:
        url = served.url
    settings = fetch_settings(url, tmp_path, attempts=2)
    async with BitgetPublic(settings, clock=ImpatientClock()) as market:
        with pytest.raises(Unanswered, match="cannot be reached"):
            await PublicMarket(market).server_time()


async def test_what_lies_beyond_the_reach_of_a_start_is_told(tmp_path: Path) -> None:
    """After days without a process nobody can say which stops were touched first."""
    file = PaperFile(tmp_path / "journal.sqlite")
    paper = PaperExchange([BTC], deposit=DEPOSIT, clock=HandClock(T0 / 1000), store=file)
    paper.feed_candle(SYMBOL, NOW - 500 * CANDLE_MS, (100.0, 100.0, 100.0, 100.0), 10.0)
    await paper.place(entry())
    async with open_exchange([random_candles(SYMBOL, count=100)], now_ms=NOW) as counter:
        url = counter.exchange.url
        opened = paper_account(
            fetch_settings(url, tmp_path),
            link_settings("paper", base_url=url, ws_url=""),
            journal=tmp_path / "journal.sqlite",
            deposit=DEPOSIT,
            clock=ImpatientClock(),
            fill_model=FillModel(),
        )
        async with opened as account:
            assert account.news[1:] == (
                f"{SYMBOL}: 4 settlements of funding are not charged: the exchange does not report them",
                f"{SYMBOL}: 399 candles lie too far back: whether they touched a stop is not known",
            )


async def test_a_hostile_account_starts_nothing(tmp_path: Path) -> None:
    """Status 2, before any candle is asked for."""
    file = PaperFile(tmp_path / "journal.sqlite")
    file.path.write_text('{"schema_version": 1, "sha256": "", "account": {}}')
    async with exchange() as served:
        served.on(f"GET {CONTRACTS}", tell([]))
        served.on(f"GET {TIME}", tell({"serverTime": str(NOW)}))
        opened = paper_account(
            fetch_settings(served.url, tmp_path),
            link_settings("paper", base_url=served.url, ws_url=""),
            journal=tmp_path / "journal.sqlite",
            deposit=DEPOSIT,
            clock=ImpatientClock(),
            fill_model=FillModel(),
        )
        with pytest.raises(SettingsError, match="the checksum does not match"):
            await opened.__aenter__()
