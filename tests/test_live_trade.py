"""The command of live trading: what is asked for, what is refused, and that no secret is in any of it."""

import re
from pathlib import Path

import pytest

import live_trade
from config import BITGET_WS, JOURNAL, default_settings, link_settings, live_settings
from desk.errors import SettingsError
from desk.live_arguments import live_arguments
from desk.market.bitget.account.credentials import credentials_from
from desk.market.history.candle_store import CandleStore
from desk.market.series.synthetic import synthesize
from desk.registry import ModelRegistry
from desk.trade.journal import Journal
from desk.trade.settings import settings_text
from desk.values import CANDLE_MS
from tests.published import publish

KEY, SECRET, PASSPHRASE = "bg_0123key", "s3cr3t-of-the-user", "p4ssphrase-of-the-user"
MODELS = "models/live_trading"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No key, no consent and no journal of the machine that runs the tests."""
    for name in ("BITGET_LIVE", "BITGET_API_KEY", "BITGET_API_SECRET", "BITGET_API_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("NOTIFY_WEBHOOK", "TELEGRAM_TOKEN", "TELEGRAM_CHAT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder that claims to hold a model."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "BTCUSDT_latest.txt").write_text("tree\n")
    return folder


def complaint(argv: list[str], capsys: pytest.CaptureFixture[str], status: int) -> str:
    """What the command says on standard error when it ends with ``status``."""
    assert live_trade.main(argv) == status
    return capsys.readouterr().err


def test_help_tells_every_option_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that does not work is offered, nothing that works is hidden."""
    with pytest.raises(SystemExit) as ended:
        live_trade.main(["--help"])

    told = capsys.readouterr().out
    assert ended.value.code == 0
    for option in (
        "--mode",
        "--once",
        "--replay",
        "--demo",
        "--symbols",
        "--trade-untested",
        "--test-notify",
        "--journal",
    ):
        assert option in told
    assert "live_trading.sqlite" in told
    assert "BITGET_LIVE=yes" in told


