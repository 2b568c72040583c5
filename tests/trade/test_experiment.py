"""Whole sessions of an experiment with a price, over the wire: it ends at its price, and for good."""

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from desk.clock import SystemClock
from desk.errors import SettingsError
from desk.market.matching.report import open_positions
from desk.trade.experiment_figures import loss_per_coin, smallest_size
from desk.trade.journal import Journal
from desk.trade.journal.reading import read_snapshot
from soaks import mortal
from tests.trade import floors
from tests.trade.floors import Floor, Trial, close, gap, seated, settings, venue

PRICE = "0.12"
"""Of three symbols that may lose 0.05 USDT each at their stops: not all fit at once."""
ALL = mortal.SYMBOLS
LIVE = settings("one_way", "isolated")
CANDLES = 150
HELD = 6
"""Candles after which something is held."""
both_kinds = pytest.mark.parametrize("unified", [False, True], ids=["classic", "unified"])


def lost(journal: Journal) -> Decimal:
    """What the experiment's trades lost, by the journal alone."""
    return -sum((one.profit for one in journal.ledger.closed_trades() if one.experiment), Decimal(0))


def agree_and_flat(floor: Floor) -> None:
    """Nothing is held, anywhere, and the money adds up."""
    floor.agrees()
    assert floor.held == []
    assert floor.matching.account.plans == {}


@both_kinds
async def test_it_ends_at_its_price_with_everything_closed_and_status_3(
    tmp_path: Path, *, unified: bool
) -> None:
    """The promise to whoever pays: so much, and no more; nobody restarts a service into another loss."""
    async with venue(LIVE, unified=unified) as served:
        async with seated(tmp_path, LIVE, served, Trial("0.3")) as floor:
            ending = await floor.run(CANDLES)
            assert ending.status == 3, ending.why
            assert "experiment 1 is over" in ending.why
            assert "experiment_since" in ending.why
            agree_and_flat(floor)
            trades = floor.journal.ledger.closed_trades()
            assert len(trades) > 3
            assert {one.experiment for one in trades} == {1}
            assert Decimal(0) < lost(floor.journal) <= Decimal("0.3")

        for amount in ("0.3", "50"):  # a higher price is no new experiment either
            async with seated(tmp_path, LIVE, served, Trial(amount)) as floor:
                again = await floor.run(3)
                assert again.status == 3
                assert "experiment 1 is over" in again.why
                assert len(floor.journal.ledger.closed_trades()) == len(trades)
                agree_and_flat(floor)


async def test_orders_have_the_smallest_size_and_all_stops_together_fit_in_what_is_left(
    tmp_path: Path,
) -> None:
    """Symbols fall together: the sum of all stops counts, and not each by itself."""
    most_held = 0
    async with venue(LIVE) as served, seated(tmp_path, LIVE, served, Trial(PRICE)) as floor:
        contracts = floor.matching.account.contracts

        def see(floor: Floor) -> None:
            nonlocal most_held
            held, ledger = floor.journal.ledger.open_trades(), floor.journal.ledger
            most_held = max(most_held, len(held))
            at_risk = Decimal(0)
            for one in held:
                terms = contracts[one.symbol]
                [opened] = [order for order in ledger.orders_of(one.trade) if order.purpose == "open"]
                assert opened.size == smallest_size(one.price, terms)
                assert terms.min_notional <= opened.size * one.price < terms.min_notional * 2
                assert one.stop is not None
                at_risk += one.size * loss_per_coin(one.price, one.stop, terms.tick, terms.taker_fee)
            assert lost(floor.journal) + at_risk <= Decimal(PRICE) * Decimal("1.02")  # entries slip a little

        await floor.run(40, dict.fromkeys(range(40), see))
        refused = {rule for _, _, rule in floor.journal.diary.refusals()}

    assert most_held == 2
    assert "experiment" in refused


async def test_a_restart_goes_on_with_what_was_lost(tmp_path: Path) -> None:
    """Otherwise a crash a day would cost the price a day."""
    async with venue(LIVE) as served:
        async with seated(tmp_path, LIVE, served, Trial("0.4")) as floor:
            ending = await floor.run(20, {18: lambda floor: floor.session.ask("clean")})
            assert ending.status == 0
            before = lost(floor.journal)
            assert before != 0
        async with seated(tmp_path, LIVE, served, Trial("0.4")) as floor:
            await floor.run(1)
            known = floor.journal.experiments.newest()
            trader = floor.session.trader
            assert known is not None
            assert (known.number, known.ended) == (1, None)
            after = trader.experiment_lost()
            assert after is not None
            assert after >= lost(floor.journal)
            assert {one.experiment for one in floor.journal.ledger.closed_trades()} == {1}
            assert lost(floor.journal) != 0


