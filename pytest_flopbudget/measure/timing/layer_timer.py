"""The layer timer: marks in one call when another layer begins to run, without any hook."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.call import tensors_in
from pytest_flopbudget.measure.call_interception import intercepted_calls
from pytest_flopbudget.measure.layers import ROOT, AutogradOwners, Layers
from pytest_flopbudget.measure.torch_internals.autograd import (
    is_gradient_accumulation,
    sequence_number,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_flopbudget.measure.timing.clock import Clock


class LayerMarks:
    """The marks of one pass through a model: when which layer began to run."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: list[Any] = []
        self._layers: list[int] = []  # by mark
        self.running = ROOT

    def begin(self, layer: int) -> int:
        """Mark that from here on `layer` runs, and return the one that ran before."""
        before, self.running = self.running, layer
        self._layers.append(layer)
        self._marks.append(self._clock.mark())
        return before

    @property
    def layers(self) -> set[int]:
        """The layers that ran."""
        return set(self._layers)

    def own_ns(self, number: int) -> list[int]:
        """Return for each of `number` layers how long it ran, once the marks are settled."""
        own = [0] * number
        for layer, start, end in zip(self._layers, self._marks, self._marks[1:], strict=False):
            own[layer] += self._clock.between_ns(start, end)
        return own


class LayerTimer:
    """The marks of one call of a model: of its forward pass, and of its backward pass."""

    def __init__(self, layers: Layers, clock: Clock, *, training: bool) -> None:
        self.forward, self.backward = LayerMarks(clock), LayerMarks(clock)
        self._current = self.forward
        self._layers = layers
        self._owners = AutogradOwners() if training else None
        self._hooks: list[Any] = []  # on the nodes of the backward graph

    @contextmanager
    def intercepting(self) -> Iterator[None]:
        """Mark the beginning and the end of each layer that is called inside of the context."""
        try:
            with intercepted_calls(self._layers, self._timed):
                yield
        finally:
            for hook in self._hooks:
                hook.remove()

    def start(self) -> None:
        """Begin the forward pass."""
        self._begin(ROOT)

    def end_forward(self, output: Any) -> None:
        """End the forward pass, and mark in the backward pass where nodes of another layer begin.

        The time of a node belongs to the layer that made it; what has no layer, such as adding
        to a `.grad`, goes to the layer that ran before.
        """
        self._begin(ROOT)
        if self._owners is None:
            return
        for node in _graph([tensor.grad_fn for tensor in tensors_in(output)]):
            if not is_gradient_accumulation(node):
                owner = self._owners.at(sequence_number(node))
                self._hooks.append(node.register_prehook(self._node_of(owner)))
        self._current = self.backward
        self._current.begin(ROOT)

    def stop(self) -> None:
        """End the last pass."""
        self._current.begin(ROOT)

    def _begin(self, layer: int) -> int:
        if self._owners is not None:
            self._owners.note(layer)
        return self._current.begin(layer)

    def _timed(self, layer: int, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            before = self._begin(layer)
            try:
                return call(*args, **kwargs)
            finally:
                self._begin(before)

        return timed

    def _node_of(self, layer: int) -> Callable[[Any], None]:
        def begin(_: Any) -> None:
            if self._current.running != layer:
                self._current.begin(layer)

        return begin


def _graph(roots: Sequence[Any]) -> Iterator[Any]:
    """Yield every node of a backward graph once."""
    waiting, seen = [node for node in roots if node is not None], set()
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting += [below for below, _ in node.next_functions if below is not None]
