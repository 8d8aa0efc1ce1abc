"""Standing in for what calls a layer, to see it begin and end without a hook.

A hook takes as long as a small layer, and some layers of PyTorch run other operators when they see
one. What calls a module, `Module._call_impl`, is looked up on the instance, so that is where
something can stand in front of it, with the hooks that the model itself has behind it.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn

from pytest_flopbudget.measure.layers import ROOT, Layers
from pytest_flopbudget.measure.torch_internals.modules import (
    CALL,
    COMPILED_CALL,
    compiled_call,
    compiled_from,
    has_compiled_forward,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = Callable[..., Any]


@contextmanager
def intercepted_calls(layers: Layers, wrap: Callable[[int, Call], Call]) -> Iterator[None]:
    """Call each layer but the root by what `wrap` makes of its number and of what calls it."""
    with ExitStack() as stack:
        for layer, module in _called_one_by_one(layers):
            for name in (CALL, COMPILED_CALL):
                if (call := getattr(module, name)) is not None:
                    stand_in = _StandIn(module, name, wrap(layer, call))
                    stack.enter_context(_replaced(module, name, stand_in))
        yield


def is_compiled(module: nn.Module) -> bool:
    """Tell whether a module runs as compiled, so that no layer below it is called any more."""
    return (
        compiled_from(module) is not None
        or compiled_call(module) is not None
        or has_compiled_forward(module)
    )


class _StandIn:
    """Calls a layer; copied with its module, it is what calls the copy."""

    def __init__(self, module: nn.Module, name: str, call: Call) -> None:
        self._module = module
        self._name = name
        self._call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self._module, self._name)


def _called_one_by_one(layers: Layers) -> Iterator[tuple[int, nn.Module]]:
    """Yield the layers that are called themselves.

    Compiled code guards what the modules below it are, and `DataParallel` calls replicas of them.
    """
    hiding = [module for module in layers.modules if is_compiled(module) or _has_replicas(module)]
    below = {id(m) for module in hiding for m in module.modules() if m is not module}
    for layer, module in enumerate(layers.modules):
        if layer != ROOT and id(module) not in below:
            yield layer, module


def _has_replicas(module: nn.Module) -> bool:
    return isinstance(module, nn.DataParallel) and len(module.device_ids) > 1


@contextmanager
def _replaced(module: nn.Module, name: str, value: Any) -> Iterator[None]:
    """Put an attribute in front of what the class or the instance has, and take it away again."""
    attributes = module.__dict__
    had, before = name in attributes, attributes.get(name)
    attributes[name] = value
    try:
        yield
    finally:
        if had:
            attributes[name] = before
        else:
            attributes.pop(name, None)
