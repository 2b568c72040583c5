"""How simulated orders are filled: each symbol as the evaluation of its model charged it.

A service that joins two rooms: what the cards of ``desk.trade`` say of costs is read as the fill model of
``desk.market.matching``.  A forecaster comes in, a ``FillModel`` goes out that follows the models in use.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from desk.market.matching import FillCosts, FillModel
from desk.trade.forecasting import Forecaster
from desk.trade.risk_values import money
from desk.trade.signals import ModelCard


def fill_model_of(
    forecaster: Forecaster, *, slippage: float, least: bool, rounding: bool = True
) -> FillModel:
    """How orders are filled while ``forecaster`` chooses the models.

    Parameters
    ----------
    forecaster : Forecaster
    slippage : float
        The present setting, a fraction of the price; of symbols without a model.
    least : bool
        Whether the present setting is also the least that symbols with a model pay: in a replay what their
        evaluation charged is charged again, whatever was changed in the settings since.
    rounding : bool
        As of ``FillModel``.
    """
    setting = money(slippage)
    by_symbol = CardFills(forecaster, least=setting if least else Decimal(0))
    return FillModel(slippage=setting, by_symbol=by_symbol, rounding=rounding)


class CardFills(Mapping[str, FillCosts]):
    """Costs of fills by symbol, of the models that are in use at the moment of asking.

    Parameters
    ----------
    forecaster : Forecaster
    least : Decimal
        Slippage that is charged at least, a fraction of the price.
    """

    def __init__(self, forecaster: Forecaster, *, least: Decimal) -> None:
        self._forecaster = forecaster
        self._least = least

    def __getitem__(self, symbol: str) -> FillCosts:
        return fill_costs(self._forecaster.cards[symbol], least=self._least)

    def __iter__(self) -> Iterator[str]:
        return iter(self._forecaster.cards)

    def __len__(self) -> int:
        return len(self._forecaster.cards)


def fill_costs(card: ModelCard, *, least: Decimal = Decimal(0)) -> FillCosts:
    """What the fills of a symbol cost; ``least`` is charged at least, a fraction of the price.

    The tick of the evaluation counts as a part of the grid: the contract's may have become finer since.
    """
    costs = card.costs
    steps = tuple(max(money(step), money(costs.tick or 0.0)) for step in costs.grid)
    grid_from = costs.grid_from
    if not steps and costs.tick is not None:
        grid_from, steps = (0,), (money(costs.tick),)
    return FillCosts(
        slippage=max(least, money(costs.slippage), money(costs.spread) / 2),
        stop_overshoot=money(card.rules.stop_overshoot),
        grid_from=grid_from,
        grid=steps,
    )
