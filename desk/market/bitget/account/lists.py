"""Lists that the exchange hands out page by page.

Place in the house: between ``desk.market.bitget.account.account`` and ``desk.market.bitget.account.rest``.  A
path, the query of a page and its reader come in; the rows of all pages go out.  What a reader remarks is
logged once an hour.
"""

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from desk.errors import Unanswered
from desk.market.bitget.account.answers import ListPage
from desk.market.bitget.account.rest import SignedRest

MOST_PAGES = 50
MOST_REMARKS, HOUR_MS = 100, 3_600_000
"""Lines of the log in an hour: thousands of rows that differ would fill the disk."""

Item = TypeVar("Item")
log = logging.getLogger(__name__)


class PagedLists:
    """The lists of one account.

    Parameters
    ----------
    rest : SignedRest
    """

    def __init__(self, rest: SignedRest) -> None:
        self._rest = rest
        self._remarked: set[str] = set()
        """What was logged in this hour."""
        self._hour = 0

    async def rows(
        self,
        path: str,
        query: Callable[[str | None], Mapping[str, str]],
        reader: Callable[..., ListPage[Item]],
        *,
        attempts: int | None = None,
    ) -> list[Item]:
        """The rows of all pages, as they arrive: newest first.

        Parameters
        ----------
        path : str
        query : callable
            Given the id that the page lies below; None: the first page.
        reader : callable
            Of one page.
        attempts : int or None
            Of each page, instead of those of the settings.

        Raises
        ------
        Unanswered
            Also if there are more than ``MOST_PAGES``.
        """
        items: list[Item] = []
        before: str | None = None
        for _ in range(MOST_PAGES):
            page = await self._rest.read(path, query(before), reader, attempts=attempts)
            items += page.items
            for remark in page.remarks:
                self.remark(path, remark)
            if page.end in {None, before}:
                return items
            before = page.end
        raise Unanswered(f"more than {MOST_PAGES} pages", endpoint=path)

    def remark(self, path: str, text: str) -> None:
        """Log ``text``, once an hour, and not more than ``MOST_REMARKS``; nor what quotes the key."""
        if (hour := self._rest.now_ms() // HOUR_MS) != self._hour:
            self._hour = hour
            self._remarked.clear()
        text = self._rest.shown(text)
        if text not in self._remarked and len(self._remarked) < MOST_REMARKS:
            self._remarked.add(text)
            log.warning("%s: %s", path, text)
