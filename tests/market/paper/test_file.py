"""A paper account that is kept in a file survives what a real exchange's account survives."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from desk.errors import Refused, SettingsError, Unanswered
from desk.files import DRAFT
from desk.market.matching import FillModel, Matching
from desk.market.matching.state import state_of
from desk.market.paper.exchange import PaperExchange
from desk.market.paper.file import PaperFile
from desk.orders import ContractTerms
from desk.policy import LONG
from desk.values import CANDLE_MS
from tests.market.emulator.samples import T0, HandClock
from tests.market.exchange_contract import DEPOSIT, SYMBOL, entry
from tests.market.matching.samples import BTC, ETH
from tests.power import cut_power


def opened(folder: Path, clock: HandClock, *, price: float | None = None) -> PaperExchange:
    """The account beside the journal of ``folder``, as a new process opens it."""
    file = PaperFile(folder / "journal.sqlite")
    paper = PaperExchange([BTC, ETH], deposit=DEPOSIT, clock=clock, store=file)
    if price is not None:
        paper.feed_price(SYMBOL, price)
    return paper


def drafts_in(folder: Path) -> list[Path]:
    """What a process left behind that died while it wrote."""
    return list(folder.glob(f"{DRAFT}*"))


async def test_a_restart_finds_the_account_as_it_was(tmp_path: Path) -> None:
    """Positions, stops, resting orders, the money, and what became of earlier orders."""
    clock = HandClock(T0 / 1000)
    paper = opened(tmp_path, clock, price=100.0)
    await paper.set_up(SYMBOL, leverage=Decimal(3), margin="isolated")
    await paper.place(entry(stop_loss=Decimal(95)))
    await paper.protect(SYMBOL, LONG, stop_loss=Decimal(96), take_profit=Decimal(120))
    again = opened(tmp_path, clock)

    assert again.continued
    assert not paper.continued
    assert state_of(again.matching) == state_of(paper.matching)
    assert await again.positions() == await paper.positions()
    assert await again.balance() == await paper.balance()
    assert await again.order(SYMBOL, entry().client_id) == await paper.order(SYMBOL, entry().client_id)
    with pytest.raises(Refused, match="40786"):
        await again.place(entry())


@pytest.mark.parametrize("step", range(6))
async def test_a_power_cut_leaves_the_account_before_or_after(tmp_path: Path, step: int) -> None:
    """And after, wherever the order was answered: no position is lost that somebody was told of."""
    clock = HandClock(T0 / 1000)
    paper = opened(tmp_path, clock, price=100.0)
    await paper.balance()
    told = False
    with cut_power(step):
        await paper.place(entry())
        told = True
    held = await opened(tmp_path, clock).positions()

    assert [one.size for one in held] in ([[2]] if told else [[], [2]])
    assert drafts_in(tmp_path) == []


async def test_nothing_is_told_of_candles_that_are_not_kept(tmp_path: Path) -> None:
    """The journal settles a stop from what it is told; the account must know of it for good."""
    clock = HandClock(T0 / 1000)
    paper = opened(tmp_path, clock, price=100.0)
    await paper.place(entry(stop_loss=Decimal(95)))
    paper.feed_candle(SYMBOL, T0, (100.0, 101.0, 94.0, 100.0), 10.0)
    kept_before = await opened(tmp_path, clock).positions()
    fills = await paper.fills(SYMBOL, 0)

    assert len(kept_before) == 1
    assert [fill.cause for fill in fills] == ["order", "stop_loss"]
    assert await opened(tmp_path, clock).fills(SYMBOL, 0) == fills


@dataclass
class FullDisk:
    """Satisfies ``desk.market.paper.exchange.AccountStore``: a disk that is full until there is room."""

    full: bool = True
    kept: Matching | None = None

    def load(self, contracts: Iterable[ContractTerms], terms: FillModel | None) -> Matching | None:
        """Nothing."""

    def save(self, core: Matching) -> None:
        """Fail while it is full."""
        if self.full:
            raise OSError(28, "No space left on device")
        self.kept = core


async def test_an_account_that_cannot_be_kept_gives_no_answer() -> None:
    """Nobody knows whether the order took effect, until there is room again: then it is looked up."""
    disk = FullDisk()
    paper = PaperExchange([BTC], deposit=DEPOSIT, clock=HandClock(T0 / 1000), store=disk)
    paper.feed_price(SYMBOL, 100.0)
    with pytest.raises(Unanswered, match="could not be saved"):
        await paper.place(entry())
    with pytest.raises(Unanswered):
        await paper.order(SYMBOL, entry().client_id)
    disk.full = False
    order = await paper.order(SYMBOL, entry().client_id)

    assert order is not None
    assert order.status == "filled"
    assert disk.kept is paper.matching


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"schema_version":2}', b'{"schema_version":1}'])
def test_a_file_that_is_no_account_is_refused_and_kept(tmp_path: Path, body: bytes) -> None:
    """A silent fresh account would forget positions; the message names the file and what to do."""
    file = PaperFile(tmp_path / "journal.sqlite")
    file.path.write_bytes(body)
    with pytest.raises(SettingsError) as told:
        file.load([BTC], None)

    assert str(file.path) in str(told.value)
    assert "Restore a copy of it, or move it away" in str(told.value)
    assert file.path.read_bytes() == body


async def test_a_torn_file_is_refused_and_kept(tmp_path: Path) -> None:
    """As a disk may leave it that lost its end."""
    clock = HandClock(T0 / 1000)
    await opened(tmp_path, clock, price=100.0).place(entry())
    path = PaperFile(tmp_path / "journal.sqlite").path
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(SettingsError, match=r"journal\.sqlite\.paper\.json"):
        opened(tmp_path, clock)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    """Whatever stands there, it is not overwritten."""
    file = PaperFile(tmp_path / "journal.sqlite")
    file.path.mkdir()

    with pytest.raises(SettingsError, match="a regular file is needed"):
        file.load([BTC], None)


async def test_candles_that_passed_meanwhile_happen_once(tmp_path: Path) -> None:
    """A window of candles is lived through from where the account stopped, with the settlements in it."""
    clock = HandClock(T0 / 1000)
    paper = opened(tmp_path, clock, price=100.0)
    paper.feed_candle(SYMBOL, T0 - CANDLE_MS, (100.0, 100.0, 100.0, 100.0), 10.0)
    await paper.place(entry(stop_loss=Decimal(95)))
    again = opened(tmp_path, clock)
    times = T0 + CANDLE_MS * np.arange(-3, 3)
    values = np.full((6, 6), 100.0)
    values[2, 5] = 94.0
    values[2, 1] = 50.0  # before the position was there
    for _ in range(2):
        again.live_through(SYMBOL, times, values, {T0 + CANDLE_MS: 0.001, T0: 0.5})
    fills = await again.fills(SYMBOL, 0)

    assert [(fill.cause, str(fill.price)) for fill in fills] == [("order", "100.1"), ("stop_loss", "94.9")]
    assert fills[1].at == T0 + 3 * CANDLE_MS - 1
    paid = DEPOSIT - (await again.balance()).equity - sum(fill.fee for fill in fills)
    assert paid == 2 * (Decimal("100.1") - Decimal("94.9")) + 2 * 100 * Decimal("0.001")


async def test_a_settlement_within_a_hole_is_charged_with_the_candle_after_it(tmp_path: Path) -> None:
    """The exchange charges it whether or not it tells candles."""
    clock = HandClock(T0 / 1000)
    paper = opened(tmp_path, clock, price=100.0)
    paper.feed_candle(SYMBOL, T0 - CANDLE_MS, (100.0, 100.0, 100.0, 100.0), 10.0)
    await paper.place(entry())
    times = np.array([T0 - CANDLE_MS, T0 + 5 * CANDLE_MS])
    paper.live_through(SYMBOL, times, np.full((6, 2), 100.0), {T0 + 2 * CANDLE_MS: 0.001})

    assert paper.matching.account.positions[SYMBOL, LONG].funding == Decimal("0.2")
