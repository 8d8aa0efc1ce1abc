"""How long each layer takes by itself: from marks at the moments when layers take turns."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
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

ONE_IN = 5  # rounds is good for a layer


class LayerMarks:
    """The marks of one way through a model: when which layer took over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: list[Any] = []
        self._layers: list[int] = []
        self.running = ROOT

    def switch(self, layer: int) -> int:
        """Mark that from here on `layer` runs, and return which one ran."""
        before, self.running = self.running, layer
        self._layers.append(layer)
        self._marks.append(self._clock.mark())
        return before

    @property
    def layers(self) -> set[int]:
        """The layers that ran."""
        return set(self._layers)

    def own_ns(self, number: int) -> list[int]:
        """Sum up for each of `number` layers how long it ran, once the marks are settled."""
        own = [0] * number
        for layer, start, end in zip(self._layers, self._marks, self._marks[1:], strict=False):
            own[layer] += self._clock.between_ns(start, end)
        return own


class LayerTimer:
    """Watches the layers take turns in one call of a model, forward and then backward."""

    def __init__(self, layers: Layers, clock: Clock, *, training: bool) -> None:
        self._layers = layers
        self.forward, self.backward = LayerMarks(clock), LayerMarks(clock)
        self._turns = self.forward
        self._switches = AutogradOwners() if training else None
        self._handles: list[Any] = []

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Stand in for what calls each layer."""
        try:
            with intercepted_calls(self._layers, self._timed):
                yield
        finally:
            for handle in self._handles:
                handle.remove()

    def start(self) -> None:
        """Begin with the first way."""
        self._switch(ROOT)

    def end_forward(self, output: Any) -> None:
        """End the way forward, and watch the backward graph of what came out.

        The time of a node belongs to the layer that made it; what has no layer, such as adding
        to a `.grad`, goes to the layer that ran before.
        """
        self._switch(ROOT)
        if self._switches is None:
            return
        for node in _graph([tensor.grad_fn for tensor in tensors_in(output)]):
            if not is_gradient_accumulation(node):
                layer = self._switches.at(sequence_number(node))
                self._handles.append(node.register_prehook(self._taking_over(layer)))
        self._turns = self.backward
        self._turns.switch(ROOT)

    def stop(self) -> None:
        """End the last way."""
        self._turns.switch(ROOT)

    def _switch(self, layer: int) -> int:
        if self._switches is not None:
            self._switches.note(layer)
        return self._turns.switch(layer)

    def _timed(self, layer: int, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            before = self._switch(layer)
            try:
                return call(*args, **kwargs)
            finally:
                self._switch(before)

        return timed

    def _taking_over(self, layer: int) -> Callable[[Any], None]:
        def take_over(_: Any) -> None:
            if self._turns.running != layer:
                self._turns.switch(layer)

        return take_over


@dataclass(frozen=True)
class OwnTimes:
    """The own time of each layer in milliseconds, and which of them were called at all.

    A layer that another one computes in its place, in a fused operator, is not called: what it
    takes is unknown, and part of the other one.
    """

    forward_ms: list[float]
    backward_ms: list[float]
    called: set[int]

    @classmethod
    def of(cls, rounds: Sequence[LayerTimer], number: int) -> OwnTimes:
        """Make up what several rounds came to for `number` layers."""
        ways = [typical([turns.own_ns(number) for turns in way]) for way in _ways(rounds)]
        forward_ms, backward_ms = ([time_ns / 1e6 for time_ns in way] for way in ways)
        called = {layer for way in _ways(rounds) for turns in way for layer in turns.layers}
        return cls(forward_ms, backward_ms, called)


def _ways(rounds: Sequence[LayerTimer]) -> tuple[list[LayerMarks], list[LayerMarks]]:
    return [one.forward for one in rounds], [one.backward for one in rounds]


def typical(rounds: Sequence[Sequence[float]]) -> list[float]:
    """Return of each column the value that a fifth of the rounds did not exceed.

    What else runs adds time to some layers of some rounds, so each layer has its own good rounds.
    """
    rank = -(-len(rounds) // ONE_IN) - 1
    return [sorted(times)[rank] for times in zip(*rounds, strict=True)]


def _graph(roots: Sequence[Any]) -> Iterator[Any]:
    """Yield every node of a backward graph once."""
    waiting, seen = [node for node in roots if node is not None], set()
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting += [below for below, _ in node.next_functions if below is not None]
