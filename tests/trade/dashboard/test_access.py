"""Nobody reads or presses anything who should not: another machine, another web page, a guess."""

import pytest

from desk.errors import SettingsError
from desk.trade.dashboard.access import (
    VARIABLE,
    DashboardAddress,
    dashboard_address,
    has_token,
    host_problem,
    origin_problem,
)

TOKEN = "a-token-of-twenty-and-more"  # noqa: S105 - not one
LOCAL = DashboardAddress(host="127.0.0.1", port=8080, token=TOKEN)
OPEN = DashboardAddress(host="0.0.0.0", port=8080, token=TOKEN)  # noqa: S104 - nothing listens


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("8080", "127.0.0.1", 8080),
        (":8080", "127.0.0.1", 8080),
        ("localhost:1", "localhost", 1),
        ("[::1]:65535", "::1", 65535),
    ],
)
def test_a_port_alone_is_on_this_machine(text: str, host: str, port: int) -> None:
    found = dashboard_address(text, {})

    assert (found.host, found.port, found.is_local) == (host, port, True)


@pytest.mark.parametrize("text", ["", "page", "65536", "-1", "1.5", "localhost:", "²", "9" * 5_000])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is no address"):
        dashboard_address(text, {})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "[::]", "desk.example"])  # noqa: S104
def test_another_address_demands_a_token(host: str) -> None:
    """The account would be shown to whoever is in the same network."""
    with pytest.raises(SettingsError, match=VARIABLE):
        dashboard_address(f"{host}:8080", {})

    assert not dashboard_address(f"{host}:8080", {VARIABLE: TOKEN}).is_local


def test_a_token_that_can_be_guessed_is_refused_and_none_is_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        dashboard_address("8080", {VARIABLE: "sh0rt"})

    assert "sh0rt" not in str(caught.value)
    assert TOKEN not in repr(dashboard_address("8080", {VARIABLE: TOKEN}))


@pytest.mark.parametrize(
    ("host", "local", "everywhere"),
    [
        ("127.0.0.1:8080", True, True),
        ("localhost:8080", True, True),
        ("[::1]:8080", True, True),
        ("LOCALHOST:8080", True, True),
        ("192.168.1.5:8080", False, True),
        ("desk-1:8080", False, True),
        ("evil.example:8080", False, False),
        ("localhost.evil.example:8080", False, False),
        ("127.0.0.1:81", False, False),
        ("127.0.0.1", False, False),
        ("", False, False),
    ],
)
def test_a_name_of_elsewhere_that_points_here_is_refused(host: str, *, local: bool, everywhere: bool) -> None:
    """A web page could read the account by letting its own name point to this machine."""
    headers = {"Host": host}

    assert (host_problem(headers, LOCAL, machine="desk-1") == "") is local
    assert (host_problem(headers, OPEN, machine="desk-1") == "") is everywhere


@pytest.mark.parametrize(
    ("origin", "site", "is_ours"),
    [
        ("http://127.0.0.1:8080", "same-origin", True),
        ("http://127.0.0.1:8080", None, True),
        ("http://127.0.0.1:8080", "cross-site", False),
        ("http://127.0.0.1:8081", None, False),
        ("http://evil.example", None, False),
        ("null", None, False),
        (None, None, False),
    ],
)
def test_a_button_is_pressed_on_this_page_only(
    origin: str | None, site: str | None, *, is_ours: bool
) -> None:
    headers = {"Host": "127.0.0.1:8080"}
    if origin is not None:
        headers["Origin"] = origin
    if site is not None:
        headers["Sec-Fetch-Site"] = site

    assert (origin_problem(headers) == "") is is_ours


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer é",
        "Bearer \udcff",
    ],
)
def test_only_the_token_itself_is_the_token(header: str) -> None:
    assert has_token({"Authorization": f"Bearer {TOKEN}"}, LOCAL)
    assert not has_token({"Authorization": header}, LOCAL)


def test_without_a_token_in_the_environment_nothing_is_one() -> None:
    """An empty token would match an empty header."""
    without = DashboardAddress(host="127.0.0.1", port=8080, token="")

    assert not has_token({"Authorization": "Bearer "}, without)
    assert not has_token({}, without)
