"""What needs all symbols of a run: their verdicts, and the figures over all their trades.

One ``RunEvidence`` per trained symbol comes in; verdicts and JSON go out.  Pure.  Models are not kept for it:
hundreds would not fit in memory.

Not here: what can be said of one symbol alone (``desk.learn.conditions``), the rules
(``desk.learn.verdict``), and what is remembered of earlier runs (``desk.ledger``).
"""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from desk.clustered import Mean
from desk.errors import ModelIncomplete
from desk.learn.record import describe_controls, describe_trades
from desk.learn.settings import VerdictRules
from desk.learn.stay import Acceptance, Standing, standing
from desk.learn.trades import DayLine, pooled
from desk.learn.verdict import (
    Evaluation,
    Examination,
    PooledVerdict,
    Verdict,
    decide_verdicts,
    verdict_on_days,
)
from desk.outcomes import Json

_DAY_FIELDS = tuple(field.name for field in fields(DayLine))


@dataclass(frozen=True, slots=True, eq=False)
class RunEvidence:
    """What the whole run needs to know of a symbol to decide on it."""

    examination: Examination
    evaluation: Evaluation
    days: tuple[DayLine, ...]
    """Of evidence; every day has a line."""
    signals: bool
    """Whether a side fires today."""
    control: Mean | None
    """Win rate of the control, where the symbol is of the sample."""


def describe_evidence(evidence: RunEvidence) -> Json:
    """The evidence as JSON, from which ``read_evidence`` makes an equal one."""
    control = evidence.control
    return {
        "examination": asdict(evidence.examination),
        "evaluation": asdict(evidence.evaluation),
        "day_fields": list(_DAY_FIELDS),
        "days": [[getattr(line, name) for name in _DAY_FIELDS] for line in evidence.days],
        "signals": evidence.signals,
        "control": None
        if control is None
        else {**asdict(control), "se": control.se if math.isfinite(control.se) else None},
    }


def read_evidence(described: Json) -> RunEvidence:
    """The evidence that ``describe_evidence`` described.

    Raises
    ------
    ModelIncomplete
        If another version described it, or the file was edited.
    """
    try:
        examination, control, named = described["examination"], described["control"], described["day_fields"]
        return RunEvidence(
            examination=Examination(**{**examination, "reasons": tuple(examination["reasons"])}),
            evaluation=Evaluation(**described["evaluation"]),
            days=tuple(DayLine(**dict(zip(named, line, strict=True))) for line in described["days"]),
            signals=described["signals"],
            control=None
            if control is None
            else Mean(**{**control, "se": math.nan if control["se"] is None else control["se"]}),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ModelIncomplete(f"the evidence of a candidate cannot be read ({exc}): train again") from exc


def standings_of(
    evidence: Sequence[RunEvidence],
    acceptances: Mapping[str, tuple[Acceptance, Mapping[str, float]]],
    rules: VerdictRules,
) -> dict[str, Standing]:
    """What has become of earlier acceptances, by symbol.

    Parameters
    ----------
    evidence : sequence of RunEvidence
    acceptances : mapping of str to (Acceptance, mapping of str to float)
        By symbol, an acceptance with the settings of this run and the net of every day after it, see
        ``desk.ledger.EvaluationLedger.acceptance``.
    rules : VerdictRules
    """
    standings: dict[str, Standing] = {}
    for one in evidence:
        symbol = one.examination.symbol
        if symbol in acceptances and one.days:
            accepted, net_by_day = acceptances[symbol]
            standings[symbol] = standing(
                accepted,
                net_by_day,
                today=one.days[-1].date,
                error=rules.stay_error,
                stay_days=rules.stay_days,
            )
    return standings


def decide_run(
    evidence: Sequence[RunEvidence],
    earlier: Sequence[float | None],
    standings: Mapping[str, Standing],
    refused: Collection[str],
    rules: VerdictRules,
) -> tuple[Verdict, ...]:
    """Decide on all symbols together, in their order.

    Parameters
    ----------
    evidence : sequence of RunEvidence
    earlier : sequence of float or None
        p-values of the earlier evaluations of the family, see ``desk.ledger.EvaluationLedger.family``.
    standings : mapping of str to Standing
        See ``standings_of``.
    refused : collection of str
        Symbols that failed the test before, see ``desk.ledger.EvaluationLedger.refused``.
    rules : VerdictRules
    """
    return decide_verdicts([one.examination for one in evidence], earlier, rules, standings, refused)


def acceptance_of(one: RunEvidence, *, at: str) -> Acceptance:
    """What the ledger keeps of a symbol that has just passed the test; ``at`` is ISO 8601 UTC."""
    examination = one.examination
    return Acceptance(
        symbol=examination.symbol,
        settings=one.evaluation.settings,
        last_day=one.days[-1].date,
        at=at,
        net_bps=examination.net_bps or 0.0,
        p_value=1.0 if examination.p_value is None else examination.p_value,
        day_spread_bps=examination.day_spread_bps,
    )


def pooled_verdict(evidence: Sequence[RunEvidence], rules: VerdictRules) -> PooledVerdict:
    """One verdict over all symbols with a signal, by calendar days."""
    with_signal = [one for one in evidence if one.signals]
    sums: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for line in sorted((line for one in with_signal for line in one.days), key=lambda line: line.date):
        trades, net = sums[line.date]
        sums[line.date] = (trades + line.trades, net + line.net_bps)
    return verdict_on_days(sums, symbols=len(with_signal), rules=rules)


def describe_pooled(evidence: Sequence[RunEvidence]) -> Json | None:
    """Figures over all trades of evidence of all symbols; None without any symbol."""
    earned = pooled(one.days for one in evidence)
    return None if earned is None else describe_trades(earned)


def describe_control(evidence: Sequence[RunEvidence]) -> Json | None:
    """Models on labels of other days, over the symbols of the sample; None without any."""
    return describe_controls([one.control for one in evidence if one.control is not None])
