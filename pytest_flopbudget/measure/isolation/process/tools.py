"""Tools that slow a model down, and that nobody could suspend without taking something away."""

from __future__ import annotations

import sys
import tracemalloc
from typing import TYPE_CHECKING

import torch

from pytest_flopbudget.measure.isolation.process.tracers import tracers_at_work
from pytest_flopbudget.measure.torch_internals.autograd import is_profiling
from pytest_flopbudget.measure.torch_internals.dispatch import dispatch_modes, function_modes
from pytest_flopbudget.measure.torch_internals.modules import has_global_hooks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

MEMRAY = "pytest_memray"  # wraps the function of a test that it tracks, and hooks `malloc`


def tools_at_work(*, training: bool) -> Iterator[str]:
    """Name the tools that slow down what runs now."""
    yield from tracers_at_work()
    if _is_below(MEMRAY):
        yield "`pytest-memray`"
    if tracemalloc.is_tracing():
        yield "`tracemalloc`"
    if is_profiling():
        yield "`torch.profiler`"
    for mode in (*function_modes(), *dispatch_modes()):
        yield f"the mode `{type(mode).__name__}`"
    if has_global_hooks():
        yield "a hook of all modules"
    if training and torch.is_anomaly_enabled():
        yield "the detection of anomalies"


def _is_below(package: str) -> bool:
    """Return whether a function of a package called what runs now."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package:
            return True
        frame = frame.f_back
    return False
