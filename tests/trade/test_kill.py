"""kill -9 at seeded moments of a session over HTTP: a short run of ``soaks.kill``."""

from pathlib import Path

import pytest

from desk.orders import MarginMode, PositionMode
from soaks.kill import chain
from soaks.kill_figures import Figures, table


@pytest.mark.parametrize(
    ("modes", "unified"),
    [(("one_way", "crossed"), False), (("hedge", "isolated"), False), (("one_way", "isolated"), True)],
)
async def test_a_killed_session_is_put_right_by_the_next(
    tmp_path: Path, modes: tuple[PositionMode, MarginMode], *, unified: bool
) -> None:
    """No order twice, no position without a stop, and the journal's equity is the exchange's."""
    faults = {"lost": 0.04, "500": 0.01}
    figures = await chain(modes, kills=2, seed=5, rounds=4, faults=faults, folder=tmp_path, unified=unified)

    assert figures.wrong == []
    assert figures.kills["sent"] > 0
    assert figures.looks > 4
    assert figures.trades > 2


def test_what_goes_wrong_is_counted_and_told() -> None:
    """A soak that cannot fail proves nothing."""
    figures = Figures("hedge crossed")
    figures.must(hold=True, claim="all is well")
    figures.must(hold=False, claim="opened twice: ['lgb-o-1']")

    assert figures.wrong == ["hedge crossed: opened twice: ['lgb-o-1']"]
    assert list(table([figures]))[-1].split() == ["violations", "1"]
