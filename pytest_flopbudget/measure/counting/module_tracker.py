"""The module tracker: which layer of a model runs now, forward and backward."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.call import shapes
from pytest_flopbudget.measure.layers import ROOT, AutogradOwners, Layers
from pytest_flopbudget.measure.torch_internals.autograd import running_node, sequence_number
from pytest_flopbudget.measure.torch_internals.modules import is_scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from pytest_flopbudget.profile.shapes import Shape


class ModuleTracker:
    """Hooks on all layers that keep a stack of those that run.

    What runs outside of every layer, and after an exception, belongs to the root. A node of the
    backward graph belongs to the layer that made it, unless a layer runs again to recompute it.
    """

    def __init__(
        self,
        layers: Layers,
        *,
        training: bool = False,
        on_enter: Callable[[int, Any], None] = lambda _layer, _values: None,
    ) -> None:
        self.current = ROOT  # the layer that runs, or ran last, in forward code
        self.in_backward = False
        self.module_calls = ModuleCalls(layers)
        self._layers = layers
        self._stack: list[int] = []
        self._owners = AutogradOwners() if training else None
        self._on_enter = on_enter  # gets a layer and its inputs, before it runs

    def __deepcopy__(self, _memo: dict[int, Any]) -> ModuleTracker:
        """Stay the same one: a layer that forward copies keeps its hooks, which lead here."""
        return self

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hold the hooks on every layer, outside of the hooks that the model has already."""
        handles = []
        try:
            for index, module in enumerate(self._layers.modules):
                if is_scripted(module):
                    continue  # it takes no hooks: what it runs belongs to the layer around it
                enter, leave = partial(self._enter, index), partial(self._exit, index)
                handles += [
                    module.register_forward_pre_hook(enter, prepend=True, with_kwargs=True),
                    module.register_forward_hook(leave, always_call=True),
                ]
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._stack.clear()
            self.current = ROOT

    @contextmanager
    def backward(self) -> Iterator[None]:
        """Attribute what runs to the layers whose nodes of the backward graph run."""
        self.in_backward = True
        try:
            yield
        finally:
            self.in_backward = False

    def owner_in_backward(self) -> int:
        """Return the layer whose forward made the node that runs now, or that recomputes it."""
        node = None if self._stack or self._owners is None else running_node()
        if node is None or self._owners is None:
            return self.current
        return self._owners.at(sequence_number(node))

    def _enter(self, index: int, _module: nn.Module, args: Any, kwargs: Any) -> None:
        self._on_enter(index, (args, kwargs))
        self.module_calls.enter(index, (args, kwargs))
        self._stack.append(index)
        self._take_over(index)

    def _exit(self, index: int, _module: nn.Module, _args: Any, output: Any) -> None:
        while self._stack and self._stack.pop() != index:
            pass  # a layer below that was left without its hook
        self._take_over(self._stack[-1] if self._stack else ROOT)
        self.module_calls.exit(index, output)

    def _take_over(self, index: int) -> None:
        self.current = index
        if self._owners is not None:
            self._owners.note(index)


class ModuleCalls:
    """How often each layer ran, and the shapes of its first call."""

    def __init__(self, layers: Layers) -> None:
        self.calls = [0] * len(layers)
        self.inputs: list[tuple[Shape, ...]] = [()] * len(layers)
        self.outputs: list[tuple[Shape, ...]] = [()] * len(layers)
        self._running = [0] * len(layers)  # calls that have begun and not ended
        self._noted: set[int] = set()  # layers whose first call has ended

    def enter(self, layer: int, values: Any) -> None:
        """Note a call and, if it is the first, the shapes of its inputs."""
        self.calls[layer] += 1
        self._running[layer] += 1
        if self.calls[layer] == 1:
            self.inputs[layer] = shapes(values)

    def exit(self, layer: int, values: Any) -> None:
        """Note the shapes of what the first call returned."""
        self._running[layer] -= 1
        if not self._running[layer] and layer not in self._noted:
            self._noted.add(layer)
            self.outputs[layer] = shapes(values)
