"""The traffic of a function that counts as one operator, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.counting.formulas.view_bytes import bytes_of, view_of
from pytest_flopbudget.measure.operators import tensors

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch


@dataclass(frozen=True)
class SingleTraffic:
    """The bytes of one call forward and backward, and as how many operators each counts."""

    forward: int
    backward: int
    operators: int = 1

    def __add__(self, other: SingleTraffic) -> SingleTraffic:
        return SingleTraffic(
            self.forward + other.forward,
            self.backward + other.backward,
            self.operators + other.operators,
        )

    @classmethod
    def of(cls, read: int, written: int, gradients: int) -> SingleTraffic:
        """Return the traffic of a call that reads its inputs once and writes its outputs once.

        Backward reads the inputs, the outputs and the gradients of these, and writes `gradients`.
        """
        return cls(read + written, read + 2 * written + gradients)


def whole(args: Any, kwargs: Any, output: Any) -> SingleTraffic:
    """Return the traffic of one operator that reads all of its inputs."""
    given = list(tensors(args, kwargs))
    read = sum(dict(map(view_of, given)).values())
    return SingleTraffic.of(read, sum(map(bytes_of, tensors((output,)))), gradient_bytes(given))


def gradient_bytes(given: Iterable[torch.Tensor]) -> int:
    """Return the bytes of the gradients that are asked for."""
    return sum(tensor.numel() * tensor.itemsize for tensor in given if tensor.requires_grad)
