"""A matching core as text, and back: how a simulated account survives a restart.

Place in the house: the market, inside the matching core.  A ``Matching`` comes in and text goes out, which
``desk.market.paper.file`` keeps; and the other way round.  Pure.

As it is written, on one line, money as text so that none loses a digit::

    {"schema_version":1,"sha256":"9f…","account":{"cash":"9993.4","mode":"one_way","last_id":…,
     "marks":{"BTCUSDT":"100"},"positions":[{"symbol":"BTCUSDT","side":1,"size":"2",…}],…}}

A core that is read back behaves like the original: the same orders and candles give the same account, down
to the ids.

Not here: the fill model, and the contracts of symbols without a position or a live order; both are passed
in again when the text is read.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final, cast

from desk.market.matching.exchange import Matching
from desk.market.matching.json_values import from_json, to_json
from desk.market.matching.values import (
    FillModel,
    MarginSetup,
    MatchedFill,
    Order,
    SimulatedPosition,
    TriggerOrder,
)
from desk.orders import ContractTerms, PositionMode
from desk.reading import read_json

SCHEMA_VERSION: Final = 1
INVALID_STATE: Final = (ValueError, KeyError, TypeError, ArithmeticError)
"""Exceptions of ``core_from_text`` for a text that is not a valid account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreState:
    """Everything that a core needs to continue; the names are those of its parts."""

    deposit: Decimal
    cash: Decimal
    insurance: Decimal
    mode: PositionMode
    last_id: int
    swept: int | None
    marks: dict[str, Decimal]
    newest: dict[str, int]
    volume_left: dict[str, Decimal]
    setups: dict[str, MarginSetup]
    positions: list[SimulatedPosition]
    orders: list[Order]
    plans: list[TriggerOrder]
    executions: list[MatchedFill]
    contracts: list[ContractTerms]
    """Contracts with a position or a live order."""


def state_of(core: Matching) -> CoreState:
    """Present state of ``core``; cores of equal state behave alike."""
    account, market = core.account, core.market
    return CoreState(
        deposit=account.deposit,
        cash=account.cash,
        insurance=account.insurance,
        mode=account.mode,
        last_id=account.last_id,
        swept=market.swept,
        marks=dict(account.marks),
        newest=dict(market.newest),
        volume_left=dict(market.volume_left),
        setups=dict(account.setups),
        positions=list(account.positions.values()),
        orders=list(account.orders.values()),
        plans=list(account.plans.values()),
        executions=list(account.executions),
        contracts=[account.contracts[symbol] for symbol in sorted(account.exposed_symbols())],
    )


