"""The engines `thop` and `yolov5`: twice the MACs that the installed THOP counts.

Two distributions install the module `thop`: the MIT one from PyPI and `ultralytics-thop`.
Whichever lies there counts; the profile names it.
"""

from __future__ import annotations

import hashlib
import importlib
import warnings
from base64 import urlsafe_b64encode
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.call import ModelCall, set_mode
from pytest_flopbudget.measure.counting.backends.meta import MetaBackend
from pytest_flopbudget.measure.counting.backends.real import RealBackend
from pytest_flopbudget.measure.counting.flop_count import FlopCount, UncountedOperator
from pytest_flopbudget.measure.counting.module_tracker import ModuleCalls, ModuleTracker
from pytest_flopbudget.measure.isolation.interrupts import reraise_foreign
from pytest_flopbudget.measure.isolation.random_state import seed_generators
from pytest_flopbudget.measure.isolation.tensor_contents import contents_restored
from pytest_flopbudget.measure.layers import ROOT, Layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_flopbudget.measure.counting.backends.base import Backend
    from pytest_flopbudget.measure.profiled_call import ProfiledCall

    Rule = Callable[[Any, Any, Any], None]

DISTRIBUTIONS = ("thop", "ultralytics-thop")


def count_flops(profiled: ProfiledCall, engine: str) -> FlopCount:
    """Count one call with THOP, on meta tensors if the model runs there, else for real.

    Raises:
        MeasureError: THOP is not there, or the call is one that it cannot count.
        Exception: what the model itself raises when it runs for real.
    """
    if profiled.call.training:
        raise MeasureError(
            f"engine `{engine}` counts inference only",
            'use engine="dispatch" for mode="training"',
        )
    if profiled.is_on_meta:
        return _count_in(MetaBackend(), profiled, engine)
    try:
        return _count_in(MetaBackend(), profiled, engine)
    except MeasureError:
        raise
    except Exception as error:  # noqa: BLE001 - if it is the model's own, it comes again
        reraise_foreign(error)
        with contents_restored(profiled.state.tensors):
            return _count_in(RealBackend(), profiled, engine)


def counter() -> str:
    """Name the distribution and the version that provide the module `thop`."""
    module = load()
    found = [d for d in map(_distribution, DISTRIBUTIONS) if d is not None]
    owners = [d for d in found if _owns(d, str(module.__file__))] or found
    if not owners:
        return "thop, of no distribution"
    return f"{owners[0].metadata['Name']} {owners[0].version}"


def load() -> Any:
    """Import THOP.

    Raises:
        MeasureError: it cannot be imported.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports distutils, which is deprecated
            return importlib.import_module("thop.profile")
    except ImportError as error:
        raise MeasureError(
            f"the THOP engines need the module `thop`: {error}", "pip install thop setuptools"
        ) from None


class _Caller(nn.Module):
    """The model with its arguments, since THOP passes no keywords; notes what THOP counted.

    THOP keeps its count of a layer in the layer, as `total_ops`, while it runs.
    """

    def __init__(self, model: nn.Module, call: ModelCall, layers: Layers) -> None:
        super().__init__()
        self.model = model
        self.own_macs: list[float] = []
        self._call = call
        self._layers = layers

    def forward(self) -> None:
        self._call.run(self.model)
        modules: list[Any] = list(self._layers.modules)
        self.own_macs = [float(counted.total_ops) for counted in modules]


def _count_in(backend: Backend, profiled: ProfiledCall, engine: str) -> FlopCount:
    thop, layers, state = load(), profiled.layers, profiled.state
    custom = YOLOV5_RULES if engine == "yolov5" else {}
    rules = {**thop.register_hooks, **custom}
    tracker = ModuleTracker(layers)
    seed_generators(profiled.seed)
    try:
        state.substitute(backend.substitute)
        set_mode(profiled.module, training=False)
        with (
            backend.inputs(profiled.call) as inputs,
            tracker.attached(),
            profiled.call.output.once(),
        ):
            caller = _Caller(profiled.module, inputs, layers)
            total, *_ = thop.profile(caller, inputs=(), custom_ops=custom, verbose=False)
    finally:
        state.restore()
    module_calls = tracker.module_calls
    own = _own_flops(caller.own_macs, total)
    count = FlopCount(backend.name, own, [0] * len(layers), module_calls)
    count.written = [t for t in state.tensors if not isinstance(t, nn.Parameter)]  # perhaps
    inherits = hasattr(thop, "_resolve_rule")  # the rules of base classes count, too
    for index in _without_rule(layers, module_calls, rules, inherits=inherits):
        kind = type(layers.modules[index]).__name__
        ran = UncountedOperator(index, module_calls.inputs[index], module_calls.calls[index])
        count.uncounted[f"layer:{kind}", index] = ran
    return count


def _own_flops(own_macs: list[float], total_macs: float) -> list[int]:
    """Turn the MACs of each layer into FLOPs that add up to THOP's own total.

    What THOP adds on top belongs to the root: a shared layer that it visits once more, or the
    functional products that `ultralytics-thop` counts.
    """
    flops = [round(2 * macs) for macs in own_macs]
    flops[ROOT] += round(2 * total_macs) - sum(flops)
    return flops


def _without_rule(
    layers: Layers, module_calls: ModuleCalls, rules: dict[type, Any], *, inherits: bool
) -> Iterator[int]:
    """Yield the layers that ran and hold parameters of their own, but have no rule."""
    for index, module in enumerate(layers.modules):
        kinds = type(module).__mro__ if inherits else (type(module),)
        has_parameters = any(True for _ in module.parameters(recurse=False))
        if (
            has_parameters
            and module_calls.calls[index]
            and not any(kind in rules for kind in kinds)
        ):
            yield index


def _batch_norm(module: Any, inputs: Any, output: torch.Tensor) -> None:
    """THOP 0.0.31: 2 MACs per output of a batch norm."""
    del inputs
    module.total_ops += 2 * output.numel()


def _free(module: Any, inputs: Any, output: Any) -> None:
    """THOP 0.0.31 had no rule for upsampling."""


YOLOV5_RULES: dict[type[nn.Module], Rule] = {
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm3d: _batch_norm,
    nn.SyncBatchNorm: _batch_norm,
    nn.Upsample: _free,
    nn.UpsamplingNearest2d: _free,
    nn.UpsamplingBilinear2d: _free,
}


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _owns(dist: Distribution, file: str) -> bool:
    """Return whether a file is as a distribution installed it; the last one to install wins."""
    for entry in dist.files or ():
        if str(entry.locate()) == file and entry.hash is not None:
            with open(file, "rb") as stream:  # noqa: PTH123
                digest = hashlib.new(entry.hash.mode, stream.read()).digest()
            return urlsafe_b64encode(digest).rstrip(b"=").decode() == entry.hash.value
    return False
