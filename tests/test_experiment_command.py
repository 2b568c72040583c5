"""``--experiment`` as a user types it, on an account that it takes for a real one."""

import signal
from pathlib import Path

from desk.registry import ModelRegistry
from tests.published import publish
from tests.test_live_command import BORDER, Desk, desk


def untested(at: Desk) -> None:
    """Publish a model without a verdict."""
    metadata = publish(at.folder / "models", "BTCUSDT", at_ms=BORDER - 3_000_000)
    metadata["verdict"] |= {"tradable": False, "reasons": ["no edge was shown"]}
    ModelRegistry(at.folder / "models").rewrite_metadata(metadata)


def test_the_start_says_what_may_be_lost_and_the_end_what_was(tmp_path: Path) -> None:
    """Who has read that and goes on has meant it; a restart says that it goes on."""
    with desk(tmp_path) as at:
        untested(at)
        for _ in range(2):
            with at.session("--experiment", "20") as process:
                at.until(process, "experiment 1: up to 20 USDT of real money may be lost")
                start = at.said[-1]
                at.until(process, "1 may open positions")
                process.send_signal(signal.SIGTERM)
                status, last = at.end(process)

            assert status == 0, "".join(at.said)
            assert "models that have no proven edge (1)" in start
            assert "Its symbols: BTCUSDT" in start
            assert "Experiment 1 since" in "".join(at.said)
            assert "Ended: asked to stop" in last
        at.told_nothing()


def test_more_than_the_account_has_is_status_2(tmp_path: Path) -> None:
    """Nobody can lose that: somebody has mistyped, and nothing is started."""
    with desk(tmp_path) as at:
        untested(at)
        with at.session("--experiment", "10000.01") as process:
            status, last = at.end(process)

        assert status == 2, "".join(at.said)
        assert "--experiment 10000.01 is more than the account has" in last
        assert "BTCUSDT" not in last
