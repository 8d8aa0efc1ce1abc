"""The real backend: the model runs as it is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.call import copy_to
from pytest_flopbudget.measure.counting.backends.base import Backend

if TYPE_CHECKING:
    import torch

    from pytest_flopbudget.measure.operators import Operator


class RealBackend(Backend):
    """The model as it is."""

    name = "real"

    def __init__(self) -> None:
        self._held: dict[int, torch.Tensor] = {}  # by the model, so that ids stay theirs

    def constant(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Return a tensor that the model holds."""
        return self._held.get(id(tensor))

    def entered(self) -> AbstractContextManager[Any]:
        """Need no context."""
        return nullcontext()

    def stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """Take the tensor itself."""
        self._held[id(tensor)] = tensor
        return tensor

    def input(self, tensor: torch.Tensor) -> torch.Tensor:
        """Take a copy, so that nothing can happen to the input."""
        return copy_to(tensor, tensor.device)

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run the operator itself."""
        del given
        return operator.func(*args, **kwargs)
