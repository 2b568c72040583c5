"""``--test-notify``: a message on every channel that is configured, and what came of it.

A service between the channels of ``desk.trade.notify`` and the console.
"""

import asyncio
from collections.abc import Sequence

from desk.ports import Clock
from desk.reports.console import Console
from desk.trade.notify import MessageChannel, try_channels
from desk.trade.settings import NotifySettings


def check_channels(
    channels: Sequence[MessageChannel], settings: NotifySettings, clock: Clock, console: Console
) -> bool:
    """Send a message on every channel, and print what came of it; whether all were delivered.

    Parameters
    ----------
    channels : sequence of MessageChannel
        See ``desk.trade.notify.channels_from``.
    settings : NotifySettings
    clock : Clock
    console : Console
    """
    if not channels:
        console.error(
            "❌ Nobody would be notified: set NOTIFY_WEBHOOK, or TELEGRAM_TOKEN with TELEGRAM_CHAT, in the "
            "environment."
        )
        return False
    text = "a test of live_trade.py: this is where its messages go"
    reasons = asyncio.run(try_channels(channels, settings, clock, text))
    for name, why in reasons.items():
        (console.error if why else console.print)(f"{'❌' if why else '✅'} {name}: {why or 'delivered'}")
    return not any(reasons.values())