@pytest.mark.parametrize("mode", [[], ["--mode", "demo"], ["--mode", "live"], ["--once"], ["--demo"]])
def test_an_empty_models_folder_is_status_2(
    tmp_path: Path, mode: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what to do."""
    told = complaint([*mode, "--models-dir", str(tmp_path)], capsys, 2)

    assert "holds no published model: train first" in told


def test_real_money_needs_more_than_an_argument(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line copied from a manual must not trade."""
    told = complaint(["--mode", "live", "--models-dir", str(models)], capsys, 2)

    assert "set BITGET_LIVE=yes in the environment to mean it" in told


@pytest.mark.parametrize("mode", ["demo", "live"])
def test_missing_keys_are_named_together(
    models: Path, mode: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, never by value."""
    monkeypatch.setenv("BITGET_LIVE", "yes")
    monkeypatch.setenv("BITGET_API_SECRET", SECRET)

    told = complaint(["--mode", mode, "--models-dir", str(models)], capsys, 2)

    assert "BITGET_API_KEY, BITGET_API_PASSPHRASE" in told
    assert SECRET not in told


@pytest.mark.parametrize(("mode", "where"), [("demo", "inside demo mode"), ("live", "API management")])
def test_who_has_no_key_is_told_where_one_is_made(
    models: Path, mode: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that is missing at once, and that paper wants none of it."""
    told = complaint(["--mode", mode, "--models-dir", str(models)], capsys, 2)

    assert where in told
    assert "--mode paper needs none" in told
    assert "BITGET_API_PASSPHRASE" in told
    assert ("BITGET_LIVE=yes" in told) == (mode == "live")


@pytest.mark.parametrize("argv", [[], ["--replay", "."], ["--demo"]])
def test_a_refused_start_says_one_thing_and_leaves_nothing(
    models: Path, bare: Path, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No banner of a session that is not begun, no lock and no empty journal."""
    (bare / "STOP").touch()
    before = sorted(bare.iterdir())

    named = ["--journal", str(bare / "new.sqlite"), "--models-dir", str(models)]
    assert live_trade.main([*argv, *named]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip().endswith("STOP is there: remove it to trade again")
    assert sorted(bare.iterdir()) == before


def test_a_replay_beside_other_sessions_is_status_2(
    models: Path, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its tables would count their trades as its own."""
    with Journal(bare / "kept.sqlite") as journal:
        journal.begin(1, mode="replay", settings="{}")

    told = complaint(
        ["--demo", "--journal", str(bare / "kept.sqlite"), "--models-dir", str(models)], capsys, 2
    )

    assert "kept.sqlite holds sessions already" in told


def test_one_decision_without_the_exchange_speaks_of_candles(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the exchange and of the cache, not of training; old candles are told loudly."""
    publish(bare / "m", "BTCUSDT", at_ms=1_767_225_600_000)
    where = ["--models-dir", str(bare / "m"), "--cache-dir", str(bare / "c")]
    alone = ["--once", *where, "--base-url", "http://127.0.0.1:1"]

    told = complaint(alone, capsys, 1)

    assert "http://127.0.0.1:1 is not reached" in told
    assert f"no candles of BTCUSDT are cached in {bare / 'c'}" in told
    assert "--offline" not in told
    assert "start again" not in told

    candles = synthesize("noise", 1, symbol="BTCUSDT", end=1_767_225_600_000, candles=800)
    CandleStore(bare / "c").save(candles, days=180)
    assert live_trade.main(alone) == 0

    said = capsys.readouterr()
    assert re.search(r"THE CANDLES ARE UP TO [\d,]+ DAYS OLD: the table is of the past", said.err)
    assert "Of the past: decisions" in said.out
    assert "too late" in said.out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--symbols", " btcusd"], "holds no model of BTCUSD (meant BTCUSDT?)"),
        (["--symbols", "ethereum"], "train it (python train_live_lightgbm.py --symbols ETHEREUM)"),
        (["--once", "--demo"], "--once and --demo exclude each other"),
        (["--mode", "live", "--trade-untested"], "--trade-untested is for paper trading"),
        (["--mode", "demo", "--replay", "x"], "--replay is for paper trading"),
        (["--symbols", "NOPEUSDT"], "holds no model of NOPEUSDT"),
    ],
)
def test_contradictions_are_status_2(
    models: Path, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started."""
    assert said in complaint([*argv, "--models-dir", str(models)], capsys, 2)


def test_a_replay_of_nothing_is_status_2(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder is named."""
    told = complaint(["--replay", "nowhere", "--models-dir", str(models)], capsys, 2)

    assert "nowhere is not a folder" in told


def test_half_a_notification_is_status_2(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who relies on a message must know before the first trade that none will come."""
    monkeypatch.setenv("TELEGRAM_TOKEN", SECRET)

    told = complaint(["--models-dir", str(models)], capsys, 2)

    assert "TELEGRAM_TOKEN and TELEGRAM_CHAT" in told
    assert SECRET not in told


def test_the_values_fit_together() -> None:
    """The defaults of ``config.py`` pass their own checks; the address follows the mode."""
    live = live_settings(default_settings().max_model_age_days)

    assert live.risk.max_model_age_days == default_settings().max_model_age_days
    assert live.session.look_s <= live.session.reconcile_s <= 60
    assert link_settings("demo", base_url="https://api.bitget.com", ws_url="").ws_url.endswith(
        "wspap.bitget.com"
    )
    with pytest.raises(SettingsError, match="exclude each other"):
        live_arguments(
            ["--demo", "--replay", MODELS], default_settings(), journal=Path(JOURNAL), websockets=BITGET_WS
        )


def test_a_key_is_in_no_text_of_a_session() -> None:
    """What is journaled of the settings, and the key's own ``repr``."""
    environ = {"BITGET_API_KEY": KEY, "BITGET_API_SECRET": SECRET, "BITGET_API_PASSPHRASE": PASSPHRASE}
    told = repr(credentials_from(environ)) + settings_text(live_settings(14))

    assert not any(secret in told for secret in environ.values())


def test_a_replay_in_which_nothing_may_trade_says_so_first(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who waits for its end must know before it that the tables will be empty, and what to add."""
    end = 1_767_225_600_000
    metadata = publish(bare / "m", "BTCUSDT", at_ms=end, walk=[(end - 20 * CANDLE_MS, end - CANDLE_MS, 0.6)])
    metadata["verdict"] |= {"tradable": False, "reasons": ["no edge"]}
    ModelRegistry(bare / "m").rewrite_metadata(metadata)
    candles = synthesize("noise", 1, symbol="BTCUSDT", end=end, candles=800)
    CandleStore(bare / "c").save(candles, days=180)

    assert live_trade.main(["--replay", str(bare / "c"), "--models-dir", str(bare / "m")]) == 0

    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("No model is tradable, so nothing will be traded: add --trade-untested")
    assert "Promised and delivered" not in "".join(rest)


def replayed(folder: Path, *more: str) -> int:
    """Replay the candles of the folder, whatever the verdict; the status."""
    where = ["--replay", str(folder / "c"), "--models-dir", str(folder / "m"), "--trade-untested"]
    return live_trade.main([*where, "--journal", str(folder / "replay.sqlite"), *more])


def test_a_replay_trades_the_blocks_of_the_walk_with_their_thresholds(bare: Path) -> None:
    """From the first candle of the first block to the last one of the last, and on no other."""
    end, day = 1_767_225_600_000 - 6 * 3_600_000, 86_400_000
    blocks = [(end - day, end - day // 2 - CANDLE_MS, 1.0), (end - day // 2, end - CANDLE_MS, 0.5)]
    publish(bare / "m", "BTCUSDT", at_ms=end, walk=blocks)
    later = synthesize("noise", 1, symbol="BTCUSDT", end=end + day, candles=1500)
    CandleStore(bare / "c").save(later, days=180)

    assert replayed(bare) == 0

    with Journal(bare / "replay.sqlite") as journal:
        decided = sorted(journal.diary.probabilities("BTCUSDT"))
        opened = [trade.opened for trade in journal.ledger.closed_trades()]
        refused = journal.diary.refusals()
    assert (decided[0], decided[-1]) == (end - day, end - CANDLE_MS)
    assert len(decided) == 288
    fired = sorted(opened + [at for _, at, _ in refused])
    assert len(opened) > 10
    assert fired[0] == end - day // 2  # the first block's threshold is never reached


def test_a_model_without_a_walk_is_not_replayed_and_says_why(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What earlier versions trained lacks it; others are replayed all the same."""
    end = 1_767_225_600_000
    publish(bare / "m", "BTCUSDT", at_ms=end)
    for name in ("BTCUSDT", "ETHUSDT"):
        candles = synthesize("noise", 1, symbol=name, end=end, candles=800)
        CandleStore(bare / "c").save(candles, days=180)

    assert replayed(bare) == 1
    told = capsys.readouterr().err
    assert "BTCUSDT: the models that a replay trades with are not kept in" in told
    assert "there is no model that can be replayed: train the symbols again" in told

    publish(bare / "m", "ETHUSDT", at_ms=end, walk=[(end - 20 * CANDLE_MS, end - CANDLE_MS, 0.6)])
    assert replayed(bare) == 0
    assert "BTCUSDT: the models that a replay" in capsys.readouterr().err


def test_candles_of_other_weeks_than_the_walks_are_told(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of newer candles holds nothing of what the models were kept for."""
    end = 1_767_225_600_000
    week = 7 * 86_400_000
    publish(bare / "m", "BTCUSDT", at_ms=end, walk=[(end - 2 * week, end - week - CANDLE_MS, 0.6)])
    CandleStore(bare / "c").save(synthesize("noise", 1, symbol="BTCUSDT", end=end, candles=800), days=180)

    assert replayed(bare) == 2

    told = capsys.readouterr().err
    assert "there are no stored candles of the weeks whose models were kept: BTCUSDT" in told


def test_offline_settings_hold_for_live_trading_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever wrote that nothing is to be asked is not asked about, neither once nor in a session."""
    publish(tmp_path / "models", "BTCUSDT", at_ms=1_767_225_600_000)
    (tmp_path / "own.py").write_text('fetch = {"offline": True}\n')
    monkeypatch.setenv("DESK_CONFIG", str(tmp_path / "own.py"))
    where = ["--models-dir", str(tmp_path / "models"), "--cache-dir", str(tmp_path / "cache")]

    once = live_trade.main(["--once", *where])
    alone = capsys.readouterr().err
    session = live_trade.main([*where, "--journal", str(tmp_path / "journal.sqlite")])

    assert once == 1
    assert "offline is True in the settings: the candles are the cached ones" in alone
    assert session == 2
    assert "a session needs the exchange" in capsys.readouterr().err
    assert not (tmp_path / "journal.sqlite").exists()
