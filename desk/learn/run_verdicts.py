"""What needs all symbols of a run: their verdicts, and the figures over all their trades.

One ``RunEvidence`` per trained symbol comes in; verdicts and JSON go out.  Pure.  Models are not kept for it:
hundreds would not fit in memory.

Not here: what can be said of one symbol alone (``desk.learn.protocol``), and the rules
(``desk.learn.verdict``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from desk.learn.clustered import Mean
from desk.learn.record import describe_controls, describe_trades
from desk.learn.trades import DayLine, pooled
from desk.learn.verdict import Evaluation, Examination, Verdict, VerdictRules, decide_verdicts, earlier_tests
from desk.outcomes import Json


@dataclass(frozen=True, slots=True, eq=False)
class RunEvidence:
    """What the whole run needs to know of a symbol to judge it."""

    examination: Examination
    evaluation: Evaluation
    test_days: tuple[DayLine, ...]
    control: Mean | None
    """Win rate of the control, where the symbol is of the sample."""


def judge(
    evidence: Sequence[RunEvidence], ledger: Sequence[Json], rules: VerdictRules
) -> tuple[Verdict, ...]:
    """Decide on all symbols together, in their order.

    Parameters
    ----------
    ledger : sequence of dict
        Every look at a test block before the run.
    """
    earlier = tuple(Evaluation(**entry) for entry in ledger)
    counted = earlier_tests([one.evaluation for one in evidence], earlier)
    return decide_verdicts([one.examination for one in evidence], counted, rules)


def describe_pooled(evidence: Sequence[RunEvidence]) -> Json | None:
    """Figures over all test trades of all symbols; None without any symbol."""
    earned = pooled(one.test_days for one in evidence)
    return None if earned is None else describe_trades(earned)


def describe_control(evidence: Sequence[RunEvidence]) -> Json | None:
    """Models on labels of other days, over the symbols of the sample; None without any."""
    return describe_controls([one.control for one in evidence if one.control is not None])
