"""Eager mode: a model runs as it was written; layers are not fused, nothing is compiled."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.backends import opt_einsum  # an older torch does not import it itself

from pytest_flopbudget.measure.isolation.global_flags import global_flags_restored
from pytest_flopbudget.measure.torch_internals.modules import (
    COMPILED_CALL,
    compiled_call,
    compiled_from,
    dynamo_is_loaded,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from pytest_flopbudget.measure.layers import Layers


@contextmanager
def eager_mode(layers: Layers, *, training: bool) -> Iterator[None]:
    """Keep layers from fusing, and let compiled ones run uncompiled until their state is restored.

    A fused `nn.TransformerEncoderLayer` hides the layers inside of it, and the backward of a
    fused `nn.LSTM` computes gradients that nobody asked for. Without oneDNN the convolutions of a
    real run take up to 30 times as long, so it is off only where there is such a layer. A fused
    attention computes all gradients, also those that nobody asked for. An `einsum` of three tensors
    and more goes from left to right, whether or not `opt_einsum` is installed.
    """
    with global_flags_restored(), _uncompiled_functions(), _casts_forgotten():
        torch.backends.mha.set_fastpath_enabled(False)
        opt_einsum.enabled = False
        if any(isinstance(module, nn.RNNBase) for module in layers.modules):
            torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
            torch.backends.cudnn.enabled = False
        if training:
            torch.backends.cuda.enable_math_sdp(True)
            torch.backends.cuda.enable_flash_sdp(False)  # also that of the CPU
            torch.backends.cuda.enable_mem_efficient_sdp(False)
            torch.backends.cuda.enable_cudnn_sdp(False)
        _uncompile(layers)
        yield


def _uncompile(layers: Layers) -> None:
    for module in layers.modules:
        original = compiled_from(module)
        if original is not None:
            vars(module)["forward"] = original
        if compiled_call(module) is not None:
            vars(module)[COMPILED_CALL] = None


@contextmanager
def _casts_forgotten() -> Iterator[None]:
    """Forget the casts that autocast keeps, before and after: all are those of a first call."""
    torch.clear_autocast_cache()
    try:
        yield
    finally:
        torch.clear_autocast_cache()


def _uncompiled_functions() -> AbstractContextManager[Any]:
    """Return the context in which compiled functions run as they were written."""
    return torch.compiler.set_stance("force_eager") if dynamo_is_loaded() else nullcontext()
