"""Whatever shows, keeps or posts a text: nothing from outside commands it or passes for a line of its own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.table import Table

from desk.errors import Refused
from desk.reports.bars import fetch_columns
from desk.reports.console import Console
from desk.reports.live import decision_table
from desk.trade.event_log import EventLog
from desk.trade.journal import Journal
from desk.trade.notify import MessageChannel, Notifier
from desk.trade.settings import NotifySettings
from tests.market.lines import HandClock

FORGED = "no\x1b[2J\x1b]52;c;aGk=\x07\nEnded: asked to stop; nothing was open.\u202e\x9b31m\u2028[link=x]y[/]"


class Sink:
    """Remembers what people are notified of."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def notify(self, text: str, *, urgent: bool) -> None:
        self.texts.append(f"{text} urgent" if urgent else text)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def test_an_event_is_one_line_in_the_log_the_journal_and_a_message(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """A refusal's message could forge the last line of a session in all three."""
    caplog.set_level("INFO")
    sink = Sink()
    events = EventLog(journal.diary, HandClock(), sink)
    events.record("order", f"refused: {FORGED}", FORGED, urgent=True)
    events.record_on_change("order", f"{FORGED} again")
    events.record_each_on_change("feed", {FORGED: f"silent, {FORGED}"})
    events.log(FORGED)
    kept = [text for note in journal.diary.notes() for text in note[1:]]

    shown = [*sink.texts, *kept, *(record.message for record in caplog.records)]
    assert len(sink.texts) == 3
    assert all(text.isprintable() for text in shown)


async def test_a_notification_is_one_line_whoever_sends_it() -> None:
    """The phone shows lines without saying who wrote them."""
    channel = MessageChannel("webhook", "http://127.0.0.1:9", "text", {})
    notifier = Notifier([channel], NotifySettings(digest_hours=1, queue=9, timeout_s=1.0), HandClock())
    notifier.notify(FORGED, urgent=True)
    await asyncio.sleep(0)

    assert notifier._boxes[0]._waiting.get_nowait().isprintable()


def test_a_terminal_is_not_commanded(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor by what stands in a table, its title, its caption or its heading, nor by markup."""
    console = Console(quiet=False, as_json=False)
    table = Table(title=FORGED, caption=FORGED)
    table.add_column(FORGED)
    table.add_row(FORGED)
    console.table(table)
    console.table(decision_table([[FORGED] * 9], width=200, title=FORGED))
    console.print(FORGED)
    console.error(str(Refused(FORGED, endpoint="/x", code="1")))
    with console.progress(fetch_columns(), total=1, name="Candles", unit="requests", note="[/]") as bar:
        bar.show(1, note="[/nonsense]\x1b[2J")
    shown = "".join(capsys.readouterr())

    assert all(line.isprintable() for line in shown.split("\n"))
    assert "[link=x]y[/]" in shown


def test_a_note_with_a_lone_surrogate_is_kept(journal: Journal) -> None:
    """SQLite takes no such text, and the note was lost with an error of another kind."""
    EventLog(journal.diary, HandClock(), Sink()).record("order", "refused: \ud800")

    assert [note[3] for note in journal.diary.notes()] == [r"refused: \ud800"]
