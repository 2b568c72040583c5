"""What a fetch may be told, and what is told back when it may not."""

import math
from pathlib import Path
from typing import Any

import pytest

from desk.errors import SettingsError
from tests.market.samples import fetch_settings

REAL = "https://api.bitget.com"


def test_all_complaints_come_at_once() -> None:
    """A user should have to start the suite once, not four times."""
    with pytest.raises(SettingsError) as caught:
        fetch_settings(
            REAL, Path("x"), requests_per_second=18, days=0, timeout_s=0, attempts=0, throttle_pause_s=1
        )

    for name in ("days is 0", "timeout_s is 0", "attempts is 0", "throttle_pause_s is 1"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"base_url": "http://192.168.1.7:80"},
            "(https://HOST); plain_http in config.py allows it",
        ),
        ({"base_url": "http://exchange.invalid"}, "encrypted"),
        ({"base_url": "https://me:s3cret@api.bitget.com"}, "user name or password (not shown"),
        ({"base_url": "https://:s3cret@api.bitget.com"}, "user name or password (not shown"),
        ({"base_url": "https://s3cret@api.bitget.com:x"}, "user name or password (not shown"),
        ({"base_url": "https://api.bitget.com\n"}, "must be an address like https://HOST"),
        ({"base_url": "file:///etc/passwd"}, "must be an address like https://HOST"),
        ({"proxy": "socks5://me:s3cret@127.0.0.1:9"}, "must be an address like http://HOST:PORT"),
        ({"proxy": "http://me:s3cret@:9"}, "must be an address like http://HOST:PORT"),
        ({"largest_body_mib": 0}, "largest_body_mib is 0"),
        ({"requests_per_second": 0}, "requests_per_second is 0"),
        ({"requests_per_second": 20}, "at most 19"),
        ({"requests_per_second": math.nan}, "requests_per_second is nan"),
        ({"base_url": "api.bitget.com"}, "base_url is 'api.bitget.com'"),
        ({"base_url": "https://api.bitget.com/api/v2"}, "must end after the host"),
        ({"base_url": "http://127.0.0.1:99999"}, "must be an address"),
        ({"symbols": ("BTCUSDT", "BTCUSDT")}, "names BTCUSDT twice"),
        ({"symbols": ("BTCUSDT",), "top": 5}, "exclude each other"),
        ({"top": 0}, "top is 0"),
        ({"offline": True, "use_cache": False}, "not both"),
        ({"max_concurrent_requests": 0}, "max_concurrent_requests is 0"),
        ({"give_up_after_s": math.inf}, "give_up_after_s is inf"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(changes: dict[str, Any], complaint: str) -> None:
    """Each message names the setting, what was found and what is needed."""
    with pytest.raises(SettingsError) as caught:
        fetch_settings(**{"base_url": REAL, "cache_dir": Path("x"), "requests_per_second": 18, **changes})

    assert complaint in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "source"),
    [
        (REAL, "api.bitget.com"),
        ("http://127.0.0.1:8080", "loopback"),
        ("http://localhost:1", "loopback"),
        ("http://[::1]:5/", "loopback"),
        ("http://192.168.1.7:80", "192.168.1.7"),
    ],
)
def test_only_this_machine_is_loopback(url: str, source: str) -> None:
    """Only there may the pace be off, and its candles are kept apart from real ones."""
    assert fetch_settings(url, Path("x"), requests_per_second=18, plain_http=True).source == source
