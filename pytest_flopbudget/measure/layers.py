"""The layers of a model, and which of them runs now."""

from __future__ import annotations

from bisect import bisect_right
from operator import add
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.torch_internals.autograd import next_sequence_number
from pytest_flopbudget.measure.torch_internals.modules import compiled_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


ROOT = 0  # the index of the model itself, and of what runs outside of every layer


class Layers:
    """The modules of a model in the order of `named_modules()`, each under its first name."""

    def __init__(self, model: nn.Module) -> None:
        named = dict(model.named_modules())
        self.paths = list(named)
        self.modules: list[nn.Module] = list(named.values())

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


class AutogradOwners:
    """Which layer ran when autograd gave out a sequence number.

    The nodes of the backward graph are numbered in the order in which forward makes them, so
    the numbers at which another layer took over tell whose node one is.
    """

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._layers: list[int] = []

    def note(self, layer: int) -> None:
        """Note that from here on `layer` makes the nodes."""
        self._numbers.append(next_sequence_number())
        self._layers.append(layer)

    def at(self, number: int) -> int:
        """Return the layer that made a node."""
        position = bisect_right(self._numbers, number) - 1
        return self._layers[position] if position >= 0 else 0


def uncompiled(model: nn.Module) -> nn.Module:
    """Return the model that a compiled one was made of, or the model itself."""
    return compiled_from(model) or model
