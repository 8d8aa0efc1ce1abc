"""Models with lazy parameters, whose shapes the first call gives them."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

from pytest_flopbudget.measure.call import set_mode
from pytest_flopbudget.measure.isolation.model_state import restored_after
from pytest_flopbudget.measure.isolation.random_state import seed_generators
from pytest_flopbudget.measure.isolation.tensor_contents import contents_restored, memory_restored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from pytest_flopbudget.measure.call import ModelCall

NOT_RUN = (0,)  # the shape of a parameter whose layer the call does not run


@contextmanager
def initialized(model: nn.Module, call: ModelCall, seed: int) -> Iterator[None]:
    """Give lazy parameters their shapes by a first call; the model is lazy again at the end.

    Parameters of its own take the place of the lazy ones meanwhile.

    Raises:
        Exception: what the first call raises.
    """
    if not list(_lazy_tensors(model)):
        yield
        return
    with restored_after(call.owner(model)) as state:
        others = [tensor for tensor in state.tensors if not is_lazy(tensor)]
        with contents_restored(others), memory_restored(others):
            copies = {id(t): (t, _copy(t)) for t in state.tensors if is_lazy(t)}
            state.substitute(lambda tensor: copies.get(id(tensor), (tensor, tensor))[1])
            training = [(module, module.training) for module in model.modules()]
            seed_generators(seed)
            set_mode(model, training=call.training)
            with call.substituted(torch.clone) as inputs, call.output.once():
                inputs.forward(model)
            for module, flag in training:
                module.training = flag
            for tensor in list(_lazy_tensors(model)):
                tensor.materialize(NOT_RUN)
            yield


def _lazy_tensors(model: nn.Module) -> Iterator[Any]:
    return filter(is_lazy, chain(model.parameters(), model.buffers()))


def _copy(tensor: Any) -> Any:
    """Copy a tensor that has no shape yet."""
    options = {"device": tensor.device, "dtype": tensor.dtype}
    if isinstance(tensor, UninitializedBuffer):
        return UninitializedBuffer(**options)
    return UninitializedParameter(requires_grad=tensor.requires_grad, **options)
