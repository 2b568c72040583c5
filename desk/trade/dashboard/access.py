"""Who may read the page, and who may press its buttons.  Pure.

An address from the command line, a token from the environment and the headers of a request come in; a reason
for a refusal goes out, or none.

* The page listens on this machine alone unless another address is named, which a token is demanded for: then
  every figure is shown only to whoever has it.
* ``Host`` must be this machine by number or by name.  A web page of elsewhere that lets its own name point
  here (DNS rebinding) brings that name along, and is refused.
* A button is a POST with the token in ``Authorization``, which no form and no image can send, from this very
  page by ``Origin``.  Without a token in the environment there are no buttons.

Not here: HTTP (``desk.trade.dashboard.server``).
"""

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from desk.errors import SettingsError
from desk.safe_text import safe_text

VARIABLE = "BITGET_DASHBOARD_TOKEN"
SHORTEST_TOKEN = 16
"""Characters: nobody can try that many."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardAddress:
    """Where the page is; made by ``dashboard_address``."""

    host: str
    port: int
    token: str = field(repr=False)
    """Empty: none, and no buttons."""

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return _is_loopback(self.host)

    @property
    def url(self) -> str:
        """For people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"


def dashboard_address(text: str, environ: Mapping[str, str]) -> DashboardAddress:
    """The address that ``--dashboard`` names, as ``PORT`` or ``HOST:PORT``; IPv6 as ``[::1]:PORT``.

    Raises
    ------
    SettingsError
        If it is none, or a token is missing that it demands, or too short.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or LOOPBACK
    if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65_536):
        raise SettingsError(
            f"--dashboard {safe_text(text)} is no address: write PORT (on this machine alone) or HOST:PORT, "
            "as 8080 or 192.168.1.5:8080"
        )
    token = environ.get(VARIABLE, "")
    if token and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise SettingsError(
            f"{VARIABLE} has {len(token)} characters, needed are at least {SHORTEST_TOKEN} of ASCII: make "
            'one with python -c "import secrets; print(secrets.token_urlsafe())"'
        )
    if not token and not _is_loopback(host):
        raise SettingsError(
            f"--dashboard {text}: other machines could read the account there, so that {VARIABLE} in the "
            "environment must hold a token; name a port alone to show the page on this machine only"
        )
    return DashboardAddress(host=host, port=int(port), token=token)


def host_problem(headers: Mapping[str, str], address: DashboardAddress, *, machine: str) -> str:
    """Why a request is refused by its ``Host``; empty if it is not.

    Parameters
    ----------
    headers : mapping
    address : DashboardAddress
        With the port that is listened on.
    machine : str
        Name of this machine.
    """
    host, port = _split(headers.get("Host", ""))
    if port != address.port:
        return "the Host header names another port"
    if host == "localhost" or _is_loopback(host):
        return ""
    if address.is_local:
        return "the Host header names another machine"
    if host in {address.host.lower(), machine.lower()} or _is_number(host):
        return ""
    return "the Host header names another machine: open the page by its number"


def origin_problem(headers: Mapping[str, str]) -> str:
    """Why a request is refused by where it is from; empty if it is this page's own."""
    origin, host = headers.get("Origin", ""), headers.get("Host", "")
    if origin not in {f"http://{host}", f"https://{host}"}:
        return "the request is not from this page: its Origin is another one, or missing"
    if headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return "the request is not from this page"
    return ""


def has_token(headers: Mapping[str, str], address: DashboardAddress) -> bool:
    """Whether a request bears the token; never without one in the environment."""
    scheme, _, given = headers.get("Authorization", "").partition(" ")
    right = hmac.compare_digest(given.strip().encode(errors="replace"), address.token.encode())
    return bool(address.token) and scheme.lower() == "bearer" and right


def _split(host: str) -> tuple[str, int]:
    """Name and port of a ``Host`` header; port 80 where none is named, -1 where it is none."""
    name, separator, port = host.rpartition(":")
    if not separator or port.endswith("]"):
        name, port = host, "80"
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else -1
    return name.removeprefix("[").removesuffix("]").lower(), number


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host.lower() == "localhost" or (_is_number(host) and ipaddress.ip_address(host).is_loopback)
