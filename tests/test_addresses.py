"""Addresses, and which proxy leads there."""

import base64
from pathlib import Path

import pytest

import train_live_lightgbm
from desk.addresses import address_problem, on_loopback, proxy_from, proxy_problem, through_proxy

BITGET = "https://api.bitget.com"
PROXY = "http://me:s3cret%21@10.0.0.1:3128"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ws://localhost", "https://[::1]:5/"])
def test_this_machine_is_loopback(url: str) -> None:
    assert on_loopback(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1.evil.com", "http://localhost.evil.com", "http://evil.com#127.0.0.1", "http://["]
)
def test_what_only_looks_like_this_machine_is_not(url: str) -> None:
    """Keys would be sent there unencrypted."""
    assert not on_loopback(url)


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": "10.0.0.1:3128"}, "http://10.0.0.1:3128"),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost, .bitget.com"}, ""),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, ""),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "get.com"}, PROXY),
        ({"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, ""),
    ],
)
def test_the_proxy_is_the_one_that_is_named(environ: dict[str, str], proxy: str) -> None:
    """Whoever names one for other programs with other variables has not named one for this."""
    assert proxy_from(environ, BITGET) == proxy
    assert proxy_problem("proxy", proxy) is None


def test_a_proxys_password_travels_in_a_header() -> None:
    """Errors of the library quote the address of the proxy."""
    more = through_proxy(PROXY, BITGET)

    assert more["proxy"] == "http://10.0.0.1:3128"
    scheme, _, pair = more["proxy_headers"]["Proxy-Authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"me:s3cret!")
    assert through_proxy("http://[::1]:9", BITGET) == {"proxy": "http://[::1]:9"}


@pytest.mark.parametrize("url", ["http://127.0.0.1:8", "ws://localhost:9/v2/ws/public"])
def test_no_proxy_is_asked_about_this_machine(url: str) -> None:
    """The embedded exchange would not be found from there."""
    assert through_proxy(PROXY, url) == {}
    assert through_proxy("", BITGET) == {}


@pytest.mark.parametrize("address", ["https://a:b@host/x", "https://host\n/x", "https://", "ftp://host", "x"])
def test_a_whole_address_is_checked_too(address: str) -> None:
    """That of a webhook has a path, which often is a secret."""
    assert address_problem("it", address, ("https", "http"), whole=False, plain=True)
    assert address_problem("it", "https://host/T0/@me?x=y", ("https",), whole=False) is None


def test_training_ends_before_it_asks_anything_through_a_proxy_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, and the password in no line."""
    monkeypatch.setenv("https_proxy", "socks5://desk:s3cret-7719@127.0.0.1:9")

    ended = train_live_lightgbm.main(["--fetch-only", "--cache-dir", str(tmp_path)])

    printed = capsys.readouterr()
    assert ended == 2
    assert "proxy (not shown: it may hold a password) must be an address" in printed.err
    assert "s3cret" not in printed.out + printed.err
