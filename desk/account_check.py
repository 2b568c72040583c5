"""``--check``: what would keep a session from trading, found by reading alone.

A service between ``desk.market.bitget.inspection``, the models and the settings.  What a session would be
started with comes in; findings, remarks and obstacles go out, for ``desk.reports.check``.

What reading cannot tell is said so: a key shows with its first order whether it may trade.

Not here: how the exchange is asked (``desk.market.bitget.inspection``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from desk.errors import SettingsError
from desk.market.bitget.account.credentials import credentials_from
from desk.market.bitget.account.signing import Credentials
from desk.market.bitget.inspection.account_facts import AccountFacts, SymbolSetup, find_kind, read_account
from desk.market.bitget.inspection.probe import Probe
from desk.market.settings import LinkSettings
from desk.ports import Clock
from desk.trade.settings import LiveSettings
from desk.trade.signals import ModelCard
from desk.trade.start import require_startable

KEY_NAMES = ("BITGET_API_KEY", "BITGET_API_SECRET", "BITGET_API_PASSPHRASE")
CONTRACTS, TICKERS = "/api/v2/mix/market/contracts", "/api/v2/mix/market/tickers"
PRODUCT = {"productType": "USDT-FUTURES"}
SIGNATURE_WINDOW_S = 30.0
DAY_MS = 86_400_000
FEW = 8
"""Symbols that are named; of more there is a count."""
UNTOLD = "not told before the first order"
"""Of a unified account's symbol that was never set up, or of one that the exchange says nothing about."""
FEES = "rate"
"""Endpoints with this word tell fees alone, which no session needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSession:
    """The session that would be started."""

    mode: str
    link: LinkSettings
    journal: Path
    live: LiveSettings
    symbols: tuple[str, ...]
    """Those that were named; empty: every symbol with a model."""
    cards: Mapping[str, ModelCard]
    """Of the models that can be opened."""
    problems: Mapping[str, str]
    """Why a symbol's model cannot be, by symbol; by "" what concerns all."""
    trade_untested: bool

    @property
    def asked(self) -> tuple[str, ...]:
        """Symbols whose set-up is looked at."""
        return self.symbols or tuple(self.cards) or ("BTCUSDT",)


@dataclass(slots=True)
class CheckResult:
    """What was found."""

    findings: list[tuple[str, str]] = field(default_factory=list)
    """Name and text of each, in the order of reading."""
    remarks: list[str] = field(default_factory=list)
    """What is worth knowing and keeps nothing from trading, in sentences."""
    obstacles: list[str] = field(default_factory=list)
    """What would keep the session from trading, in sentences."""

    def add(self, name: str, text: str) -> None:
        """Keep a finding."""
        self.findings.append((name, text))


def key_of(mode: str, environ: Mapping[str, str], result: CheckResult) -> Credentials | None:
    """The key of the environment; what the mode lacks becomes an obstacle.

    Parameters
    ----------
    mode : str
    environ : mapping
    result : CheckResult
    """
    if mode == "live" and environ.get("BITGET_LIVE") != "yes":
        result.obstacles.append("--mode live trades real money: set BITGET_LIVE=yes in the environment.")
    try:
        return credentials_from(environ)
    except SettingsError as exc:
        if mode != "paper" or any(environ.get(name, "").strip() for name in KEY_NAMES):
            result.obstacles.append(_sentence(exc))
        result.remarks.append("Without a key only the public part of the exchange is looked at.")
        return None


async def check_session(
    session: CheckedSession, credentials: Credentials | None, result: CheckResult, *, clock: Clock
) -> None:
    """Look at journal, models, market and account; ``result`` takes what is found.

    Parameters
    ----------
    session : CheckedSession
    credentials : Credentials or None
        None: the public part alone.
    result : CheckResult
    clock : Clock
    """
    result.add("mode", session.mode)
    _check_journal(session, result)
    _check_models(session, result, now=clock.now_ms())
    async with Probe(session.link, credentials, clock=clock) as probe:
        if not await _check_market(probe, session, result):
            return
        if credentials is None:
            return
        kind = await find_kind(probe)
        if kind not in {"classic", "unified"}:
            result.add("account", "undecided")
            result.obstacles.append(_sentence(kind))
            return
        facts = await read_account(probe, "classic" if kind == "classic" else "unified", session.asked)
        check_account(facts, session, result)


