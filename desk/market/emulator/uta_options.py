"""Options of the unified account: what public sources do not establish is a switch here.

Place in the house: the market, inside the emulator.  A part of ``options``; read by ``uta_book``,
``uta_rows`` and the endpoints.  Pure.

References
----------
``docs/bitget.md``, sections U1 (kinds, levels) and U15 (not established).
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from desk.errors import SettingsError
from desk.settings import check_settings

AccountKind = Literal["classic", "unified", "hybrid", "upgrading", "switching"]
ACCOUNT_KINDS: Final[tuple[AccountKind, ...]] = ("classic", "unified", "hybrid", "upgrading", "switching")
"""``classic`` has the API v2; the others are values of ``accountMode`` in the settings of the API v3."""
SWITCHES: Final = {
    "level": ("basic", "isolated", "advanced"),
    "attached_stops": ("partial", "full", "hidden"),
    "stops_after_close": ("removed", "kept"),
    "one_way_stops": ("free", "strict"),
    "fill_fees": ("negative", "positive"),
    "reused_id": ("newest", "oldest"),
    "isolated_orders": ("allowed", "refused"),
    "one_way_pos_side": ("ignored", "refused"),
    "hedge_reduce_only": ("refused", "accepted"),
    "hold_side": ("long_short", "net"),
    "closing_minimum": ("free", "binding"),
    "available": ("net", "gross"),
    "kind_checked": ("first", "last"),
    "hold_mode_code": ("25107", "25010", "25270", "25570"),
}
"""Words of each switch, the default first; ``UnifiedOptions`` says what they mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnifiedOptions:
    """How a unified account behaves where public sources leave it open."""

    level: str = "basic"
    """``accountLevel``; ``isolated`` refuses crossed margin with 25240."""
    attached_stops: str = "partial"
    """What the list of strategy orders shows of a stop attached to an entry: an order of the entry's size, a
    full one (a second is refused with 25594), or nothing."""
    stops_after_close: str = "removed"
    """Whether strategy orders of a position that was closed otherwise are removed, or stay in the list and
    act on the next position of that side."""
    one_way_stops: str = "free"
    """``strict``: in one-way mode a strategy order without ``posSide``, or in isolated margin without
    ``marginMode``, is refused with 31008."""
    fill_fees: str = "negative"
    """Sign of a paid fee in the rows of ``fills``."""
    reused_id: str = "newest"
    """Which of two orders with one ``clientOid`` is meant by it."""
    isolated_orders: str = "allowed"
    """Whether isolated margin can be used by the API at all; ``refused``: with 25240."""
    one_way_pos_side: str = "ignored"
    """What ``posSide`` does to an order in one-way mode; ``refused``: with 25236."""
    hedge_reduce_only: str = "refused"
    """What ``reduceOnly`` does to an order in hedge mode; refused with 25236."""
    hold_side: str = "long_short"
    """Word for the side of the position in pushed orders and fills of one-way mode."""
    closing_minimum: str = "free"
    """Whether ``minOrderAmount`` binds orders that close (45110)."""
    available: str = "net"
    """Whether ``available`` of a coin is net of the initial margin."""
    kind_checked: str = "first"
    """Whether 40084 and 40085 come before a wrong signature is noticed, or after."""
    hold_mode_code: str = "25107"
    """Code with which a change of the hold mode is refused while there are positions or orders."""
    stop_delay_ms: int = 0
    """How long a new position is unknown to strategy orders (31008), ms of market time."""
    order_delay_ms: int = 0
    """How long ``order-info`` does not know an accepted order (25204), ms of market time."""
    isolated_in_equity: bool = True
    """Whether ``usdtEquity`` holds the margin and the profit of isolated positions."""

    def __post_init__(self) -> None:
        check_settings("unified account", self, self._problems())

    def _problems(self) -> Iterator[str]:
        for name, words in SWITCHES.items():
            if (value := getattr(self, name)) not in words:
                yield f"{name} is {value!r}, must be one of {', '.join(words)}"
        for name in ("stop_delay_ms", "order_delay_ms"):
            if getattr(self, name) < 0:
                yield f"{name} is {getattr(self, name)}, must be 0 or more"


def read_switches(text: str) -> UnifiedOptions:
    """Read ``attached_stops=full,stop_delay_ms=1500`` as options of a unified account.

    Raises
    ------
    SettingsError
        If a part is not NAME=VALUE, or the options refuse it.
    """
    values: dict[str, Any] = {}
    types = {field.name: type(field.default) for field in fields(UnifiedOptions)}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        if name not in types or not value:
            raise SettingsError(
                f"--unified-switches: {part!r} is not NAME=VALUE such as attached_stops=full; NAME is one of "
                f"{', '.join(types)}"
            )
        if types[name] is bool:
            values[name] = {"yes": True, "no": False}.get(value, value)
        else:
            values[name] = int(value) if types[name] is int and value.isdecimal() else value
    return UnifiedOptions(**values)
