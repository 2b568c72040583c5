"""Addresses of the network: whether one may be used, and which proxy leads there.

Place in the house: foundation.  An address comes in as somebody typed it; what is wrong with it goes out as a
sentence, which never quotes an address that may hold a password.  Pure.

A key, an order and a candle travel encrypted, except on this machine, or where the user asks for plain HTTP.
A proxy is what the settings or the environment name, and nothing else is taken from the surroundings: no
``~/.netrc``, whose ``default`` entry would be sent to every host.

Not here: connections (``desk.market.bitget.transport``).
"""

import ipaddress
from base64 import b64encode
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

ENCRYPTED: Final = frozenset({"https", "wss"})
HIDDEN: Final = "(not shown: it may hold a password)"


def on_loopback(url: str) -> bool:
    """Whether ``url`` leads to this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address_problem(
    name: str,
    address: str,
    schemes: Collection[str],
    *,
    whole: bool = True,
    plain: bool = False,
    switch: str = "",
) -> str | None:
    """What is wrong with an address; None if it may be used.

    Parameters
    ----------
    name : str
        Of the setting or variable, for the sentence.
    address : str
        As it was typed.
    schemes : collection of str
        Of which it must have one.
    whole : bool
        Whether it must end after host and port.
    plain : bool
        Whether it may be unencrypted beyond this machine.
    switch : str
        What makes ``plain`` true, for the sentence; "" where nothing does.
    """
    example = f"{min(schemes, key=lambda scheme: scheme not in ENCRYPTED)}://HOST"
    url = _split(address)
    if "@" in address.partition("//")[2].partition("/")[0]:
        return f"{name} holds a user name or password {HIDDEN}: give the address alone, like {example}"
    shown = repr(address) if address.isprintable() and len(address) <= 200 else "unprintable, or too long"
    if url is None or url.scheme not in schemes or not url.hostname or not address.isprintable():
        return f"{name} is {shown}, must be an address like {example}"
    if whole and (url.path not in {"", "/"} or url.query or url.fragment):
        return f"{name} is {shown}, must end after the host and port"
    if url.scheme not in ENCRYPTED and not plain and not on_loopback(address):
        allowed = f"; {switch} allows it" if switch else ""
        return f"{name} is {shown}: beyond this machine everything is sent encrypted ({example}){allowed}"
    return None


def proxy_problem(name: str, proxy: str) -> str | None:
    """What is wrong with the address of a proxy, or None; "" stands for no proxy.

    Parameters
    ----------
    name : str
        Of the setting, for the sentence.
    proxy : str
        ``http://HOST:PORT``, with a user name and password where it needs them.
    """
    url = _split(proxy)
    fit = url is not None and url.scheme == "http" and bool(url.hostname) and proxy.isprintable()
    if not proxy or fit:
        return None
    return f"{name} {HIDDEN} must be an address like http://HOST:PORT"


def proxy_from(environ: Mapping[str, str], url: str) -> str:
    """The proxy that the environment names for ``url``: HTTPS_PROXY, unless NO_PROXY names the host; else "".

    An address without a scheme is read as curl reads it: ``HOST:PORT`` is ``http://HOST:PORT``.
    """
    proxy = (environ.get("https_proxy") or environ.get("HTTPS_PROXY") or "").strip()
    without = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    split = _split(url)
    host = (split.hostname or "") if split is not None else ""
    if not proxy or _is_named(host, without):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def through_proxy(proxy: str, url: str) -> dict[str, Any]:
    """Arguments of an aiohttp request that goes through ``proxy``: none without one, or to this machine.

    Its user name and password travel in a header of their own, so that no error can quote them.
    """
    split = _split(proxy)
    if not proxy or split is None or on_loopback(url):
        return {}
    host = f"[{split.hostname}]" if ":" in (split.hostname or "") else split.hostname
    more: dict[str, Any] = {"proxy": f"{split.scheme}://{host}:{split.port or 80}"}
    if split.username is not None:
        pair = f"{unquote(split.username)}:{unquote(split.password or '')}"
        more["proxy_headers"] = {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return more


def _is_named(host: str, without: str) -> bool:
    """Whether a list such as ``localhost,.bitget.com`` or ``*`` names ``host`` or a domain of it."""
    names = (name.strip().lstrip(".").lower() for name in without.split(","))
    return any(name == "*" or (name and f".{host.lower()}".endswith(f".{name}")) for name in names)


def _split(address: str) -> SplitResult | None:
    """The parts of an address; None if it is none."""
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        return None
    return None if port == 0 else url
