"""The simulation of the verdict: it runs, its claims hold, and a protocol that is too lax breaks them."""

import numpy as np
import pytest

from soaks import verdict
from soaks.simulated_walks import invent, trainings
from soaks.verdict import Claim, alone, follow


def test_every_question_has_its_table_and_every_claim_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """In the small: `make soak-verdict` repeats it with thousands of symbols."""
    assert verdict.main(["--quick"]) == 0

    printed = capsys.readouterr().out
    assert printed.count("\n**") == 7
    assert printed.count("PASS") == 19
    assert "FAIL" not in printed


def test_a_test_that_lets_everything_through_would_break_the_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: every p-value is called small."""
    monkeypatch.setattr(verdict, "_rates", lambda p, *_, **__: np.zeros(len(p)))

    claims = [line for line in alone(np.random.default_rng(1), 100) if isinstance(line, Claim)]

    assert not all(claim.holds for claim in claims)


def test_an_acceptance_lasts_only_where_it_is_asked_for() -> None:
    """The same symbols in the same weeks: without the stay rule verdicts come and go."""
    looks = list(trainings(invent(np.random.default_rng(2), np.full(100, 4.0), weeks=8)))

    lasting = follow(looks, rate=0.1, together=False)
    tested = follow(looks, rate=0.1, together=False, stays=False)

    assert (lasting[0] == tested[0]).all()
    assert lasting.sum() > tested.sum()


def test_evidence_begins_where_it_is_told_to() -> None:
    """Nothing before the week of the choice is tested; in the end everything is as without a choice."""
    symbols = invent(np.random.default_rng(3), np.full(50, 6.0), weeks=3)

    whole = list(trainings(symbols))
    late = list(trainings(symbols, since_week=15))
    early = list(trainings(symbols, since_week=2))

    assert not late[0].tested.any()
    assert late[2].net.shape == (50, 14)
    assert (early[2].net == whole[2].net).all()
