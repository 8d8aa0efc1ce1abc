"""The protocol of backends: the ways to run a model for counting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    import torch

    from pytest_flopbudget.measure.call import ModelCall
    from pytest_flopbudget.measure.counting.external_tensors import ExternalTensors
    from pytest_flopbudget.measure.operators import Operator


class Backend(Protocol):
    """Where a model runs while it is counted, in the order in which they are tried.

    On meta tensors nothing is computed and nothing is allocated, so a count costs milliseconds and
    is the same on every machine. Fake tensors also know their devices. What needs the values of
    tensors runs for real.
    """

    name: ClassVar[str]
    has_values: ClassVar[bool]  # whether operators compute values, and overwrite the model's own

    def entered(self) -> AbstractContextManager[Any]:
        """Return the context in which the model runs."""

    def substitute(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return what takes the place of a tensor of the model, the same one each time."""

    def inputs(self, call: ModelCall) -> AbstractContextManager[ModelCall]:
        """Return the context of the call that the model gets, with other tensors as inputs."""

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run one operator; `given` are the tensors among its arguments."""

    def is_real(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor has values, and may come from outside of PyTorch."""

    def external_tensors(
        self,
        known: Iterable[torch.Tensor],
        note: Callable[[str, torch.Tensor], None],
        note_failure: Callable[[Exception], None],
    ) -> ExternalTensors:
        """Return the mode that notices tensors from outside of PyTorch, and failed reads."""

    def place_of(self, device: torch.device) -> torch.device:
        """Return where a tensor would lie that is on a device."""
        return device

    def constant(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Return the values of a tensor, if they are known not to depend on the inputs."""

    def value(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a tensor with its values, or the tensor itself where they are not known."""