async def test_a_new_experiment_is_begun_by_the_settings_alone(tmp_path: Path) -> None:
    """The written rule, as that of the drawdown: what was lost before is accepted by a person."""
    async with venue(LIVE) as served:
        async with seated(tmp_path, LIVE, served, Trial(PRICE)) as floor:
            assert (await floor.run(CANDLES)).status == 3
            ended = floor.journal.experiments.newest()
        assert ended is not None
        assert ended.ended is not None
        since = f"{datetime.fromtimestamp(ended.ended / 1000 + 1, tz=UTC):%Y-%m-%dT%H:%M:%S}"
        async with seated(tmp_path, LIVE, served, Trial(PRICE, since=since)) as floor:
            ending = await floor.run(4)
            assert ending.status == 0, ending.why
            newest = floor.journal.experiments.newest()
            assert newest is not None
            assert newest.number == 2
            assert floor.session.trader.experiment_lost() != lost(floor.journal)
            with pytest.raises(SettingsError, match="lies in the future"):
                await mortal.trial_experiment(
                    floor.exchange, floor.journal, "1", SystemClock(), since="2199-01-01T00:00"
                )


async def test_a_session_that_died_between_the_end_and_the_closing_is_closed_by_the_next(
    tmp_path: Path,
) -> None:
    """The end is written before anything is closed; whoever starts next finds open positions, and closes."""
    async with venue(LIVE) as served:
        async with seated(tmp_path, LIVE, served, Trial("5")) as floor:
            assert floor.row == floors.FIRST
            await floor.run(HELD)
            assert floor.held
            floor.journal.experiments.end(1, floor.now(), "5 USDT are lost")
        async with seated(tmp_path, LIVE, served, Trial("5")) as floor:
            ending = await floor.run(3)
            assert ending.status == 3
            agree_and_flat(floor)


async def test_an_open_loss_counts_and_a_gap_ends_it_at_once(tmp_path: Path) -> None:
    """A price that falls through the stop is not waited for: the loss is there before any trade is closed."""
    async with venue(LIVE) as served, seated(tmp_path, LIVE, served, Trial("0.3")) as floor:
        ending = await floor.run(40, {HELD: lambda floor: gap(floor, "0.09")})

        assert ending.status == 3
        assert "were its price" in ending.why or "was its price" in ending.why
        agree_and_flat(floor)


async def test_a_hand_that_closes_a_trade_is_part_of_its_result(tmp_path: Path) -> None:
    """Whoever closes: the money of the experiment was lost or won by its trade."""
    async with venue(LIVE) as served, seated(tmp_path, LIVE, served, Trial("5")) as floor:
        await floor.run(12, {HELD: close})

        assert "close" in {one.ended for one in floor.journal.ledger.closed_trades()}
        floor.agrees()


async def test_tradable_models_trade_as_ever_beside_it(tmp_path: Path) -> None:
    """Their sizes, slots and streaks know nothing of the experiment, whose end counts only its own."""
    async with venue(LIVE) as served, seated(tmp_path, LIVE, served, Trial("0.1", untested=ALL[:2])) as floor:
        ending = await floor.run(CANDLES)
        trades = floor.journal.ledger.closed_trades()

        assert ending.status == 3
        regular = [one for one in trades if one.experiment is None]
        assert {one.symbol for one in regular} == {ALL[2]}
        assert {one.symbol for one in trades if one.experiment} <= set(ALL[:2])
        assert min(one.size * one.price for one in regular) > 100
        assert lost(floor.journal) <= Decimal("0.1")
        agree_and_flat(floor)


