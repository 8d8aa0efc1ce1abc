"""What forward prints, logs and warns: a user wants it once, and not for each round of timing."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class Output:
    """The output of the calls of one model: that of the first one is kept."""

    def __init__(self) -> None:
        self._is_over = False

    def once(self) -> AbstractContextManager[None]:
        """Return the context of one call, which keeps its output only if it is the first."""
        if self._is_over:
            return output_dropped()
        self._is_over = True
        return nullcontext()


@contextmanager
def output_dropped() -> Iterator[None]:
    """Record nothing of what Python prints, logs and warns, in any thread.

    What a library writes past `sys.stdout` and `sys.stderr` is not seen from here.
    """
    with (
        Path(os.devnull).open("w", encoding="utf-8", errors="replace") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
        warnings.catch_warnings(),
        _nothing_logged(),
    ):
        warnings.showwarning = _ignored  # a filter that makes an error of it stays one
        yield


def _ignored(*_: Any, **__: Any) -> None:
    """Show no warning."""


@contextmanager
def _nothing_logged() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(sys.maxsize)
    try:
        yield
    finally:
        logging.disable(before)
