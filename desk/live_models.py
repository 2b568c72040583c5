"""Published models as live trading opens them.

A service that joins three rooms: what the registry keeps is read as a model of ``desk.learn`` and as a card
of ``desk.trade``.  A symbol comes in; an ``OpenModel`` that passed every check goes out, or a ``ModelError``.
``DiskModelSource`` opens what was published, ``WalkModelSource`` what the last fifth was traded with.

Not here: which features this checkout computes (handed in by the door), and what a model is used for.
"""

from dataclasses import replace
from datetime import datetime

from desk.arguments import nearest
from desk.errors import ModelError, ModelIncomplete, SettingsError
from desk.files import read_file
from desk.kept_walk import read_walk, walk_folder
from desk.learn.challenge import Champion
from desk.learn.training import Model, load_model
from desk.registry import ModelRegistry
from desk.trade.forecasting import OpenModel
from desk.trade.signals import card_of, expectation_of


class DiskModelSource:
    """Published models, checked and opened; satisfies ``desk.trade.forecasting.ModelSource``.

    Parameters
    ----------
    registry : ModelRegistry
    features : tuple of str
        Names of the features, in the order in which they are computed.
    contract : str
        Their contract, as ``ml_feature_engineering.contract_id`` gives it.
    """

    def __init__(self, registry: ModelRegistry, *, features: tuple[str, ...], contract: str) -> None:
        self._registry = registry
        self._features = features
        self._contract = contract

    def mark(self, symbol: str) -> object:
        """Changes with the published model and with what its metadata say; None: there is none."""
        return self._registry.mark(symbol) if self._registry.is_published(symbol) else None

    def symbols(self) -> tuple[str, ...]:
        """Every symbol with a published model."""
        return tuple(self._registry.symbols())

    def open(self, symbol: str) -> OpenModel:
        """The newest published model.

        Raises
        ------
        ModelError
            If it may not be used.
        """
        found = self._registry.open_latest(symbol, features=self._features, contract=self._contract)
        return OpenModel(card_of(found.metadata), self._loaded(found.model, f"{symbol}: {found.model_file}"))

    def _loaded(self, text: str, subject: str) -> Model:
        """A model from its text, if it reads the features of this checkout."""
        model = load_model(text, subject=subject)
        if model.names != self._features:
            raise ModelIncomplete(f"{subject} and its metadata name other features: train again")
        return model

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


class WalkModelSource(DiskModelSource):
    """The models with which the walk traded the last fifth, each with the thresholds of its block.

    What was published has learned these candles; a replay of them trades as the evaluation did.  The cards
    of all blocks bear the name of the published model: a session counts their trades together.
    """

    def __init__(self, registry: ModelRegistry, *, features: tuple[str, ...], contract: str) -> None:
        super().__init__(registry, features=features, contract=contract)
        self._span: dict[str, tuple[int, int]] = {}

    @property
    def span(self) -> dict[str, tuple[int, int]]:
        """Open times (ms) of the first and the last candle of every walk that was opened, by symbol."""
        return dict(self._span)

    def open(self, symbol: str) -> OpenModel:
        """The newest walk.

        Raises
        ------
        ModelError
            If it may not be used, or if its models were not kept.
        """
        found = self._registry.open_latest(symbol, features=self._features, contract=self._contract)
        folder = walk_folder(self._registry.folder, symbol, found.model_file)
        walk, figures = read_walk(folder, symbol=symbol), found.metadata["signals"]
        card = replace(card_of(found.metadata), expectation=expectation_of(figures.get("test") or figures))
        blocks = tuple(
            (
                block.first,
                OpenModel(
                    replace(card, thresholds=block.thresholds),
                    self._loaded(block.model, f"{symbol}: block {at} of {folder.name}"),
                ),
            )
            for at, block in enumerate(walk)
        )
        self._span[symbol] = walk[0].first, walk[-1].last
        return OpenModel(card, blocks[0][1].predictor, blocks)


def open_champion(registry: ModelRegistry, symbol: str) -> Champion | None:
    """The published model of a symbol as a new one is compared with it; None where there is none.

    Raises
    ------
    ModelError
        If its metadata tell too little.
    """
    model_file = registry.latest(symbol)
    if model_file is None:
        return None
    metadata = registry.metadata(model_file)
    card = card_of(metadata)
    try:
        text = read_file(registry.folder / model_file).decode()
        through = datetime.fromisoformat(metadata["data"]["trained_through"])
    except (OSError, KeyError, ValueError) as exc:
        raise ModelIncomplete(f"{symbol}: {model_file} cannot be compared ({exc})") from exc
    return Champion(
        model_file=model_file,
        model=text,
        thresholds=card.thresholds,
        rules=card.rules,
        trained_through=int(through.timestamp() * 1000),
    )