class StateWriter:
    """Writes one core repeatedly; the text of rows that have not changed is reused."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[object, str]] = {}

    def text(self, core: Matching) -> str:
        """``core`` as text."""
        state = state_of(core)
        known, self._rows = self._rows, {}
        parts = []
        for field in fields(CoreState):
            value = getattr(state, field.name)
            if isinstance(value, list):
                part = f"[{','.join(self._row(each, known) for each in value)}]"
            else:
                part = _text(to_json(value))
            parts.append(f'"{field.name}":{part}')
        body = f"{{{','.join(parts)}}}"
        return f'{{"schema_version":{SCHEMA_VERSION},"sha256":"{_sum(body)}","account":{body}}}'

    def _row(self, row: object, known: Mapping[int, tuple[object, str]]) -> str:
        """Text of a frozen row; keeping the row itself guarantees that no other object gets its id."""
        found = known.get(id(row)) or (row, _text(to_json(row)))
        self._rows[id(row)] = found
        return found[1]


def core_from_text(
    text: str, contracts: Iterable[ContractTerms], fill_model: FillModel | None = None
) -> Matching:
    """Read a core that ``StateWriter`` wrote.

    Parameters
    ----------
    text : str
        One line as shown at the head of this module.
    contracts : iterable of ContractTerms
        Contracts that are listed now; they replace those in the text.
    fill_model : FillModel or None
        None: the defaults of ``FillModel``.

    Raises
    ------
    ValueError, KeyError, TypeError, ArithmeticError
        If the text is anything else, or describes an impossible account.
    """
    document = cast("dict[str, Any]", read_json(text, most_values=None))
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema version {document['schema_version']!r:.20}, {SCHEMA_VERSION} needed")
    if document["sha256"] != _sum(_text(document["account"])):
        raise ValueError("the checksum does not match: the text was cut off or changed")
    state = from_json(CoreState, document["account"])
    listed = {contract.symbol: contract for contract in (*state.contracts, *contracts)}
    core = Matching(listed.values(), state.deposit, fill_model)
    account, market = core.account, core.market
    account.cash, account.insurance, account.mode = state.cash, state.insurance, state.mode
    account.last_id, market.swept = state.last_id, state.swept
    account.marks, account.setups = state.marks, state.setups
    account.positions = {(position.symbol, position.side): position for position in state.positions}
    account.plans = {plan.plan_id: plan for plan in state.plans}
    account.executions = state.executions
    for order in state.orders:
        account.enter(order)
    market.newest, market.volume_left = state.newest, state.volume_left
    problems = [*_doubles(state, core), *_of_marks(state, core), *_of_rows(state, core)]
    if problems:
        raise ValueError("; ".join(problems))
    return core


def _doubles(state: CoreState, core: Matching) -> Iterator[str]:
    """Rows that occur twice, and ids that are malformed."""
    account = core.account
    trades = {each.fill.trade_id for each in state.executions}
    for name, kept, there in (
        ("positions", account.positions, state.positions),
        ("orders", account.orders, state.orders),
        ("plans", account.plans, state.plans),
        ("executions", trades, state.executions),
        ("client ids", account.ids, [each for each in state.orders if each.ticket.client_id]),
    ):
        if len(kept) != len(there):
            yield f"one of the {name} occurs twice"
    ids = [*account.orders, *account.plans, *trades]
    if not all(each.isascii() and each.isdecimal() and int(each) <= state.last_id for each in ids):
        yield "an id is malformed, or newer than the newest"


def _of_marks(state: CoreState, core: Matching) -> Iterator[str]:
    """Prices, volumes and settings that are impossible."""
    account = core.account
    if unknown := account.exposed_symbols() - (account.contracts.keys() & state.marks.keys()):
        yield f"no contract or no price of {', '.join(sorted(unknown))}"
    if any(mark <= 0 for mark in state.marks.values()) or any(
        left < 0 for left in state.volume_left.values()
    ):
        yield "a price is not positive, or a volume negative"
    for setup in state.setups.values():
        if min(setup.long_leverage, setup.short_leverage, setup.cross_leverage) < 1:
            yield "a leverage is below 1"


def _of_rows(state: CoreState, core: Matching) -> Iterator[str]:
    """Positions, orders, plans and executions that are impossible or do not belong together."""
    account = core.account
    for held in state.positions:
        if not (abs(held.side) == 1 and held.size > 0 and held.cost > 0 and held.leverage >= 1):
            yield f"the position in {held.symbol} has an impossible side, size, cost or leverage"
        if account.mode == "one_way" and len(account.positions_in(held.symbol)) > 1:
            yield f"two positions in {held.symbol}, in one-way mode"
    for order in state.orders:
        ticket = order.ticket
        waits = ticket.price is not None and ticket.price > 0 and order.filled < ticket.size
        if not (abs(ticket.side) == 1 and 0 <= order.filled <= ticket.size and order.leverage >= 1):
            yield f"order {order.order_id} has an impossible side, size or leverage"
        if order.is_live and not waits:
            yield f"order {order.order_id} is live, but has no price or nothing left to fill"
    for plan in state.plans:
        if (plan.symbol, plan.side) not in account.positions or plan.trigger <= 0:
            yield f"plan {plan.plan_id} has no position or no trigger"
        if plan.size is not None and plan.size <= 0:
            yield f"plan {plan.plan_id} has no size"
    if any(each.fill.order_id not in account.orders for each in state.executions):
        yield "an execution belongs to no order"


def _text(state: object) -> str:
    return json.dumps(state, separators=(",", ":"))


def _sum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
