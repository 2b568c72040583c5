"""What the command lines say, and how names of symbols are read."""

from dataclasses import replace

import pytest

import config
from desk.arguments import named_symbols, nearest
from desk.errors import SettingsError
from desk.live_arguments import live_parser
from desk.run_settings import Settings
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


def in_file(**fetch: object) -> Settings:
    """The settings of a file that sets these of fetching."""
    base = config.default_settings({})
    return replace(base, fetch=replace(base.fetch, **fetch))  # type: ignore[arg-type]


def trained(base: Settings, *typed: str) -> tuple[tuple[str, ...], int | None, bool]:
    """Symbols, number of the largest and offline, of a command line."""
    fetch = narrowed(training_arguments(typed, base), base).fetch
    return fetch.symbols, fetch.top, fetch.offline


NAMED = ("BTCUSDT", "ETHUSDT")


@pytest.mark.parametrize(
    ("in_config", "typed", "found"),
    [
        ({"symbols": NAMED}, "", (NAMED, None, False)),
        ({"symbols": NAMED}, "--symbols SOLUSDT", (("SOLUSDT",), None, False)),
        ({"symbols": NAMED}, "--symbols BTCUSDT,ETHUSDT", (NAMED, None, False)),
        ({"symbols": NAMED}, "--top 3", ((), 3, False)),
        ({"symbols": NAMED}, "--explore", (NAMED, None, False)),
        ({"symbols": NAMED}, "--demo", ((), None, False)),
        ({"top": 5}, "", ((), 5, False)),
        ({"top": 5}, "--top 3", ((), 3, False)),
        ({"top": 5}, "--symbols SOLUSDT", (("SOLUSDT",), None, False)),
        ({"top": 5}, "--explore", ((), 5, False)),
        ({"top": 5}, "--demo", ((), None, False)),
        ({"offline": True}, "", ((), None, True)),
        ({"offline": True}, "--demo", ((), None, False)),
        ({}, "--offline", ((), None, True)),
        ({}, "", ((), None, False)),
        ({}, "--explore", ((), config.default_settings({}).explore.symbols, False)),
    ],
)
def test_arguments_win_only_when_they_are_given(
    in_config: dict[str, object], typed: str, found: tuple[object, ...]
) -> None:
    """Whoever wrote two symbols into the settings file must not train 786."""
    assert trained(in_file(**in_config), *typed.split()) == found


def test_an_empty_list_of_symbols_does_not_mean_all_of_them() -> None:
    """A script whose variable is empty would otherwise train everything."""
    with pytest.raises(SettingsError, match="--symbols names no symbol"):
        trained(in_file(), "--symbols", "")


def test_what_is_typed_still_excludes_each_other() -> None:
    with pytest.raises(SettingsError, match="top and symbols exclude each other"):
        trained(in_file(), "--symbols", "BTCUSDT", "--top", "3")


def test_help_shows_what_the_file_selects(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        training_arguments(["--help"], in_file(symbols=NAMED))

    assert "(default: BTCUSDT,ETHUSDT)" in " ".join(capsys.readouterr().out.split())


# Mistakes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("--dayz 3", "--dayz is no option (meant --days?)."),
        ("--dayz=3 --quiett", "--dayz is no option (meant --days?); --quiett is no option (meant --quiet?)."),
        ("-days 3", "-days is no option (meant --days?)."),
        ("--fetch", "--fetch is no option (meant --fetch-only?)."),
        ("--frobnicate", "--frobnicate is no option."),
        ("BTCUSDT", "'BTCUSDT' belongs to no option: name one before it."),
        ("--days many", "--days is 'many', must be a whole number such as 3."),
        ("--rps fast", "--rps is 'fast', must be a number such as 0.5."),
        ("--days", "--days needs a value: --days N."),
        ("--demo=yes", "--demo takes no value, and 'yes' was given: leave it out."),
        ("--tradable --drop", "--drop and --tradable exclude each other: leave one out."),
    ],
)
def test_a_mistake_in_the_arguments_is_one_sentence(
    typed: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Thirty lines of options hide what is wrong; the sentence says it, and what was probably meant."""
    with pytest.raises(SystemExit) as ended:
        training_arguments(typed.split(), config.default_settings({}))

    assert ended.value.code == 2
    assert capsys.readouterr().err == f"{sentence} All options: python train_live_lightgbm.py --help\n"


def test_a_choice_that_is_none_is_named_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever mistypes the mode must not trade in another one."""
    with pytest.raises(SystemExit) as ended:
        live_parser(config.BITGET_WS).parse_args(["--mode", "lve"])

    assert ended.value.code == 2
    sentence = "--mode is 'lve', must be one of paper, demo, live (meant live?)."
    assert capsys.readouterr().err == f"{sentence} All options: python live_trade.py --help\n"
