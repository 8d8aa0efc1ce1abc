"""The module tracker: which layer of a model runs now."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.call import shapes
from pytest_flopbudget.measure.layers import ROOT, Layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from pytest_flopbudget.profile.shapes import Shape


class ModuleTracker:
    """Hooks that keep a stack of the running layers.

    `on_switch(layer)` is called whenever another layer starts to run or goes on, `on_enter` and
    `on_exit` with a layer and the values that go in and come out. What runs outside of every
    layer, and after an exception, belongs to the root.
    """

    def __init__(
        self,
        layers: Layers,
        *,
        on_switch: Callable[[int], None] | None = None,
        on_enter: Callable[[int, Any], None] | None = None,
        on_exit: Callable[[int, Any], None] | None = None,
    ) -> None:
        self.layers = layers
        self.stack: list[int] = []
        self.current = ROOT
        self._on_switch = on_switch
        self._on_enter = on_enter
        self._on_exit = on_exit

    def __deepcopy__(self, _memo: dict[int, Any]) -> ModuleTracker:
        """A layer that is copied while it is watched keeps its hooks, and what they lead to."""
        return self

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hold the hooks on every layer, outside of the hooks that the model has already."""
        handles = []
        try:
            for index, module in enumerate(self.layers.modules):
                if isinstance(module, torch.jit.RecursiveScriptModule):  # type: ignore[attr-defined]
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
            self.stack.clear()
            self.current = ROOT

    def _enter(self, index: int, _module: nn.Module, args: Any, kwargs: Any) -> None:
        if self._on_enter is not None:
            self._on_enter(index, (args, kwargs))
        self.stack.append(index)
        self._switch(index)

    def _exit(self, index: int, _module: nn.Module, _args: Any, output: Any) -> None:
        while self.stack and self.stack.pop() != index:
            pass  # a layer below that was left without its hook
        self._switch(self.stack[-1] if self.stack else ROOT)
        if self._on_exit is not None:
            self._on_exit(index, output)

    def _switch(self, index: int) -> None:
        self.current = index
        if self._on_switch is not None:
            self._on_switch(index)


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
