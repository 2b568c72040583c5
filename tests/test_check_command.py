"""``live_trade.py --check`` as a user runs it: what it finds, what it asks for, and what it never does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

import live_trade
from desk.market.emulator import EmbeddedExchange, ExchangeOptions
from desk.market.matching import NewOrder
from desk.market.series.synthetic import synthesize
from desk.trade.journal import Journal
from soaks.serving import serving
from tests.published import publish
from tests.test_live_command import BORDER, KEYS, NAMES, SECRETS, SIGNATURE


@contextmanager
def exchange_with(**options: object) -> Iterator[EmbeddedExchange]:
    """An exchange whose time is real enough for signatures."""
    series = [synthesize("noise", 7, symbol=name, end=BORDER, candles=800) for name in ("BTCUSDT", "ETHUSDT")]
    usual = ExchangeOptions(rate_limit=20, minute_limit=0, keys=KEYS)
    with serving(series, replace(usual, **options)) as exchange:  # type: ignore[arg-type]
        yield exchange


@pytest.fixture
def _keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITGET_LIVE", "yes")
    for name, value in zip(NAMES, SECRETS, strict=True):
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "BITGET_LIVE"):
        monkeypatch.delenv(name, raising=False)


class Checked:
    """One call of the command."""

    def __init__(self, folder: Path, url: str, *more: str, mode: str = "live") -> None:
        where = ["--models-dir", str(folder / "models"), "--cache-dir", str(folder / "cache")]
        lines = ["--base-url", url, "--ws-url", url.replace("http", "ws", 1)]
        journal = ["--journal", str(folder / "journal.sqlite")]
        self.argv = ["--check", "--mode", mode, *where, *lines, *journal, *more]

    def __call__(self, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
        """Its status and all that it wrote, in one line."""
        status = live_trade.main(self.argv)
        said = capsys.readouterr()
        text = said.out + said.err
        assert not [secret for secret in SECRETS if secret in text]
        assert not SIGNATURE.search(text)
        return status, " ".join(text.split())


def hold_something(exchange: EmbeddedExchange) -> None:
    """Open a position with a stop, and leave an order waiting."""
    venue, now = exchange.venue, exchange.now_ms()
    venue.advance(now, ["BTCUSDT"])
    for kind, price in (("market", None), ("limit", Decimal(100))):
        ticket = NewOrder(
            client_id=f"own-{kind}",
            symbol="BTCUSDT",
            side=1,
            purpose="open",
            size=Decimal(1),
            kind="limit" if price else "market",
            price=price,
            stop_loss=None if price else Decimal(100),
        )
        venue.matching.place(ticket, now)


def young(folder: Path, symbol: str = "BTCUSDT") -> None:
    """Publish a tradable model of today."""
    from desk.clock import SystemClock  # noqa: PLC0415 - the only test data that has today's date

    publish(folder / "models", symbol, at_ms=SystemClock().now_ms() - 3_600_000)


@pytest.mark.usefixtures("_keyed")
def test_a_sound_account_has_nothing_against_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who sees all figures of the account before the first order loses no money to a wrong setting."""
    young(tmp_path)
    with exchange_with() as exchange:
        status, said = Checked(tmp_path, exchange.url)(capsys)

    assert status == 0, said
    for found in (
        "account classic",
        "equity 10000 USDT, available 10000",
        "fees maker 0.02 %, taker 0.06 %",
        "position mode one_way, the settings ask for one_way",
        "2 listed, 2 of them traded normally",
        "positions none",
        "calls left contracts 19, tickers 19",
        "1 open, 1 may trade, 1 of these are fresh enough",
        "Nothing was found that would keep it from trading",
    ):
        assert found in said


@pytest.mark.usefixtures("_keyed")
def test_a_check_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No order, no setting, no journal: it may be run beside a session that trades."""
    young(tmp_path)
    with exchange_with() as exchange:
        before = [*tmp_path.iterdir()]
        account = repr(exchange.venue.matching.account)
        Checked(tmp_path, exchange.url)(capsys)

        assert repr(exchange.venue.matching.account) == account
        assert [*tmp_path.iterdir()] == before


def test_without_a_key_the_public_part_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who only tries the suite on paper learns whether the exchange is reached, too."""
    young(tmp_path)
    with exchange_with() as exchange:
        status, said = Checked(tmp_path, exchange.url, mode="paper")(capsys)

    assert status == 0, said
    assert "Without a key only the public part" in said
    assert "equity" not in said


