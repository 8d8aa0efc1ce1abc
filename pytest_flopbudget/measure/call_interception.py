"""The interception of calls of layers: code before and after each one, without a hook.

A hook takes as long as a small layer, and some layers of PyTorch run other operators when they
have one. What calls a module, `Module._call_impl`, is looked up on the instance, so an attribute
of the instance runs instead of it, and around the hooks of the model itself.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn

from pytest_flopbudget.measure.layers import ROOT, Layers, is_compiled
from pytest_flopbudget.measure.torch_internals.modules import CALL, COMPILED_CALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = Callable[..., Any]


@contextmanager
def intercepted_calls(layers: Layers, wrap: Callable[[int, Call], Call]) -> Iterator[None]:
    """Call each layer but the root by what `wrap` makes of its index and of what calls it."""
    with ExitStack() as stack:
        for layer, module in _called_one_by_one(layers):
            for name in (CALL, COMPILED_CALL):
                if (call := getattr(module, name)) is not None:
                    intercepted = _InterceptedCall(module, name, wrap(layer, call))
                    stack.enter_context(_replaced(module, name, intercepted))
        yield


class _InterceptedCall:
    """What calls a layer instead of `Module._call_impl`; a copy of the layer calls itself."""

    def __init__(self, module: nn.Module, name: str, call: Call) -> None:
        self._module = module
        self._name = name
        self._call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self._module, self._name)  # the method of the copied module


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
    """Set an attribute of an instance, and restore or delete it at the end."""
    attributes = vars(module)
    had, before = name in attributes, attributes.get(name)
    attributes[name] = value
    try:
        yield
    finally:
        if had:
            attributes[name] = before
        else:
            attributes.pop(name, None)
