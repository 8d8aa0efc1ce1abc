"""A small model, its inputs and the FLOPs of one forward call; how costs are derived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Case:
    """A model, its inputs and its FLOPs."""

    name: str
    build: Callable[[], tuple[Any, ...]]  # the model, then its inputs
    flops: int
    counted_on: str = "meta"
    data_dependent: bool = False
    never: tuple[str, ...] = ()  # where else it does not run
    needs: str = ""  # an operator that came after torch 2.6, or with what this case needs

    @property
    def exists(self) -> bool:
        """Whether this torch has what it takes."""
        return not self.needs or hasattr(torch.ops.aten, self.needs)

    def runs_in(self, backend: str) -> bool:
        """Tell whether tensors of one kind suffice."""
        kinds = ("meta", "fake", "real")
        return kinds.index(backend) >= kinds.index(self.counted_on) and backend not in self.never

    def __str__(self) -> str:
        return self.name


def linear(rows: int, inputs: int, outputs: int) -> int:
    """Each output of each row is a sum of `inputs` products."""
    return 2 * rows * inputs * outputs


def conv(positions: int, inputs_per_group: int, outputs: int, kernel: int) -> int:
    """Each output position of each channel is a sum over the kernel of one group's channels."""
    return 2 * positions * inputs_per_group * outputs * kernel


def sdpa(batch: int, heads: int, n: int, m: int, d: int, e: int | None = None) -> int:
    """Scores (n, m) from vectors of d, then their product with values of e."""
    return 2 * batch * heads * n * m * (d + (d if e is None else e))


def mha(batch: int, n: int, m: int, width: int) -> int:
    """Projections of n queries, m keys, m values, n outputs, and attention of all heads."""
    projections = linear(batch * n, width, 2 * width) + linear(batch * m, width, 2 * width)
    return projections + sdpa(batch, 1, n, m, width)


def rnn(gates: int, steps: int, inputs: int, hidden: int) -> int:
    """At each step, each gate takes one product with the input and one with the hidden state."""
    return 2 * steps * gates * hidden * (inputs + hidden)


def feed_forward(rows: int, width: int, inner: int) -> int:
    return 2 * linear(rows, width, inner)
