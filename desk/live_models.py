"""Published models as live trading opens them.

A service that joins three rooms: what the registry keeps is read as a model of ``desk.learn`` and as a card
of ``desk.trade``.  A symbol comes in; an ``OpenModel`` that passed every check goes out, or a ``ModelError``.

Not here: which features this checkout computes (handed in by the door), and what a model is used for.
"""

from datetime import datetime

from desk.arguments import nearest
from desk.errors import ModelError, ModelIncomplete, SettingsError
from desk.learn.training import load_model
from desk.registry import ModelRegistry
from desk.trade.forecasting import OpenModel
from desk.trade.signals import card_of


class DiskModelSource:
    """Published models, checked and opened; satisfies ``desk.trade.forecasting.ModelSource``.

    Parameters
    ----------
    registry : ModelRegistry
    features : tuple of str
        Names of the features, in the order in which they are computed.
    contract : str
        Their contract, as ``ml_feature_engineering.contract_id`` gives it.
    evaluated : bool
        Open the models whose figures the metadata report instead of the published ones.
    """

    def __init__(
        self, registry: ModelRegistry, *, features: tuple[str, ...], contract: str, evaluated: bool = False
    ) -> None:
        self._registry = registry
        self._features = features
        self._contract = contract
        self._evaluated = evaluated
        self._test_first: dict[str, int] = {}

    @property
    def test_first(self) -> dict[str, int]:
        """Open time of the first test candle of every model that was opened, ms."""
        return dict(self._test_first)

    def mark(self, symbol: str) -> object:
        """Changes with the published model and with what its metadata say."""
        return self._registry.mark(symbol)

    def open(self, symbol: str) -> OpenModel:
        """The newest published model.

        Raises
        ------
        ModelError
            If it may not be used.
        """
        found = self._registry.open_latest(symbol, features=self._features, contract=self._contract)
        text = self._registry.evaluated(found.metadata) if self._evaluated else found.model
        model = load_model(text, subject=f"{symbol}: {found.model_file}")
        if model.names != self._features:
            raise ModelIncomplete(f"{symbol}: the model and its metadata name other features: train again")
        began = datetime.fromisoformat(found.metadata["split"]["test"]["first"])
        self._test_first[symbol] = int(began.timestamp() * 1000)
        return OpenModel(card_of(found.metadata), model)

    def published(self, named: tuple[str, ...]) -> tuple[str, ...]:
        """The ``named`` symbols, or all that have a published model.

        Raises
        ------
        SettingsError
            If there is no published model at all, or none of a named symbol.
        """
        there, folder = tuple(self._registry.symbols()), self._registry.folder
        if not there:
            raise SettingsError(
                f"{folder} holds no published model: train first (python train_live_lightgbm.py), "
                "or name another directory with --models-dir"
            )
        if missing := sorted(set(named) - set(there)):
            meant = {name: near for name in missing if (near := nearest(name, there))}
            listed = [f"{name} (meant {meant[name]}?)" if name in meant else name for name in missing]
            unknown = ",".join(name for name in missing if name not in meant)
            advice = f": train it (python train_live_lightgbm.py --symbols {unknown})" if unknown else ""
            raise SettingsError(f"{folder} holds no model of {', '.join(listed)}{advice}")
        return tuple(dict.fromkeys(named)) or there

    def open_all(self, named: tuple[str, ...]) -> tuple[dict[str, OpenModel], dict[str, str]]:
        """Open the models of the ``named`` symbols, or of all that are published.

        Returns
        -------
        dict
            Models by symbol.
        dict
            Symbols whose model may not be used, and why.

        Raises
        ------
        SettingsError
            As ``published``.
        """
        models: dict[str, OpenModel] = {}
        problems: dict[str, str] = {}
        for symbol in self.published(named):
            try:
                models[symbol] = self.open(symbol)
            except ModelError as exc:
                problems[symbol] = str(exc)
        return models, problems
