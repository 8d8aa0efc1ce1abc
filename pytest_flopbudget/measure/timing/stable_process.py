"""What is kept the same in this process while a model is timed."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from pytest_flopbudget.measure.isolation.global_flags import garbage_collection_off

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def stable_process(threads: int) -> Iterator[None]:
    """Set the number of intra-op threads, and collect garbage before and not meanwhile."""
    before = torch.get_num_threads()
    gc.collect()
    torch.set_num_threads(threads)
    try:
        with garbage_collection_off():
            yield
    finally:
        torch.set_num_threads(before)
