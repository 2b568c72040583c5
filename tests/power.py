"""Cutting the power in the middle of a write."""

import contextlib
import itertools
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest


class PowerCut(BaseException):
    """Not an ``Exception``: nothing in the suite may survive it by catching broadly."""


@contextlib.contextmanager
def cut_power(step: int) -> Iterator[None]:
    """Let the ``step``-th flush, replace or removal of the block be its last act."""
    calls = itertools.count()
    dead = False

    def cut(real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: object, **kwargs: object) -> object:
            nonlocal dead
            if dead or next(calls) == step:
                dead = True
                raise PowerCut
            return real(*args, **kwargs)

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", cut(os.fsync))
        patch.setattr(pathlib.Path, "replace", cut(pathlib.Path.replace))
        patch.setattr(pathlib.Path, "unlink", cut(pathlib.Path.unlink))
        with contextlib.suppress(PowerCut):
            yield