# This machine ----------------------------------------------------------------------------------------


def _check_journal(session: CheckedSession, result: CheckResult) -> None:
    try:
        require_startable(session.journal, session.mode)
    except SettingsError as exc:
        result.obstacles.append(f"{exc}.")  # begins with the name of a file
    else:
        result.add("journal", str(session.journal))


def _check_models(session: CheckedSession, result: CheckResult, *, now: int) -> None:
    """Which models could open something."""
    cards = session.cards.values()
    oldest = session.live.risk.max_model_age_days
    old = [card.symbol for card in cards if now - card.fresh > oldest * DAY_MS]
    able = [card.symbol for card in cards if card.tradable or session.trade_untested]
    fresh = sorted(set(able) - set(old))
    if general := session.problems.get(""):
        result.obstacles.append(f"{general}.")
    if broken := sorted(filter(None, session.problems)):
        result.remarks.append(f"Models that cannot be opened: {_named(broken)}.")
    if not cards:
        return
    result.add("models", f"{len(cards)} open, {len(able)} may trade, {len(fresh)} of these are fresh enough")
    if old:
        result.remarks.append(f"Models older than {oldest} days open nothing: {_named(old)}. Train again.")
    if not fresh:
        what = "is younger than that" if able else "has a tradable verdict"
        result.obstacles.append(f"No model {what}: the session would watch and open nothing.")


# The market -------------------------------------------------------------------------------------------


async def _check_market(probe: Probe, session: CheckedSession, result: CheckResult) -> bool:
    """Clock, contracts and limits; whether the exchange answers at all."""
    address = session.link.base_url
    ahead = await probe.clock_ahead_s()
    if isinstance(ahead, str):
        result.add("exchange", f"{address}: no answer")
        result.obstacles.append(f"{address} does not answer as the exchange does: {ahead}.")
        return False
    result.add("exchange", f"{address}{' (demo)' if session.link.demo else ''}")
    result.add("clock", f"{abs(ahead):.2f} s {'ahead of' if ahead >= 0 else 'behind'} the exchange's")
    if abs(ahead) > SIGNATURE_WINDOW_S:
        result.remarks.append("The clock of this machine is wrong: the exchange's is used, set it anyway.")
    contracts = await probe.ask(CONTRACTS, PRODUCT)
    tickers = await probe.ask(TICKERS, PRODUCT)
    rows = contracts.data if isinstance(contracts.data, list) else []
    status = {str(row.get("symbol")): str(row.get("symbolStatus")) for row in rows if isinstance(row, dict)}
    for answer in (contracts, tickers):
        if not answer.succeeded:
            result.obstacles.append(f"{answer.path} cannot be read: {answer.why_not()}.")
    left = [
        f"{one.path.rpartition('/')[2]} {one.calls_left}"
        for one in (contracts, tickers)
        if one.calls_left is not None
    ]
    result.add("calls left", ", ".join(left) or "the exchange does not say")
    if not contracts.succeeded:
        return True
    normal = sum(one == "normal" for one in status.values())
    result.add("contracts", f"{len(status)} listed, {normal} of them traded normally")
    barred = [
        f"{one} ({status.get(one, 'not listed')})" for one in session.asked if status.get(one) != "normal"
    ]
    if barred:
        kept = result.obstacles if len(barred) == len(session.asked) else result.remarks
        kept.append(f"Not traded normally just now: {_named(barred)}.")
    return True


# The account ------------------------------------------------------------------------------------------


def check_account(facts: AccountFacts, session: CheckedSession, result: CheckResult) -> None:
    """Compare kind, level, modes, money, fees, what is open, and every symbol with the settings.

    Parameters
    ----------
    facts : AccountFacts
    session : CheckedSession
    result : CheckResult
        Takes what is found.
    """
    level = f", level {facts.level}" if facts.level else ""
    result.add("account", f"{facts.kind}{level}")
    _check_reads(facts, result)
    _check_money(facts, result)
    for name, found in (("positions", facts.positions), ("orders", facts.orders), ("stops", facts.stops)):
        if found is not None:
            result.add(name, f"{len(found)}: {_named(found, ';')}" if found else "none")
    _check_modes(facts, session, result)
    wanted = session.live.session.margin_mode
    if facts.kind == "unified" and facts.level == "isolated" and wanted == "crossed":
        result.obstacles.append(
            "The account's level is isolated, which has isolated margin alone, and the settings ask for "
            'crossed margin: set margin_mode = "isolated", or switch to the level basic at Bitget.'
        )
    _check_setups(facts.setups, session, result, kind=facts.kind)


