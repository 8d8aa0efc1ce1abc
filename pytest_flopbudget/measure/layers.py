"""The layers of a model, and which of them runs now."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import contextmanager
from functools import partial
from operator import add
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.call import tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from pytest_flopbudget.profile import Shape

ROOT = 0  # the index of the model itself, and of what runs outside of every layer


class Layers:
    """The modules of a model in the order of `named_modules()`, each under its first name."""

    def __init__(self, model: nn.Module) -> None:
        named = dict(model.named_modules())
        self.paths = list(named)
        self.modules = list(named.values())

    def __len__(self) -> int:
        return len(self.paths)

    def totals(self, own: list[Any], both: Callable[[Any, Any], Any] = add) -> list[Any]:
        """Sum own costs over each path and all paths below it, or join them otherwise."""
        totals = list(own)
        index = {path: i for i, path in enumerate(self.paths)}
        for i in range(len(self) - 1, ROOT, -1):  # children come after their parents
            path = self.paths[i]
            while path:
                path = path.rpartition(".")[0]
                if path in index:
                    totals[index[path]] = both(totals[index[path]], totals[i])
                    break
        return totals


class Tracker:
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

    def __deepcopy__(self, _memo: dict[int, Any]) -> Tracker:
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


class Switches:
    """Which layer ran when autograd gave out a sequence number.

    The nodes of the backward graph are numbered in the order in which forward makes them, so
    the numbers at which another layer took over tell whose node one is.
    """

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._layers: list[int] = []

    def note(self, layer: int) -> None:
        """Note that from here on `layer` makes the nodes."""
        self._numbers.append(torch._C._autograd._get_sequence_nr())
        self._layers.append(layer)

    def at(self, number: int) -> int:
        """Return the layer that made a node."""
        position = bisect_right(self._numbers, number) - 1
        return self._layers[position] if position >= 0 else 0


class Visits:
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


def shapes(values: Any) -> tuple[Shape, ...]:
    """List the shapes of the tensors in nested values; a nested tensor has none."""
    found = (values,) if isinstance(values, torch.Tensor) else tensors_in(values)
    return tuple(tuple(map(int, t.shape)) for t in found if not _is_nested(t))


def _is_nested(tensor: torch.Tensor) -> bool:
    return tensor.is_nested or tensor.layout == torch.jagged
