"""What trading reads of a model's metadata.  Pure.

Metadata (``docs/schemas/metadata.schema.json``) come in; a ``ModelCard`` goes out.
"""

from datetime import datetime

from desk.errors import ModelIncomplete, SettingsError
from desk.outcomes import Json
from desk.policy import Thresholds, TradeRules
from desk.trade.signals import ModelCard, Promise


def card_of(metadata: Json) -> ModelCard:
    """What trading must know of a model.

    Raises
    ------
    ModelIncomplete
        If the metadata are of a version that told less.
    """
    symbol = metadata["symbol"]
    try:
        signals, labels, verdict = metadata["signals"], metadata["labels"], metadata["verdict"]
        trading = metadata["settings"]["trading"]
        return ModelCard(
            symbol=symbol,
            model_file=metadata["model_file"],
            created=int(datetime.fromisoformat(metadata["created_at"]).timestamp() * 1000),
            thresholds=Thresholds(long=signals["long_threshold"], short=signals["short_threshold"]),
            rules=TradeRules(
                horizon=labels["horizon"],
                stop_loss=trading["stop_loss"],
                take_profit=trading["take_profit"],
            ),
            label_threshold=labels["threshold"],
            tradable=verdict["tradable"],
            reasons=tuple(verdict["reasons"]),
            promise=Promise(
                win_rate=signals["win_rate"],
                win_rate_labelled=signals["win_rate_labelled"],
                net_bps=signals["net_bps"],
            ),
        )
    except (KeyError, TypeError, ValueError, SettingsError) as exc:
        raise ModelIncomplete(f"{symbol}: its metadata tell too little to trade it: train it again") from exc