def _check_reads(facts: AccountFacts, result: CheckResult) -> None:
    """What the key may read; whether it may trade shows with the first order alone."""
    for why, paths in facts.unread.items():
        named = ", ".join(path.rpartition("/")[2] for path in paths)
        kept = result.remarks if all(FEES in path for path in paths) else result.obstacles
        kept.append(f"{_sentence(why)} Not read for that: {named}.")
    if not facts.unread:
        able = "the key reads everything that a session reads; whether it may trade shows with an order alone"
        result.add("permissions", able)


def _check_money(facts: AccountFacts, result: CheckResult) -> None:
    if facts.fees is not None:
        maker, taker = (f"{(one * 100).normalize():f} %" for one in facts.fees)
        result.add("fees", f"maker {maker}, taker {taker}")
    if not facts.money_read:
        return
    if facts.equity is None:
        result.add("equity", "no USDT")
    else:
        available = "" if facts.available is None else f", available {facts.available:f}"
        result.add("equity", f"{facts.equity:f} USDT{available}")
    if facts.figures:
        result.add("figures", ", ".join(f"{name} {value}" for name, value in facts.figures))
    if not facts.equity or facts.equity < 0:
        result.obstacles.append("The futures account holds no USDT: transfer some to it at Bitget.")
    elif not facts.available or facts.available <= 0:
        result.obstacles.append("None of the account's USDT is available: margin and orders hold it all.")


def _check_modes(facts: AccountFacts, session: CheckedSession, result: CheckResult) -> None:
    wanted = session.live.session.position_mode
    if not facts.position_mode:
        return
    result.add("position mode", f"{facts.position_mode}, the settings ask for {wanted}")
    if facts.position_mode == wanted:
        return
    if facts.positions or facts.orders:
        result.obstacles.append(
            f"The position mode is {facts.position_mode}, the settings ask for {wanted}, and positions or "
            f'orders hold it: close them, or set position_mode = "{facts.position_mode}".'
        )
    else:
        result.remarks.append(f"The position mode will be set to {wanted} when a session begins.")


def _check_setups(
    setups: Mapping[str, SymbolSetup], session: CheckedSession, result: CheckResult, *, kind: str
) -> None:
    """Group the symbols by margin mode and leverage."""
    margin, leverage = session.live.session.margin_mode, session.live.risk.leverage
    groups: dict[str, list[str]] = {}
    for symbol, setup in setups.items():
        right = setup.margin == margin and set(setup.leverage) == {leverage}
        levers = " and ".join(f"{one:f}x" for one in setup.leverage)
        shown = f"{setup.margin} {levers}".strip() or UNTOLD
        groups.setdefault(f"{shown}, as the settings ask" if right else shown, []).append(symbol)
    for shown, symbols in groups.items():
        result.add("leverage", f"{shown}: {_named(symbols)}")
    if any(not shown.endswith("as the settings ask") for shown in groups):
        when = "with each order" if kind == "unified" else "before their first entry"
        result.remarks.append(
            f"Symbols with another leverage or margin mode get {margin}, at most {leverage:f}x, {when}; "
            "where a position or an order keeps that from being changed, nothing is opened."
        )


def _sentence(text: object) -> str:
    """A clause, or what is a sentence already, with a capital letter and a full stop."""
    clause = str(text).removesuffix(".")
    return f"{clause[:1].upper()}{clause[1:]}."


def _named(names: Iterable[str], separator: str = ",") -> str:
    """The first few, and how many there are besides."""
    listed: Sequence[str] = list(names)
    more = f" and {len(listed) - FEW} more" if len(listed) > FEW else ""
    return f"{separator} ".join(listed[:FEW]) + more
