"""Whether a text gives away a part of an API key.

Place in the house: beside the signed client and the private websocket.  Bodies, messages and errors come in
as they were received, before anything is cut or represented: a key that is cut off, or written with an escape
in it, would not be found any more.  Pure.

Not here: what is shown instead (``desk.market.bitget.account.rest``, ``desk.market.bitget.account.stream``).
"""

from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from desk.market.bitget.account.signing import Credentials
from desk.reading import read_json

FRAGMENT: Final = 8
"""So many characters of a key, a secret or a signature in a row are a part of it and no chance."""
MOST_TEXT: Final = 1 << 20
"""Characters that are searched; a longer error is not shown."""
NOT_SHOWN: Final = "an answer that quotes the key is not shown"


class Secrets:
    """What must be in no text: a key, and the signatures that were made with it last.

    Parameters
    ----------
    credentials : Credentials
    """

    def __init__(self, credentials: Credentials) -> None:
        whole = (credentials.key, credentials.secret, credentials.passphrase)
        self._whole = frozenset(secret.casefold() for secret in whole if secret)
        self._parts = _fragments(credentials.key) | _fragments(credentials.secret)

    def quoted_in(self, *texts: str | bytes, signed: str = "", most: int = MOST_TEXT) -> bool:
        """Whether one of ``texts``, or of the texts in its JSON, holds a secret or a part of one.

        Parameters
        ----------
        *texts : str or bytes
            As they were received.
        signed : str
            A signature that was sent, or "".
        most : int
            Characters that are searched; a longer text counts as one that holds a secret.
        """
        hidden = self._whole | self._parts | _fragments(signed)
        return any(_holds_one(found, hidden, most) for text in texts for found in _texts_of(text, most))


def _holds_one(text: str, hidden: frozenset[str], most: int) -> bool:
    """Whether one of ``hidden`` stands in a text as it is, percent-encoded, or with blanks in between."""
    if len(text) > most:
        return True
    plain = text.casefold()
    spellings = {plain, unquote(plain), "".join(plain.split())}
    return any(secret in spelling for spelling in spellings for secret in hidden)


def _fragments(secret: str) -> frozenset[str]:
    whole = secret.casefold()
    return frozenset(whole[at : at + FRAGMENT] for at in range(len(whole) - FRAGMENT + 1))


def _texts_of(received: str | bytes, most: int) -> Iterator[str]:
    """A text as it is, and every text inside it if it is JSON."""
    text = received if isinstance(received, str) else received.decode("utf-8", "replace")
    yield text
    if len(text) <= most:
        try:
            yield from _inner(read_json(text))
        except ValueError:
            return


def _inner(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _inner(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _inner(inner)
