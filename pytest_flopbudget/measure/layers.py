"""The layers of a model: their paths, the sums over them, and whether they are compiled."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from operator import add
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.escaping import encodable
from pytest_flopbudget.measure.torch_internals.autograd import next_sequence_number
from pytest_flopbudget.measure.torch_internals.modules import (
    compiled_call,
    compiled_from,
    has_compiled_forward,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


ROOT = 0  # the index of the model itself, and of what runs outside of every layer


class Layers:
    """The modules of a model in the order of `named_modules()`, each under its first name."""

    def __init__(self, model: nn.Module) -> None:
        named = dict(model.named_modules())
        self.paths: list[str] = [encodable(path) for path in named]
        self.modules: list[nn.Module] = list(named.values())

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def depth(self) -> int:
        """How many layers are nested in each other at the most."""
        return 1 + max(path.count(".") for path in self.paths)

    def totals(self, own: list[Any], join: Callable[[Any, Any], Any] = add) -> list[Any]:
        """Return for each layer the sum of what it and all layers below it have of their own."""
        totals = list(own)
        for i in range(len(self) - 1, ROOT, -1):  # children come after their parents
            around = self._around[i]
            totals[around] = join(totals[around], totals[i])
        return totals

    @cached_property
    def _around(self) -> list[int]:
        """The index of the layer around each one; the model is around itself."""
        index = {path: i for i, path in enumerate(self.paths)}
        around = []
        for path in self.paths:
            above = path.rpartition(".")[0]
            while above not in index:
                above = above.rpartition(".")[0]
            around.append(index[above])
        return around


class AutogradOwners:
    """The layers that own the nodes of the backward graph.

    Forward numbers the nodes in the order in which it makes them, so the numbers at which another
    layer began to run tell which layer made a node.
    """

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._layers: list[int] = []

    def note(self, layer: int) -> None:
        """Note that from here on `layer` makes the nodes."""
        self._numbers.append(next_sequence_number())
        self._layers.append(layer)

    def at(self, number: int) -> int:
        """Return the layer that made the node of a sequence number."""
        position = bisect_right(self._numbers, number) - 1
        return self._layers[position] if position >= 0 else ROOT


def is_compiled(module: nn.Module) -> bool:
    """Return whether a module runs as compiled, so that no layer below it is called any more."""
    return (
        compiled_from(module) is not None
        or compiled_call(module) is not None
        or has_compiled_forward(module)
    )


def uncompiled(model: nn.Module) -> nn.Module:
    """Return the model that a compiled one was made of, or the model itself."""
    original = compiled_from(model)
    return model if original is None else original
