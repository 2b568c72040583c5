"""Who relies on messages sees that they arrive: on demand, and when a session begins."""

import json
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import live_trade
from tests.test_live_command import desk

TOKEN = "secret-of-a-hook"  # noqa: S105 - not one


class Receiver(HTTPServer):
    """A webhook on this machine."""

    texts: list[str]
    status: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}/{TOKEN}"


class Taking(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    def do_POST(self) -> None:
        """Keep the message, or refuse it."""
        server = self.server
        assert isinstance(server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if server.status == 200:
            server.texts.append(json.loads(body)["text"])
        self.send_response(server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    for name in ("NOTIFY_WEBHOOK", "TELEGRAM_TOKEN", "TELEGRAM_CHAT"):
        monkeypatch.delenv(name, raising=False)
    with Receiver(("127.0.0.1", 0), Taking) as server:
        server.texts, server.status = [], 200
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "ends"), [(200, 0), (404, 1)])
def test_a_test_says_what_came_of_it(
    receiver: Receiver,
    status: int,
    ends: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before money depends on it, without a model or a key, and without the address in any text."""
    receiver.status = status
    monkeypatch.setenv("NOTIFY_WEBHOOK", receiver.url)

    assert live_trade.main(["--test-notify"]) == ends

    out, err = capsys.readouterr()
    assert len(receiver.texts) == (status == 200)
    assert ("✅ webhook: delivered" in out) == (status == 200)
    assert ("❌ webhook: not delivered: HTTP 404" in err) == (status == 404)
    assert TOKEN not in out + err


def test_nobody_to_notify_is_no_success(receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    """The variables of a shell are not those of a service: who tests must not see "all is well"."""
    assert live_trade.main(["--test-notify"]) == 1

    assert "set NOTIFY_WEBHOOK, or TELEGRAM_TOKEN with TELEGRAM_CHAT" in capsys.readouterr().err
    assert receiver.texts == []


def test_a_test_excludes_a_session(capsys: pytest.CaptureFixture[str]) -> None:
    """Two words that ask for two things."""
    assert live_trade.main(["--test-notify", "--once"]) == 2

    assert "--once and --test-notify exclude each other" in capsys.readouterr().err


def test_a_session_says_that_it_begins(receiver: Receiver, tmp_path: Path) -> None:
    """Silence then means that nothing happens, and not that nobody hears of it."""
    with desk(tmp_path) as it, it.session(NOTIFY_WEBHOOK=receiver.url) as process:
        it.until(process, "Next candle closes at")
        process.send_signal(signal.SIGTERM)
        status, _ = it.end(process)

    assert status == 0
    assert receiver.texts[0].endswith("UTC session: begins in mode live, models: 1")
    assert any("equity" in text for text in receiver.texts)
