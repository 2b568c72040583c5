"""``live_trade.py`` as a user starts it, on an account that it takes for a real one: ends, and secrets."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import pytest

import live_trade
from desk.market.emulator import EmbeddedExchange, ExchangeOptions, Keys
from desk.market.matching import NewOrder
from desk.market.matching.report import open_positions
from desk.market.series.synthetic import synthesize
from desk.orders import Position
from desk.trade.journal import Journal
from desk.trade.records import ClosedTrade
from desk.values import CANDLE_MS
from soaks.serving import serving
from tests.published import publish

ROOT = Path(live_trade.__file__).parent
BORDER = 1_767_225_600_000 + 288 * CANDLE_MS // 2
"""A candle ends here, hours away from a funding settlement."""
SECRETS = ("bg_0a1b2c3d4e5f", "5ecre7-0f-the-u5er", "pa55phra5e-0f-the-u5er")
NAMES = ("BITGET_API_KEY", "BITGET_API_SECRET", "BITGET_API_PASSPHRASE")
KEYS = Keys(key=SECRETS[0], secret=SECRETS[1], passphrase=SECRETS[2])
SIGNATURE = re.compile(r"[A-Za-z0-9+/]{43}=")
"""Base64 of 32 bytes."""
TEST_TIMEOUT_S = 120.0
"""A session that hangs fails the test instead of holding it up for ever."""


@dataclass
class Desk:
    """One account, one journal, and the sessions that are started on them."""

    folder: Path
    exchange: EmbeddedExchange
    said: list[str] = field(default_factory=list)
    """All that was ever written to a terminal."""

    def command(self, *more: str, mode: str = "live") -> list[str]:
        url = self.exchange.url
        where = ["--models-dir", str(self.folder / "models"), "--cache-dir", str(self.folder / "cache")]
        lines = ["--base-url", url, "--ws-url", url.replace("http", "ws", 1)]
        return [
            *("live_trade.py", "--mode", mode, *where, *lines),
            *("--journal", str(self.folder / "journal.sqlite"), *more),
        ]

    @contextmanager
    def session(self, *more: str, program: str = "", **environment: str) -> Iterator[subprocess.Popen[str]]:
        """A session in a process of its own; ``program`` stands in for the script."""
        start = ["-c", program] if program else []
        secrets = dict(zip(NAMES, SECRETS, strict=True))
        with subprocess.Popen(
            [sys.executable, *start, *(self.command(*more)[bool(program) :])],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "BITGET_LIVE": "yes", **secrets, **environment},
        ) as process:
            watchdog = threading.Timer(TEST_TIMEOUT_S, process.kill)
            watchdog.start()
            try:
                yield process
            finally:
                watchdog.cancel()
                process.kill()

    def until(self, process: subprocess.Popen[str], text: str) -> None:
        """Listen to a session until it says ``text``."""
        assert process.stdout is not None
        for line in process.stdout:
            self.said.append(line)
            if text in line:
                return
        raise AssertionError(f"{text!r} was never said:\n{''.join(self.said)}")

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Wait for the end of a session; its status and its last words."""
        assert process.stdout is not None
        self.said += process.stdout.readlines()
        return process.wait(), self.said[-1]

    def hold(self) -> None:
        """Open a position by hand, before a session begins: it will be adopted."""
        venue, now = self.exchange.venue, self.exchange.now_ms()
        venue.advance(now, ["BTCUSDT"])
        size = Decimal(300) // venue.matching.account.marks["BTCUSDT"] or Decimal(1)
        ticket = NewOrder(client_id="", symbol="BTCUSDT", side=1, purpose="open", size=size, kind="market")
        venue.matching.place(ticket, now)

    @property
    def held(self) -> list[Position]:
        """What the exchange holds."""
        return open_positions(self.exchange.venue.matching.account)

    def trades(self) -> list[ClosedTrade]:
        """What the journal says is over; there must be nothing that it holds open."""
        with Journal(self.folder / "journal.sqlite") as journal:
            assert journal.ledger.open_trades() == []
            return journal.ledger.closed_trades()

    def told_nothing(self) -> None:
        """No secret and no signature in any output or file."""
        texts = {"the terminal": "".join(self.said)}
        for path in self.folder.rglob("*"):
            if path.is_file() and "models" not in path.parts:
                texts[path.name] = path.read_bytes().decode("latin-1")
        assert any(name.startswith("journal.sqlite") for name in texts)
        for where, text in texts.items():
            assert not [secret for secret in SECRETS if secret in text], where
            assert not SIGNATURE.search(text), where


