"""``--report``, and the report that every run leaves."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

import train_live_lightgbm
from desk.registry import ModelRegistry
from tests.published import publish

AT_MS = 1_764_547_200_000


def report(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    """The command's status, its lines, and its complaints."""
    status = train_live_lightgbm.main(["--report", "--models-dir", str(folder)])
    printed = capsys.readouterr()
    return status, printed.out.splitlines(), printed.err


def payload(folder: Path) -> dict[str, list[list[str]]]:
    text = (folder / "report.html").read_text().partition('id="payload">')[2].partition("</script>")[0]
    read: dict[str, list[list[str]]] = json.loads(text)
    return read


def test_the_report_is_written_again_from_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Models outlive the summary of their run; the path is the last line."""
    for symbol in ("AUSDT", "BUSDT"):
        publish(tmp_path, symbol, at_ms=AT_MS)

    status, lines, _ = report(tmp_path, capsys)

    assert status == 0
    assert lines[-1] == f"Report: {tmp_path / 'report.html'}"
    assert sorted(row[0] for row in payload(tmp_path)["rows"]) == ["AUSDT", "BUSDT"]
    assert "There is no summary of a run" in (tmp_path / "report.html").read_text()


def test_where_nothing_is_there_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script sees it by the status."""
    status, lines, _ = report(tmp_path, capsys)

    assert status == 1
    assert "holds no model and no summary" in lines[-1]
    assert not (tmp_path / "report.html").exists()


def test_a_model_that_cannot_be_read_is_shown_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One torn file must not hide the other models."""
    publish(tmp_path, "AUSDT", at_ms=AT_MS)
    torn = publish(tmp_path, "BUSDT", at_ms=AT_MS)
    stamp = str(torn["model_file"])[-19:-4]
    (tmp_path / "metadata" / f"BUSDT_metadata_{stamp}.json").write_text("{")

    status, _, _ = report(tmp_path, capsys)

    outcomes = {row[0]: row[1] for row in payload(tmp_path)["rows"]}
    assert status == 0
    assert outcomes == {"AUSDT": "tradable", "BUSDT": "unreadable"}


def test_retired_symbols_and_candidates_are_reported_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(tmp_path, "AUSDT", at_ms=AT_MS)
    ModelRegistry(tmp_path).retire("AUSDT", at=datetime.fromtimestamp(AT_MS / 1000, tz=UTC))

    assert report(tmp_path, capsys)[0] == 0
    assert [row[0] for row in payload(tmp_path)["rows"]] == ["AUSDT"]


def test_a_place_that_refuses_the_report_fails_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The models are published by then, and a run that ended well ends with 0."""
    publish(tmp_path, "AUSDT", at_ms=AT_MS)
    (tmp_path / "report.html").mkdir()

    status, _, complaints = report(tmp_path, capsys)

    assert status == 0
    assert "The report cannot be written (Is a directory)" in complaints
