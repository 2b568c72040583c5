"""Proxies of the environment: usable, or named without a part of their address."""

from pathlib import Path

import pytest

import train_live_lightgbm
from desk.errors import SettingsError
from desk.proxies import require_usable_proxies

SECRET = "s3cret-7719"  # noqa: S105 - of nobody


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("http", "https", "ws", "wss", "all", "no"):
        for name in (f"{kind}_proxy", f"{kind}_proxy".upper()):
            monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "wss_proxy"])
@pytest.mark.parametrize(
    "address",
    [
        f"desk:{SECRET}@127.0.0.1:9",
        f"127.0.0.1:9/{SECRET}",
        f"https://desk:{SECRET}@127.0.0.1:9",
        f"socks5://desk:{SECRET}@127.0.0.1:9",
        f"http://desk:{SECRET}/x@127.0.0.1:9",
        f"http://desk:12/{SECRET}@127.0.0.1:9",
        f"http://desk:{SECRET}#@127.0.0.1:9",
        f"http://desk:{SECRET}@[::1:9",
        f"http://:{SECRET}@:9",
        f"http://desk:{SECRET}@127.0.0.1:99999",
    ],
)
def test_a_proxy_that_is_none_is_named_without_its_address(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    """Libraries quote what they cannot read, and passwords end in logs."""
    monkeypatch.setenv(name, address)

    with pytest.raises(SettingsError) as caught:
        require_usable_proxies()

    assert str(caught.value).startswith(f"{name} in the environment is no address of a proxy")
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.getrepr())


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", f"http://desk:{SECRET}@proxy.example:3128/"])
def test_a_proxy_that_can_be_used_passes(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("https_proxy", address)

    require_usable_proxies()


def test_training_ends_before_it_asks_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, and the password in no line."""
    monkeypatch.setenv("http_proxy", f"desk:{SECRET}@127.0.0.1:9")

    ended = train_live_lightgbm.main(
        ["--fetch-only", "--cache-dir", str(tmp_path), "--base-url", "http://exchange.invalid"]
    )

    said = capsys.readouterr()
    assert ended == 2
    assert "http_proxy in the environment" in said.err
    assert SECRET not in said.out + said.err
