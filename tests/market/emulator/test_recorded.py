"""The embedded exchange against records of the real one, as ``live_trade.py --check --record`` writes them.

Put a file into ``tests/golden/recorded`` and its differences become failures here, until the emulator and the
parsers are right about them.
"""

import asyncio
import json
from pathlib import Path

import pytest

import config
from desk.answer_record import differences_today, read_record, record_answers
from desk.clock import SystemClock
from desk.market.emulator import ExchangeOptions
from desk.market.series.synthetic import synthesize
from desk.market.settings import LinkSettings
from soaks.serving import serving
from tests.test_live_command import BORDER

RECORDS = sorted((Path(__file__).parents[2] / "golden" / "recorded").glob("*.json"))


def link(url: str) -> LinkSettings:
    """The lines to an exchange."""
    return config.link_settings("paper", base_url=url, ws_url=url.replace("http", "ws", 1))


@pytest.mark.parametrize("file", RECORDS, ids=lambda file: file.stem)
def test_the_emulator_answers_as_the_exchange_did(file: Path) -> None:
    """The only facts about the real exchange that were ever seen and not read."""
    assert (
        asyncio.run(differences_today(read_record(file), link("http://127.0.0.1:1"), clock=SystemClock()))
        == ()
    )


def test_a_record_is_compared_again(tmp_path: Path) -> None:
    """What was written is what is read; a fact that was otherwise is found."""
    file, clock = tmp_path / "record.json", SystemClock()
    series = synthesize("noise", 3, symbol="BTCUSDT", end=BORDER, candles=800)
    with serving([series], ExchangeOptions(now_ms=BORDER, speed=1.0)) as exchange:
        found = asyncio.run(record_answers(link(exchange.url), None, "BTCUSDT", file, clock=clock))
    assert found == ()
    assert asyncio.run(differences_today(read_record(file), link("http://127.0.0.1:1"), clock=clock)) == ()

    document = json.loads(file.read_text())
    [history] = [one for one in document["answers"] if one["name"] == "history candles"]
    history["facts"]["the candle that opens at endTime is left out"] = False
    history["fields"]["[][7]"] = ["number as text"]
    file.write_text(json.dumps(document))

    sentences = asyncio.run(differences_today(read_record(file), link("http://127.0.0.1:1"), clock=clock))
    assert len(sentences) == 2
    assert "there are besides [][7]" in sentences[0]
    assert "not true that the candle that opens at endTime is left out" in sentences[1]
