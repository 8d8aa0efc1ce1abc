"""Small models and shortcuts that several files share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.call import ModelCall, set_mode
from pytest_flopbudget.measure.counting.dispatch_engine import CountingRun
from pytest_flopbudget.measure.isolation.model_state import SavedState, restored_after
from pytest_flopbudget.measure.layers import Layers
from pytest_flopbudget.measure.profiled_call import ProfiledCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_flopbudget.measure.counting.flop_count import FlopCount
    from pytest_flopbudget.profile.model_profile import ModelProfile


class Fn(nn.Module):
    """A function as a model; what it needs besides its inputs are its layers and tensors."""

    def __init__(self, function: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)
        self.wants_self = bool(parts)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*((self,) if self.wants_self else ()), *args, **kwargs)


def x(*shape: int, **kwargs: Any) -> Tensor:
    """An input; its values do not matter."""
    return torch.zeros(shape, **kwargs)


def mlp() -> nn.Sequential:
    """8 -> 16 -> 4: 128 + 16 and 64 + 4 parameters; 256 and 128 FLOPs per row."""
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def flops_of(model: nn.Module, *args: Any, **kwargs: Any) -> int:
    """Count a forward call of which nothing may stay uncounted."""
    profile = profile_model(model, args, kwargs)
    assert profile.uncounted == ()
    assert profile.flops is not None
    return profile.flops


def both_ways(profile: ModelProfile, path: str) -> tuple[int | None, int | None]:
    """Give the own forward and backward FLOPs of a layer."""
    return profile[path].own_forward_flops, profile[path].own_backward_flops


def counted_in(
    backend: Any,
    model: nn.Module,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    *,
    training: bool = False,
    traffic: bool = False,
) -> FlopCount:
    """Count one call on this backend and on no other."""
    call = ModelCall.of(model, args, kwargs, training=training)
    with restored_after(model):
        set_mode(model, training=training)
        profiled = ProfiledCall(model, Layers(model), SavedState(model), call)
        return CountingRun(backend, profiled, traffic=traffic).counted()


class Product(torch.autograd.Function):
    """A matrix product as a function with a backward of its own."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weight)
        return rows @ weight

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        rows, weight = ctx.saved_tensors
        return gradient @ weight.T, rows.T @ gradient
