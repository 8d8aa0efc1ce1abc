"""The tools that count, each as its documentation calls it, without what it prints."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

OURS = "ours"


@dataclass(frozen=True)
class Tool:
    """The module to import, and how it counts one call of a model, layer by layer."""

    module: str
    count: Callable[[Any, nn.Module, Tensor], object]

    def __call__(self, model: nn.Module, tensor: Tensor) -> object:
        """Count quietly and without gradients."""
        with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            return self.count(import_module(self.module), model, tensor)


def _ours(package: Any, model: nn.Module, tensor: Tensor) -> object:
    return package.profile_model(model, tensor)


def _thop(thop: Any, model: nn.Module, tensor: Tensor) -> object:
    return thop.profile(model, (tensor,), ret_layer_info=True, verbose=False)


def _fvcore(fvcore: Any, model: nn.Module, tensor: Tensor) -> object:
    analysis = fvcore.FlopCountAnalysis(model, tensor)
    analysis.unsupported_ops_warnings(enabled=False).uncalled_modules_warnings(enabled=False)
    return analysis.by_module()


def _ptflops(ptflops: Any, model: nn.Module, tensor: Tensor) -> object:
    """Pass the input by the name that it has in the model's forward."""
    argument = next(iter(signature(model.forward).parameters))
    return ptflops.get_model_complexity_info(
        model,
        tuple(tensor.shape),
        input_constructor=lambda _: {argument: tensor},
        print_per_layer_stat=True,
        verbose=False,
    )


def _torchinfo(torchinfo: Any, model: nn.Module, tensor: Tensor) -> object:
    return torchinfo.summary(model, input_data=[tensor], depth=99, device=tensor.device, verbose=0)


def _calflops(calflops: Any, model: nn.Module, tensor: Tensor) -> object:
    return calflops.calculate_flops(
        model, args=[tensor], print_results=True, print_detailed=True, output_as_string=False
    )


def _torch(flop_counter: Any, model: nn.Module, tensor: Tensor) -> object:
    with flop_counter.FlopCounterMode(display=False) as counter:
        model(tensor)
    return counter.get_flop_counts()


TOOLS = {
    OURS: Tool("pytest_flopbudget", _ours),
    "torch": Tool("torch.utils.flop_counter", _torch),
    "thop": Tool("thop", _thop),
    "fvcore": Tool("fvcore.nn", _fvcore),
    "ptflops": Tool("ptflops", _ptflops),
    "torchinfo": Tool("torchinfo", _torchinfo),
    "calflops": Tool("calflops", _calflops),
}
