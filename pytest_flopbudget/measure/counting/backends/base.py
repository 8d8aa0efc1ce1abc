"""The ways to run a model for counting: on meta tensors, with fake tensors, or for real.

On meta tensors nothing is computed and nothing is allocated, so a count costs milliseconds and
is the same on every machine. What needs the values of tensors cannot run there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch

    from pytest_flopbudget.measure.operators import Operator


class Backend(Protocol):
    """Where a model runs while it is counted."""

    name: str

    def entered(self) -> AbstractContextManager[Any]:
        """Return the context in which the model runs."""

    def stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return what takes the place of a tensor of the model or of its inputs."""

    def input(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return what the model gets for a tensor among its inputs."""

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run one operator; `given` are the tensors among its arguments."""

    def is_real(self, tensor: torch.Tensor) -> bool:
        """Tell a tensor with values from what stands for one."""
        return not tensor.is_meta

    def constant(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Return the values of a tensor, if they are known not to depend on the inputs."""
        del tensor
        return None

    def value(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a tensor with its values, where they are to be had."""
        return tensor
