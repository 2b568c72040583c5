"""At which price a position is stopped, and with how much leverage.  Pure.

An intent or a position and the contract come in; prices on the tick and a leverage go out.  Risk approves by
them, reconciliation compares with them.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from desk.orders import ContractTerms
from desk.trade.risk_values import OrderIntent, money
from desk.trade.settings import RiskLimits


def rounded_to_tick(level: float | None, intent: OrderIntent, contract: ContractTerms) -> Decimal | None:
    """A stop or take-profit on the tick, rounded towards the entry: never farther than the policy's.

    Parameters
    ----------
    level : float or None
        USDT.
    intent : OrderIntent
    contract : ContractTerms
    """
    if level is None:
        return None
    exact = money(level)
    rounding = ROUND_CEILING if exact < intent.price else ROUND_FLOOR
    return (exact / contract.tick).to_integral_value(rounding) * contract.tick


def leverage_for(
    intent: OrderIntent, stop: Decimal | None, contract: ContractTerms, limits: RiskLimits
) -> Decimal | None:
    """The largest whole leverage at which the liquidation price keeps its distance; None: not even 1.

    In isolated margin a position is liquidated about where the margin, less what must stay, is lost: at
    entry × (1 − side / leverage) / (1 − side × (maintenance rate + taker fee)) for side ±1.

    Parameters
    ----------
    intent : OrderIntent
    stop : Decimal or None
        USDT; without one nothing limits the leverage but the settings and the contract.
    contract : ContractTerms
    limits : RiskLimits
    """
    return leverage_at(intent.price, intent.side, stop, contract, limits)


def leverage_at(
    price: Decimal, side: int, stop: Decimal | None, contract: ContractTerms, limits: RiskLimits
) -> Decimal | None:
    """The same of a position of ``side`` that is entered at ``price``, in USDT; see ``leverage_for``.

    Parameters
    ----------
    price : Decimal
    side : int
        ``LONG`` or ``SHORT``.
    stop : Decimal or None
    contract : ContractTerms
    limits : RiskLimits
    """
    most = int(min(limits.leverage, contract.max_leverage))
    if stop is None:
        return Decimal(max(most, 1))
    needed = abs(price - stop) * limits.liquidation_buffer
    kept = contract.maintenance_rate + contract.taker_fee
    for leverage in range(most, 0, -1):
        liquidation = price * (1 - Decimal(side) / leverage) / (1 - side * kept)
        if side * (price - liquidation) >= needed:
            return Decimal(leverage)
    return None
