"""An hour of live trading under faults: a short run of ``make soak-live``."""

import pytest

from soaks.live import main


@pytest.mark.parametrize("lost", ["0", "0.03"])
def test_no_candle_is_missed_unnoticed_and_nobody_acts_on_a_wrong_one(
    lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole session over HTTP and websockets; lines break, answers fail; at the end the books agree."""
    assert main(["--symbols", "12", "--hours", "1", "--seed", "1", "--push-lost", lost]) == 0, (
        capsys.readouterr().out
    )
    told = capsys.readouterr().out
    assert "0 problems" in told
    assert "undetected" not in told
