"""``live_trade.py --dashboard`` as a user starts it: the page follows the session, and can end it."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

import live_trade
from tests.published import publish
from tests.test_live_command import BORDER, Desk, desk

TOKEN = "a-t0ken-of-the-u5er-0123456789"  # noqa: S105 - not one


def page_of(at: Desk, process: Popen[str]) -> str:
    """Address of the page, once the session has adopted what it found."""
    at.until(process, "Page: ")
    found = re.search(r"http://127\.0\.0\.1:\d+/", at.said[-1])
    assert found is not None, at.said
    at.until(process, "adopt")
    return found[0]


def read(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - of this test
        found: dict[str, Any] = json.loads(answer.read())
    return found


def press(url: str, name: str, words: str, *, token: str) -> int:
    """Press a button; the status."""
    request = urllib.request.Request(  # noqa: S310 - of this test
        url + name,
        data=json.dumps({"confirm": words}).encode(),
        headers={"Authorization": f"Bearer {token}", "Origin": url.rstrip("/")},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - of this test
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        with exc:
            return int(exc.code)


def test_the_page_shows_a_session_and_its_button_flattens_it(tmp_path: Path) -> None:
    """Somebody on a phone who sees that it goes wrong must be able to end it."""
    with desk(tmp_path) as at:
        at.hold()
        with at.session("--dashboard", "0", BITGET_DASHBOARD_TOKEN=TOKEN) as process:
            url = page_of(at, process)
            found = read(f"{url}snapshot")
            assert found["mode"] == "live"
            assert [one["symbol"] for one in found["positions"]] == ["BTCUSDT"]
            assert press(url, "flatten", "flatten and stop", token="guess") == 401  # noqa: S106
            assert at.held != []

            assert press(url, "flatten", "flatten and stop", token=TOKEN) == 200
            status, last = at.end(process)

        assert status == 3, "".join(at.said)
        assert "kill switch: asked by the page; 1 position closed" in last
        assert at.held == []
        assert TOKEN not in "".join(at.said)
        assert not any(TOKEN.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        at.told_nothing()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--once", "--dashboard", "8080"], "--dashboard shows a session that runs"),
        (["--demo", "--dashboard", "8080"], "--dashboard shows a session that runs"),
        (["--dashboard", "page"], "is no address"),
        (["--dashboard", "0.0.0.0:8080"], "BITGET_DASHBOARD_TOKEN"),
    ],
)
def test_a_page_that_cannot_be_is_refused_before_anything_begins(
    argv: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("BITGET_DASHBOARD_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)

    publish(tmp_path / "models", "BTCUSDT", at_ms=BORDER)
    where = ["--journal", str(tmp_path / "j.sqlite"), "--models-dir", str(tmp_path / "models")]

    status = live_trade.main([*argv, *where])

    assert status == 2
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "j.sqlite").exists()