async def test_its_trades_are_marked_and_kept_from_what_demotes_and_promises(tmp_path: Path) -> None:
    """A model that fails an experiment was never trusted; a tradable one must not pay for it."""
    async with venue(LIVE) as served, seated(tmp_path, LIVE, served, Trial("5")) as floor:
        await floor.run(60)
        scores = floor.session.trader.keep_scores(every=True)
        floor.journal.settle()
        found = read_snapshot(floor.journal.path, now=floor.now())
        ledger = floor.journal.ledger

        assert scores
        assert all(one.is_experiment and one.demotion == "" for one in scores)
        assert ledger.losing_streak() == (0, None)
        assert ledger.losing_streak(1)[0] >= 0
        assert ledger.orders_since(0) == 0
        assert ledger.orders_since(0, of_experiments=True) > 10
        notes = [text for _, kind, _, text in floor.journal.diary.notes() if kind in {"entry", "exit"}]
        assert notes
        assert all(": experiment 1, " in text for text in notes)

        assert found is not None
        assert found.experiment is not None
        assert all(one.is_experiment for one in found.delivered)
        assert all(one.experiment == 1 for one in found.positions)
        assert found.experiment.result == -lost(floor.journal)
        assert found.experiment.trades == len(ledger.closed_trades())


async def test_fills_are_compared_with_the_evaluations_prices(tmp_path: Path) -> None:
    """Its result: what the evaluation assumed against what was paid; the policy's exit is the yardstick."""
    live = replace(LIVE, session=replace(LIVE.session, on_stop="leave"))
    async with venue(LIVE) as served, seated(tmp_path, live, served, Trial("5")) as floor:
        await floor.run(60)
        floor.journal.settle()
        found = read_snapshot(floor.journal.path, now=floor.now())
        trades = floor.journal.ledger.closed_trades()
        rows = dict(
            floor.journal.diary._rows("SELECT trade, next_mean FROM experiment_trades WHERE priced = 1")
        )

    assert found is not None
    assert found.experiment is not None
    fills = {one.name: one for one in found.experiment.fills}
    entry = fills["entry, to the signal's close"]
    by_hand = [one.side * float(one.entry_price / one.price - 1) * 1e4 for one in trades]
    assert entry.trades == len(trades)
    assert entry.mean_bps == pytest.approx(sum(by_hand) / len(by_hand))
    assert entry.ci95 is None  # one day
    series = {one.symbol: one for one in mortal.market(floors.SEED)}
    means = []
    for one in trades:
        if rows.get(one.trade) is None:
            continue
        candles = series[one.symbol]
        row = int((one.opened - mortal.NOON) // 300_000) + 1
        assert rows[one.trade] == pytest.approx(candles.values[5, row] / candles.values[4, row])
        means.append(one.side * (float(one.entry_price) / rows[one.trade] - 1) * 1e4)
    assert len(means) > 10
    assert fills["entry, to the next candle's mean"].mean_bps == pytest.approx(sum(means) / len(means))
    assert abs(fills["exit at its time, to the close"].mean_bps) < 5
    assert fills["exit at a level, to the evaluation's"].trades > 0


@both_kinds
async def test_a_killed_session_goes_on_where_it_was(tmp_path: Path, *, unified: bool) -> None:
    """``kill -9`` between the sending of an order and its answer: no experiment begins anew, none is lost."""
    async with venue(LIVE, unified=unified) as served:
        life = mortal.Life(
            url=served.url,
            journal=str(tmp_path / "journal.sqlite"),
            position_mode="one_way",
            margin_mode="isolated",
            seed=floors.SEED,
            rounds=5,
            experiment="0.5",
        )
        assert (await lived(replace(life, kind="sent", call=1))).returncode == -9
        ended = await lived(life)
        assert json.loads(ended.stdout.splitlines()[-1])["ended"].startswith("0: ")
        with Journal(tmp_path / "journal.sqlite") as journal:
            newest = journal.experiments.newest()
            trades = journal.ledger.closed_trades()
            assert journal.ledger.unresolved() == []
            held = {(one.symbol, one.side, one.size) for one in journal.ledger.open_trades()}
        assert newest is not None
        assert (newest.number, newest.ended) == (1, None)
        assert trades
        assert {one.experiment for one in trades} == {1}
        assert held == {
            (one.symbol, one.side, one.size) for one in open_positions(served.venue.matching.account)
        }


async def lived(life: mortal.Life) -> subprocess.CompletedProcess[str]:
    """A session in a process of its own."""
    command = [sys.executable, "-m", "soaks.mortal", json.dumps(asdict(life))]
    root = Path(mortal.__file__).parent.parent
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, cwd=root, check=False
    )


async def test_more_than_the_account_has_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """Nobody can lose that; somebody has mistyped."""
    async with venue(LIVE) as served:
        with pytest.raises(SettingsError, match="is more than the account has"):
            async with seated(tmp_path, LIVE, served, Trial("1000000")):
                pass
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert journal.experiments.newest() is None