@pytest.mark.usefixtures("_keyed")
@pytest.mark.parametrize(
    ("mode", "options", "environment", "expected"),
    [
        ("live", {}, {"BITGET_API_PASSPHRASE": "wr0ng"}, "passphrase is wrong"),
        ("live", {}, {"BITGET_API_SECRET": "wr0ng"}, "BITGET_API_KEY, _SECRET and _PASSPHRASE"),
        ("live", {}, {"BITGET_API_KEY": ""}, "Not set in the environment: BITGET_API_KEY"),
        ("live", {}, {"BITGET_LIVE": ""}, "set BITGET_LIVE=yes"),
        ("demo", {}, {}, "--mode demo needs a key"),
    ],
)
def test_each_obstacle_is_named_with_what_to_do(
    tmp_path: Path,
    mode: str,
    options: dict[str, object],
    environment: dict[str, str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All of them at once and not one a day; status 1 stops a script that would start a session."""
    young(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with exchange_with(**options) as exchange:
        status, said = Checked(tmp_path, exchange.url, mode=mode)(capsys)

    assert status == 1
    assert expected in said
    assert "keep it from trading" in said
    assert not [value for value in environment.values() if value.startswith("wr0ng") and value in said]


@pytest.mark.usefixtures("_keyed")
def test_what_is_on_this_machine_is_an_obstacle_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Old models, a journal of another mode and an exchange that is not there, in one look."""
    publish(tmp_path / "models", "BTCUSDT", at_ms=BORDER - 100 * 86_400_000)
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.begin(1, mode="paper", settings="{}")

    status, said = Checked(tmp_path, "http://127.0.0.1:1")(capsys)

    assert status == 1
    assert "is the journal of mode paper" in said
    assert "Models older than 14 days open nothing: BTCUSDT" in said
    assert "No model is younger than that" in said
    assert "http://127.0.0.1:1 does not answer" in said


@pytest.mark.usefixtures("_keyed")
def test_positions_that_hold_another_position_mode_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A session would end as it starts, with a sentence about a setting that it cannot change."""
    young(tmp_path)
    with exchange_with() as exchange:
        exchange.venue.matching.set_position_mode("hedge")
        hold_something(exchange)
        status, said = Checked(tmp_path, exchange.url)(capsys)

    assert status == 1
    assert "The position mode is hedge" in said
    assert "positions 1: BTCUSDT long 1 at" in said
    assert "get isolated" in said


@pytest.mark.usefixtures("_keyed")
def test_a_record_of_the_embedded_exchange_differs_in_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is compared is what the emulator serves: a difference here would be invented."""
    young(tmp_path)
    file = tmp_path / "record.json"
    with exchange_with(now_ms=BORDER, speed=1.0) as exchange:
        hold_something(exchange)
        status, said = Checked(tmp_path, exchange.url, "--record", str(file))(capsys)

    assert status == 0, said
    assert "answers as the suite believes" in said
    text = file.read_text()
    record = json.loads(text)
    assert record["account"] == "classic"
    assert {"positions", "open orders", "waiting stops", "fills"} <= {
        one["name"] for one in record["answers"]
    }
    assert all(one["data"] or one["code"] != "00000" for one in record["answers"] if one["private"])
    assert set(record["channels"]) == {"/v2/ws/public", "/v2/ws/private"}
    assert "snapshot of candle5m" in record["channels"]["/v2/ws/public"]
    assert not [secret for secret in SECRETS if secret in text]
    assert "9999" not in json.dumps([one["data"] for one in record["answers"] if one["private"]])
    assert not SIGNATURE.search(text)


def test_a_record_without_a_key_holds_the_public_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anybody can bring back these facts, without an account; another exchange is told apart."""
    young(tmp_path)
    file = tmp_path / "record.json"
    with exchange_with(rate_limit=0) as exchange:  # without limits it does not tell what is left of them
        status, said = Checked(tmp_path, exchange.url, "--record", str(file), mode="paper")(capsys)

    record = json.loads(file.read_text())
    assert status == 0, said
    assert "contracts: it does not tell how many calls are left" in said
    assert not [one for one in record["answers"] if one["private"]]
    assert record["differences"]
    assert record["account"] is None


def test_a_record_alone_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A session keeps a journal and no record."""
    assert live_trade.main(["--record", str(tmp_path / "x")]) == 2
    assert "--record goes with --check" in capsys.readouterr().err


@pytest.mark.usefixtures("_keyed")
def test_a_unified_account_is_looked_at_likewise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever opens an account today has one, and need not know its name."""
    young(tmp_path)
    file = tmp_path / "record.json"
    keys = replace(KEYS, unified=True)
    with exchange_with(now_ms=BORDER, speed=1.0, keys=keys) as exchange:
        hold_something(exchange)
        status, said = Checked(tmp_path, exchange.url, "--record", str(file))(capsys)

    assert status == 0, said
    assert "account unified, level basic" in said
    assert "positions 1: BTCUSDT long 1 at" in said
    assert "orders 1: BTCUSDT buy limit 1 at 100" in said
    assert "stops 1: BTCUSDT" in said
    assert "maker 0.02 %, taker 0.06 %" in said
    assert "cannot be read" not in said
    assert "answers as the suite believes" in said
    record = json.loads(file.read_text())
    assert record["account"] == "unified"
    assert set(record["channels"]) == {"/v2/ws/public", "/v3/ws/private"}
    assert "40085" in {one["code"] for one in record["answers"]}
