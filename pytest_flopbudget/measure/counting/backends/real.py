"""The real backend: the model runs as it is, on its own device."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_flopbudget.measure.counting.backends.base import Backend
from pytest_flopbudget.measure.counting.external_tensors import ReadableTensors

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch

    from pytest_flopbudget.measure.call import ModelCall
    from pytest_flopbudget.measure.operators import Operator


class RealBackend(Backend):
    """Computes everything; the last resort."""

    name: ClassVar[str] = "real"
    has_values: ClassVar[bool] = True
    external_tensors = staticmethod(ReadableTensors.beside)

    def __init__(self) -> None:
        self._held: dict[int, torch.Tensor] = {}  # by the model, so that ids stay theirs

    def entered(self) -> AbstractContextManager[Any]:
        """Need no context."""
        return nullcontext()

    def substitute(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor itself."""
        self._held[id(tensor)] = tensor
        return tensor

    def inputs(self, call: ModelCall) -> AbstractContextManager[ModelCall]:
        """Return the context of the call with copies, so that nothing can happen to the inputs."""
        return call.copied(self._held)

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run the operator itself."""
        del given
        return operator.func(*args, **kwargs)

    def is_real(self, tensor: torch.Tensor) -> bool:
        """Return whether the model did not put a tensor on meta itself."""
        return not tensor.is_meta

    def constant(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Return a tensor that the model holds."""
        return self._held.get(id(tensor))

    def value(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor itself."""
        return tensor
