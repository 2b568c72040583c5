"""The ledger: nothing that was looked at is forgotten, and it is read fast after a year."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from desk.errors import SettingsError, Unwritable
from desk.ledger import NAME, POOLED, EvaluationLedger
from desk.old_ledger import LONGEST_LINE
from desk.outcomes import Json

DAY_MS = 86_400_000
HOUSE = Path(__file__).resolve().parent.parent
AT = "2026-02-01T00:00:00+00:00"


def entry(p_value: float | None = 0.3, symbol: str = "XUSDT", **changes: object) -> Json:
    return {
        "kind": "train",
        "symbol": symbol,
        "settings": "abc",
        "first": 100 * DAY_MS,
        "last": 136 * DAY_MS,
        "tested": True,
        "p_value": p_value,
        "at": AT,
        **changes,
    }


@pytest.fixture
def ledger(tmp_path: Path) -> EvaluationLedger:
    return EvaluationLedger(tmp_path)


# The family ---------------------------------------------------------------------------------------


def test_what_was_recorded_is_there_to_the_last_bit(tmp_path: Path) -> None:
    entries = [entry(0.1 + 0.2), entry(None, "YUSDT", tested=False, kind="explore")]
    with EvaluationLedger(tmp_path) as ledger:
        ledger.record(entries)

    with EvaluationLedger(tmp_path) as again:
        assert list(again.evaluations()) == entries
        assert again.count() == 2


def test_one_symbol_with_one_setting_counts_once_with_its_newest_evaluation(ledger: EvaluationLedger) -> None:
    """Weekly copies of a true edge would make room for false ones among the others."""
    for week in range(13):
        ledger.record([entry((week + 1) / 1000, "EDGEUSDT"), entry(0.4, "EDGEUSDT", settings="other")])

    assert ledger.family([entry(symbol="NEWUSDT")]) == [0.013, 0.4]
    assert ledger.count() == 26


def test_a_symbol_that_can_no_longer_be_tested_leaves_the_family(ledger: EvaluationLedger) -> None:
    """Its newest evaluation is what counts."""
    ledger.record([entry(0.01), entry(None, tested=False)])

    assert ledger.family([entry(symbol="NEWUSDT")]) == []


def test_the_runs_own_symbols_are_counted_by_the_run(ledger: EvaluationLedger) -> None:
    """Whether they were recorded before the question or not."""
    run = [entry(0.2, "A"), entry(None, "B", tested=False)]
    ledger.record([entry(0.01, "A"), entry(0.02, "B"), entry(0.03, "C")])

    before = ledger.family(run)
    ledger.record(run)

    assert before == ledger.family(run) == [0.03]


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"settings": "def"}, True),
        ({"kind": "explore"}, True),
        ({"tested": False}, False),
        ({"last": 100 * DAY_MS, "first": 60 * DAY_MS}, True),  # one candle in common
        ({"last": 100 * DAY_MS - 1, "first": 60 * DAY_MS}, False),
        ({"first": 137 * DAY_MS, "last": 150 * DAY_MS}, False),
    ],
)
def test_which_earlier_evaluations_count(
    ledger: EvaluationLedger, changes: dict[str, object], counts: bool
) -> None:
    """Whatever looked at the same weeks and could have been chosen for what it saw there."""
    ledger.record([entry(0.7, "OLDUSDT", **changes)])

    assert ledger.family([entry(0.01)]) == ([0.7] if counts else [])


def test_a_run_without_a_test_has_no_family(ledger: EvaluationLedger) -> None:
    ledger.record([entry(0.7, "OLDUSDT")])

    assert ledger.family([entry(None, tested=False)]) == []
    assert ledger.family([]) == []


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"p_value": None}, True),
        ({"p_value": 0.05}, False),  # it passed, or would have alone
        ({"settings": "def"}, False),
        ({"symbol": "YUSDT"}, False),
        ({"tested": False}, False),
        ({"last": 99 * DAY_MS, "first": 60 * DAY_MS}, False),
    ],
)
def test_which_earlier_tests_were_tries_of_the_same(
    ledger: EvaluationLedger, changes: dict[str, object], counts: bool
) -> None:
    """Each week brings other candles and another chance; an earlier pass was none."""
    ledger.record([{**entry(0.0501), **changes}])

    assert ledger.refused([entry(0.01), entry(0.01, "ZUSDT")], above=0.05) == ({"XUSDT"} if counts else set())


def test_one_ledger_for_one_cache_of_candles(tmp_path: Path) -> None:
    """Another folder of models is no way around it."""
    EvaluationLedger(tmp_path / "candles").record([entry(0.7, "OLDUSDT")])

    assert EvaluationLedger(tmp_path / "candles").family([entry()]) == [0.7]
    assert EvaluationLedger(tmp_path / "others").family([entry()]) == []


# The file -----------------------------------------------------------------------------------------


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    with EvaluationLedger(tmp_path / "new") as ledger:
        ledger.record([entry()])
        files = list((tmp_path / "new").iterdir())

        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_two_trainings_append_side_by_side(tmp_path: Path) -> None:
    """Two processes at once, each making the file if it is the first: no entry is lost, none is refused."""
    program = (
        "import sys; from pathlib import Path; from desk.ledger import EvaluationLedger\n"
        "name, folder = sys.argv[1], Path(sys.argv[2])\n"
        "ledger = EvaluationLedger(folder)\n"
        "for number in range(60):\n"
        "    ledger.record([{'kind': 'train', 'symbol': f'{name}{number}', 'settings': 'a', 'first': 0, "
        "'last': 1, 'tested': True, 'p_value': 0.5, 'at': 'now'}])\n"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program, name, str(tmp_path)], cwd=Path(__file__).parent.parent
        )
        for name in ("A", "B")
    ]

    assert [process.wait(60) for process in both] == [0, 0]
    with EvaluationLedger(tmp_path) as ledger:
        assert ledger.count() == 120
        assert len(ledger.family([entry(symbol="C", first=0, last=1)])) == 120


def test_a_year_of_daily_runs_is_asked_in_a_few_steps(tmp_path: Path) -> None:
    """A thousand old evaluations of a symbol are one row of what a verdict reads."""
    with EvaluationLedger(tmp_path) as ledger:
        for day in range(200):
            ledger.record([entry(0.5, f"S{number}", last=(136 + day) * DAY_MS) for number in range(20)])
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        ledger._db.set_progress_handler(count, 100)
        family = ledger.family([entry(symbol="NEWUSDT", last=400 * DAY_MS)])

    assert len(family) == 20
    assert steps < 10


@pytest.mark.parametrize(
    "content", [b"not a database, whatever it is" * 100, b"SQLite format 3\x00" + b"\0" * 500]
)
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)

    with pytest.raises(SettingsError, match="is not the ledger of evaluations"):
        EvaluationLedger(tmp_path)


READS: dict[str, Callable[[EvaluationLedger], object]] = {
    "family": lambda ledger: ledger.family([entry(symbol="NEWUSDT")]),
    "refused": lambda ledger: ledger.refused([entry()], above=0.05),
    "count": EvaluationLedger.count,
    "evaluations": lambda ledger: list(ledger.evaluations()),
    "shown_through": lambda ledger: ledger.shown_through("XUSDT", "h6"),
    "acceptance": lambda ledger: ledger.acceptance("XUSDT", "h6"),
}


@pytest.mark.parametrize("read", READS)
def test_a_ledger_that_lost_its_tables_says_what_to_do(ledger: EvaluationLedger, read: str) -> None:
    """It is found out in the middle of a run, and a traceback of sqlite helps nobody."""
    for table in ("newest", "evaluations", "looks", "acceptances"):
        ledger._db.execute(f"DROP TABLE {table}")

    with pytest.raises(SettingsError, match="restore it from a copy, or remove it"):
        READS[read](ledger)


@pytest.mark.parametrize("p_value", ["zero", -1.0, 7.0, float("inf")])
def test_a_p_value_that_is_none_is_no_part_of_a_family(ledger: EvaluationLedger, p_value: object) -> None:
    """An edited number would end a run of hours at its last step, or lend its rank to all others."""
    ledger.record([entry()])
    ledger._db.execute("UPDATE newest SET p_value = ?", (p_value,))

    with pytest.raises(SettingsError, match=r"the p-value of .* must lie between 0 and 1"):
        ledger.family([entry(symbol="NEWUSDT")])


def test_a_newer_ledger_is_left_alone(tmp_path: Path) -> None:
    EvaluationLedger(tmp_path).close()
    with sqlite3.connect(tmp_path / NAME) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(SettingsError, match="version 99, this program knows 2"):
        EvaluationLedger(tmp_path)


def test_what_cannot_be_noted_is_not_shown(ledger: EvaluationLedger, tmp_path: Path) -> None:
    """The run ends: a look that is forgotten would be a look for free."""
    ledger._db.execute("PRAGMA query_only = ON")

    with pytest.raises(Unwritable, match="nothing is shown"):
        ledger.record([entry()])
    assert EvaluationLedger(tmp_path).count() == 0


def test_all_looks_of_one_call_are_there_or_none(ledger: EvaluationLedger) -> None:
    with pytest.raises(KeyError):
        ledger.record([entry(), {"kind": "train"}])

    assert ledger.count() == 0


# What an earlier version wrote --------------------------------------------------------------------


def old_lines(*p_values: float | None) -> bytes:
    return b"".join(
        json.dumps(
            {
                "kind": "train" if at % 2 == 0 else "explore",
                "symbol": f"OLD{at}USDT",
                "test_first": 100 * DAY_MS,
                "test_last": 136 * DAY_MS,
                "settings": "abc",
                "passed_gate": False,
                "p_value": p_value,
                "at": AT,
            }
        ).encode()
        + b"\n"
        for at, p_value in enumerate(p_values)
    )


def test_an_old_ledger_is_taken_over_once(ledger: EvaluationLedger, tmp_path: Path) -> None:
    """What --explore showed counts; what never passed the gate was never tested."""
    lines = tmp_path / "evaluations.jsonl"
    lines.write_bytes(old_lines(0.2, 0.3, None) + b'{"kind": "tr')

    assert (ledger.take_over(lines), ledger.take_over(lines)) == (3, 0)
    assert ledger.family([entry(symbol="NEWUSDT")]) == [0.3]

    lines.write_bytes(old_lines(0.2, 0.3, None, 0.4))  # an old program has run once more
    assert ledger.take_over(lines) == 1
    assert ledger.family([entry(symbol="NEWUSDT")]) == [0.3, 0.4]
    assert ledger.take_over(tmp_path / "missing.jsonl") == 0


def test_an_old_line_that_is_no_entry_is_refused_and_nothing_is_taken(
    ledger: EvaluationLedger, tmp_path: Path
) -> None:
    lines = tmp_path / "evaluations.jsonl"
    lines.write_bytes(old_lines(0.2, 0.3) + b'{"kind": "train"}\n')

    with pytest.raises(SettingsError, match=r"evaluations\.jsonl, line 3, is not an entry"):
        ledger.take_over(lines)
    assert ledger.count() == 0


@pytest.mark.parametrize("kind", ["pipe", "link", "endless line"])
def test_an_old_ledger_that_is_no_file_of_its_folder_is_refused_by_name(
    ledger: EvaluationLedger, tmp_path: Path, kind: str
) -> None:
    """A pipe would keep the run waiting for ever, and a line without an end fills the memory."""
    lines = tmp_path / "evaluations.jsonl"
    if kind == "pipe":
        os.mkfifo(lines)
    elif kind == "link":
        (tmp_path / "elsewhere").write_bytes(old_lines(0.2))
        lines.symlink_to(tmp_path / "elsewhere")
    else:
        with lines.open("wb") as file:
            file.truncate(10 * LONGEST_LINE)

    with pytest.raises(SettingsError, match=r"evaluations\.jsonl"):
        ledger.take_over(lines)
    assert ledger.count() == 0


# Shown settings -----------------------------------------------------------------------------------


def test_a_setting_that_was_shown_is_known_by_symbol_and_pooled(ledger: EvaluationLedger) -> None:
    ledger.note_looks([("XUSDT", "h6", 500), (POOLED, "h12", 700)], at=AT)
    ledger.note_looks([("XUSDT", "h6", 400), ("XUSDT", "h6", 900)], at=AT)

    assert ledger.shown_through("XUSDT", "h6") == 900
    assert ledger.shown_through("YUSDT", "h6") is None
    assert ledger.shown_through("YUSDT", "h12") == 700
    assert ledger.shown_through("XUSDT", "h2") is None


def test_a_setting_beside_one_that_was_shown_was_chosen_by_it(ledger: EvaluationLedger) -> None:
    """A threshold with one digit more is another fingerprint, and the same choice."""
    ledger.note_looks([("XUSDT", "h6", 500), ("XUSDT", "h12", 500)], at=AT, in_force="h2")

    assert ledger.shown_through("XUSDT", "h6 at 0.35 %") == 500
    assert ledger.shown_through("XUSDT", "h7") == 500
    assert ledger.shown_through("XUSDT", "h2") is None
    assert ledger.shown_through("YUSDT", "h7") is None


def test_a_ledger_of_the_first_version_keeps_its_looks(tmp_path: Path) -> None:
    """Which setting was in force then is not known: what was shown stays shown."""
    with EvaluationLedger(tmp_path) as ledger:
        ledger.note_looks([("XUSDT", "h6", 500)], at=AT)
        ledger.record([entry()])
    with sqlite3.connect(tmp_path / NAME) as connection:
        connection.execute("ALTER TABLE looks DROP COLUMN in_force")
        connection.execute("PRAGMA user_version = 1")
    connection.close()

    with EvaluationLedger(tmp_path) as again:
        again.note_looks([("XUSDT", "h6", 700)], at=AT, in_force="h2")
        assert again.count() == 1
        assert again.shown_through("XUSDT", "h6") == 700
        assert again.shown_through("XUSDT", "h7") == 700


# Acceptances --------------------------------------------------------------------------------------


def accepted(**changes: object) -> Json:
    return {
        "symbol": "XUSDT",
        "settings": "abc",
        "last_day": "2026-01-31",
        "at": AT,
        "net_bps": 5.5,
        "p_value": 0.01,
        "day_spread_bps": 140.0,
        **changes,
    }


def test_an_acceptance_keeps_its_figures_and_every_day_once(ledger: EvaluationLedger) -> None:
    """A later training computes the same days a little differently; the first word counts."""
    ledger.accept(accepted())
    ledger.add_days("XUSDT", "abc", {"2026-01-31": 9.0, "2026-02-01": 1.0, "2026-02-02": -2.0})
    ledger.add_days("XUSDT", "abc", {"2026-02-02": 50.0, "2026-02-03": 3.0})

    assert ledger.acceptance("XUSDT", "abc") == (
        accepted(),
        {"2026-02-01": 1.0, "2026-02-02": -2.0, "2026-02-03": 3.0},
    )
    assert ledger.acceptance("XUSDT", "def") is None
    assert ledger.acceptance("YUSDT", "abc") is None


def test_a_rejection_ends_it_and_the_next_acceptance_begins_anew(ledger: EvaluationLedger) -> None:
    ledger.accept(accepted())
    ledger.add_days("XUSDT", "abc", {"2026-02-01": -100.0})
    ledger.reject("XUSDT", "abc", at=AT, because="the days since then speak against an edge")
    ledger.reject("XUSDT", "abc", at=AT, because="once more")
    ledger.add_days("XUSDT", "abc", {"2026-02-02": 1.0})

    assert ledger.acceptance("XUSDT", "abc") is None

    ledger.accept(accepted(last_day="2026-03-01"))
    ledger.accept(accepted(last_day="2026-03-08"))
    found = ledger.acceptance("XUSDT", "abc")
    assert found is not None
    assert found == (accepted(last_day="2026-03-08"), {})
    ended = ledger._db.execute("SELECT ended_because FROM acceptances ORDER BY acceptance").fetchall()
    assert ended == [
        ("the days since then speak against an edge",),
        ("passed the test again",),
        (None,),
    ]
