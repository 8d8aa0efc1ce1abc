"""The own time of each layer, from several rounds in which layers were timed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_flopbudget.measure.timing.layer_timer import LayerMarks, LayerTimer

ONE_IN = 5  # rounds is good for a layer


@dataclass(frozen=True)
class OwnTimes:
    """The own time of each layer in milliseconds, and which layers were called at all.

    A layer that another one computes in its place, in a fused operator, is not called: what it
    takes is unknown, and in the time of the other one.
    """

    forward_ms: list[float]
    backward_ms: list[float]
    called: set[int]

    @classmethod
    def of(cls, rounds: Sequence[LayerTimer], number: int) -> OwnTimes:
        """Return the own times of `number` layers, typical of several rounds."""
        forward = [one.forward for one in rounds]
        backward = [one.backward for one in rounds]
        called = {layer for marks in (*forward, *backward) for layer in marks.layers}
        return cls(_typical_ms(forward, number), _typical_ms(backward, number), called)


def _typical_ms(rounds: Sequence[LayerMarks], number: int) -> list[float]:
    return [time_ns / 1e6 for time_ns in typical([marks.own_ns(number) for marks in rounds])]


def typical(rounds: Sequence[Sequence[float]]) -> list[float]:
    """Return of each column the value that a fifth of the rounds did not exceed.

    What else runs adds time to some layers of some rounds, so each layer has its own good rounds.
    """
    rank = -(-len(rounds) // ONE_IN) - 1
    return [sorted(times)[rank] for times in zip(*rounds, strict=True)]
