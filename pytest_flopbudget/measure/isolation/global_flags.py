"""The global flags of torch that a forward may set: read before a measurement, restored after.

And two of Python: whether garbage is collected, and how deep calls may be nested.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch

from pytest_flopbudget.measure.hardware.devices import accelerator
from pytest_flopbudget.measure.torch_internals.autograd import set_grad_enabled
from pytest_flopbudget.measure.torch_internals.flags import default_device, nnpack_enabled

Flag = tuple[Callable[[], Any], Callable[[Any], Any]]  # reads it, sets it

ATTRIBUTES = {
    "backends.cudnn": "enabled benchmark deterministic allow_tf32 fp32_precision",
    "backends.cudnn.conv": "fp32_precision",
    "backends.cudnn.rnn": "fp32_precision",
    "backends.mkldnn": "enabled deterministic fp32_precision",
    "backends.mkldnn.matmul": "fp32_precision",
    "backends.mkldnn.conv": "fp32_precision",
    "backends.mkldnn.rnn": "fp32_precision",
    "backends.opt_einsum": "enabled strategy",
    "backends.quantized": "engine",
    "backends.cuda.matmul": """
        allow_tf32 allow_fp16_reduced_precision_reduction allow_bf16_reduced_precision_reduction
        fp32_precision
    """,
}
FUNCTIONS = {  # by module: what reads a flag, what sets it
    "": """
        get_num_threads set_num_threads  get_default_dtype set_default_dtype
        get_float32_matmul_precision set_float32_matmul_precision
        is_anomaly_enabled set_anomaly_enabled
        is_autocast_cache_enabled set_autocast_cache_enabled
    """,
    "backends.mha": "get_fastpath_enabled set_fastpath_enabled",
    "backends.cuda": """
        flash_sdp_enabled enable_flash_sdp  mem_efficient_sdp_enabled enable_mem_efficient_sdp
        math_sdp_enabled enable_math_sdp  cudnn_sdp_enabled enable_cudnn_sdp
    """,
}


@contextmanager
def global_flags_restored() -> Iterator[None]:
    """Restore every flag that was changed, also after an exception."""
    before = list(_readable(_flags()))
    try:
        yield
    finally:
        for read, write, value in before:
            if read() != value:
                write(value)


def _readable(flags: Iterator[Flag]) -> Iterator[tuple[Callable[[], Any], Any, Any]]:
    """Yield what reads and sets each flag that this version has, and its value.

    torch refuses the old names of precisions once a new one was used.
    """
    for read, write in flags:
        try:
            value = read()
        except (AttributeError, RuntimeError):
            continue
        yield read, write, value


def _flags() -> Iterator[Flag]:
    yield from _named_flags()
    yield torch.is_grad_enabled, set_grad_enabled
    yield default_device, torch.set_default_device
    yield nnpack_enabled, torch.backends.nnpack.set_flags
    yield 2 * (torch.backends.cuda.preferred_linalg_library,)
    # To set this one imports `torch._inductor`, so it is good that it is set only if it changed.
    yield (
        _deterministic,
        lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
    )
    for kind in ("cpu", *([found.type] if (found := accelerator()) else [])):
        yield partial(torch.is_autocast_enabled, kind), partial(torch.set_autocast_enabled, kind)
        yield partial(torch.get_autocast_dtype, kind), partial(torch.set_autocast_dtype, kind)


@cache
def _named_flags() -> tuple[Flag, ...]:
    """Return the flags that have a name and that this version has."""
    flags: list[Flag] = []
    for path, names in ATTRIBUTES.items():
        owner = _find(path)
        both = ([partial(f, owner, name) for f in (getattr, setattr)] for name in names.split())
        flags += [(read, write) for read, write in both if owner is not None]
    for path, functions in FUNCTIONS.items():
        pairs = iter([_find(f"{path}.{name}".lstrip(".")) for name in functions.split()])
        flags += [(read, write) for read, write in zip(pairs, pairs, strict=True) if read]
    return tuple(flags)


def _find(path: str) -> Any:
    """Return something of torch by its path; `None` where this version does not have it."""
    found: Any = torch
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _deterministic() -> tuple[bool, bool]:
    """Return whether deterministic algorithms are asked for, and whether only by a warning."""
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


@contextmanager
def garbage_collection_off() -> Iterator[None]:
    """Keep the garbage collector from running inside of the context."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def deeper_calls_allowed(frames: int) -> Iterator[None]:
    """Let calls be nested deeper by some frames: those that a measurement adds to a model's own."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + frames)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