@contextmanager
def desk(folder: Path, *, before_border_s: int = 150, keys: Keys = KEYS) -> Iterator[Desk]:
    """An account on an exchange whose time is real, so many seconds before a candle ends."""
    now = BORDER - before_border_s * 1000
    series = synthesize("noise", 7, symbol="BTCUSDT", end=BORDER + 10 * CANDLE_MS, candles=800)
    publish(folder / "models", "BTCUSDT", at_ms=now - 3_600_000)
    options = ExchangeOptions(now_ms=now, speed=1.0, rate_limit=0, minute_limit=0, keys=keys)
    with serving([series], options) as exchange:
        yield Desk(folder, exchange)


def test_sigterm_closes_what_a_model_opened(tmp_path: Path) -> None:
    """The whole way, once, with nothing staged: candle, decision, order with its stop, end in good order."""
    with desk(tmp_path, before_border_s=15) as at, at.session() as process:
        at.until(process, "entry: ")
        [held] = at.held
        assert (tmp_path / "journal.sqlite-wal").stat().st_size > 0
        at.told_nothing()
        process.send_signal(signal.SIGTERM)
        status, last = at.end(process)

        assert held.stop_loss is not None
        assert held.margin_mode == "isolated"
        assert status == 0, "".join(at.said)
        assert "1 position closed" in last
        assert at.held == []
        assert [one.ended for one in at.trades()] == ["flatten"]
        at.told_nothing()


@pytest.mark.parametrize("unified", [False, True], ids=["classic", "unified"])
def test_the_demo_is_traded_under_either_kind_of_account(tmp_path: Path, *, unified: bool) -> None:
    """Every request must ask for the demo, or it is refused; no consent to real money is wanted."""
    keys = replace(KEYS, demo=True, unified=unified)
    with desk(tmp_path, keys=keys) as at:
        at.hold()
        with at.session("--mode", "demo", BITGET_LIVE="") as process:
            at.until(process, "protect")
            [held] = at.held
            process.send_signal(signal.SIGTERM)
            status, last = at.end(process)
        served = at.exchange.stats

        assert status == 0, "".join(at.said)
        assert held.stop_loss is not None
        assert "1 position closed" in last
        assert at.held == []
        assert [one.ended for one in at.trades()] == ["flatten"]
        assert not [one for one in served.trading if one.endswith("40099")]
        at.told_nothing()


def test_sigusr1_closes_everything_with_status_3(tmp_path: Path) -> None:
    """A machine that restarts services must not start it again."""
    with desk(tmp_path) as at:
        at.hold()
        with at.session() as process:
            at.until(process, "adopt")
            process.send_signal(signal.SIGUSR1)
            status, last = at.end(process)

        assert status == 3, "".join(at.said)
        assert "kill switch" in last
        assert at.held == []
        assert len(at.trades()) == 1
        at.told_nothing()


def test_a_stop_file_closes_everything_and_keeps_the_next_session_out(tmp_path: Path) -> None:
    """Whoever pulled the plug decides when it goes in again."""
    with desk(tmp_path) as at:
        at.hold()
        with at.session() as process:
            at.until(process, "protect")
            assert at.held[0].stop_loss is not None
            (tmp_path / "STOP").touch()
            status, _ = at.end(process)
        assert status == 3, "".join(at.said)
        assert at.held == []

        with at.session() as process:
            status, last = at.end(process)
        assert status == 2
        assert "remove it to trade again" in last
        at.told_nothing()


@pytest.mark.parametrize(
    ("mode", "keys", "wrong", "said"),
    [
        ("live", KEYS, {"BITGET_API_PASSPHRASE": "wr0ng-pa55phra5e"}, "passphrase is wrong"),
        ("demo", replace(KEYS, unified=True), {}, "--mode demo needs a key"),
    ],
)
def test_an_account_that_cannot_trade_is_told_with_what_to_do(
    tmp_path: Path, mode: str, keys: Keys, wrong: dict[str, str], said: str
) -> None:
    """Status 1, one sentence, no secret, right or wrong; every mistake is in ``test_key_mistakes``."""
    with desk(tmp_path, keys=keys) as at:
        with at.session("--mode", mode, **wrong) as process:
            status, last = at.end(process)

        assert status == 1, "".join(at.said)
        assert said in last
        assert "Traceback" not in "".join(at.said)
        assert not [value for value in wrong.values() if value in "".join(at.said)]
        at.told_nothing()


DEFECT = """
import sys
import live_trade
from desk.market.bitget.account.classic import wire as private_wire

def broken(content, *, endpoint, status):
    raise ZeroDivisionError(f"planted while {len(content)} bytes of {endpoint} were read")

private_wire.read_positions = broken
raise SystemExit(live_trade.main(sys.argv[1:]))
"""
"""A defect of ours in the midst of a signed request."""


def test_a_traceback_tells_no_secret(tmp_path: Path) -> None:
    """What is logged at its worst is what a user posts when asking for help."""
    with desk(tmp_path) as at:
        with at.session(program=DEFECT) as process:
            status, _ = at.end(process)

        told = "".join(at.said)
        assert status != 0
        assert "Traceback" in told
        assert "planted while" in told
        at.told_nothing()
