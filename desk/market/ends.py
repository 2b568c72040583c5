"""What ends a whole fetch instead of one symbol's part in it.

Place in the house: raised by ``desk.market.bitget.public`` and ``data_fetcher``, told by the doors.  Pure.

Not here: everything that costs one symbol only, see ``desk.errors``.
"""

from desk.errors import DeskError


class FetchEnds(DeskError):  # noqa: N818 - says what it does
    """No symbol would fare better: what was fetched is kept, and the run stops."""


class Unwritable(FetchEnds):
    """The cache folder cannot be written any more: the disk is full, or the folder is gone."""
