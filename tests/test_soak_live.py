"""An hour of live trading under faults: a short run of ``make soak-live``."""

import pytest

from soaks.live import main


@pytest.mark.parametrize(("lost", "account"), [("0", "both"), ("0.03", "unified")])
def test_no_candle_is_missed_unnoticed_and_nobody_acts_on_a_wrong_one(
    lost: str, account: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole session over HTTP and websockets; lines break, answers fail; at the end the books agree."""
    short = ["--symbols", "6", "--hours", "1", "--seed", "1"]
    status = main([*short, "--push-lost", lost, "--account", account])

    told = capsys.readouterr().out
    assert status == 0, told
    assert "0 problems" in told
    assert "undetected" not in told
    kinds = {"both": ["classic account, 0.5 hours", "unified account, 0.5 hours"]}
    for session in kinds.get(account, ["unified account, 1 hours"]):
        assert session in told
