"""What the command lines say, and how names of symbols are read."""

import pytest

import config
from desk.arguments import named_symbols, nearest
from desk.errors import SettingsError
from desk.live_arguments import live_parser
from desk.training_arguments import narrowed, training_arguments, where_given


def test_names_are_read_as_the_exchange_spells_them() -> None:
    """A blank after a comma is no part of a name."""
    assert named_symbols(" btcusdt, ETHUSDT,,") == ("BTCUSDT", "ETHUSDT")
    assert named_symbols("") == ()


def test_where_the_candles_are_is_handed_to_the_next_command() -> None:
    """What was explored elsewhere is not trained here."""
    base = config.default_settings({})
    given = training_arguments(["--explore", "--cache-dir", "elsewhere", "--demo", "--top", "3"], base)

    assert where_given(given, base) == ("--demo", "--cache-dir", "elsewhere")
    assert where_given(training_arguments([], base), base) == ()


@pytest.mark.parametrize("text", [",", " ", " , ,"])
def test_a_list_that_names_nothing_is_not_all_symbols(text: str) -> None:
    """A slip of the comma would fetch and train 500 symbols."""
    with pytest.raises(SettingsError, match="names no symbol"):
        named_symbols(text)
    base = config.default_settings({})
    args = training_arguments(["--symbols", "btcusdt, ethUSDT"], base)
    assert narrowed(args, base).fetch.symbols == ("BTCUSDT", "ETHUSDT")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("BTC", "BTCUSDT"),
        ("BTCUSD", "BTCUSDT"),
        ("BITCUSDT", "BTCUSDT"),
        ("1000PEPUSDT", "1000PEPEUSDT"),
        ("SOLUSDT", None),
        ("NOPEUSDT", None),
    ],
)
def test_a_typo_is_told_from_another_symbol(typed: str, meant: str | None) -> None:
    """That all names end alike must not make them near."""
    assert nearest(typed, ["BTCUSDT", "SUIUSDT", "1000PEPEUSDT"]) == meant


def test_help_tells_defaults_only_where_they_say_something() -> None:
    """Words such as "(default: None)" are the program talking to itself."""
    told = " ".join(live_parser(config.BITGET_WS).format_help().split())

    assert "(default: None)" not in told
    assert "(default: )" not in told
    assert "(default: False)" not in told
    assert "demo wss://wspap.bitget.com" in told
    assert "not --mode demo" in told
    for name in ("NOTIFY_WEBHOOK", "TELEGRAM_TOKEN", "TELEGRAM_CHAT"):
        assert name in told


def test_a_default_that_is_zero_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """0 workers means one per core: that is a value, not the absence of one."""
    with pytest.raises(SystemExit):
        training_arguments(["--help"], config.default_settings({}))

    told = " ".join(capsys.readouterr().out.split())
    assert "one per core (default: 0)" in told
    assert "(default: None)" not in told
