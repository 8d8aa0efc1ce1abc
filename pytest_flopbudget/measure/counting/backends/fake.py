"""The fake backend: torch's fake tensors, which have no values but know their devices."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from pytest_flopbudget.measure.counting.backends.base import Backend
from pytest_flopbudget.measure.counting.external_tensors import UnreadableTensors
from pytest_flopbudget.measure.counting.meta_kernels.overrides import OVERRIDES
from pytest_flopbudget.measure.hardware.devices import CPU
from pytest_flopbudget.measure.isolation.tensor_substitutes import TensorSubstitutes
from pytest_flopbudget.measure.operators import tensors
from pytest_flopbudget.measure.torch_internals.fake_tensors import (
    failures_not_logged,
    fake_tensor,
    fake_tensor_mode,
    is_fake,
)
from pytest_flopbudget.measure.torch_internals.tensors import forbid_data_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from pytest_flopbudget.measure.call import ModelCall
    from pytest_flopbudget.measure.operators import Operator


class FakeBackend(Backend):
    """Computes no values, and runs what refuses the meta device."""

    name: ClassVar[str] = "fake"
    has_values: ClassVar[bool] = False
    external_tensors = UnreadableTensors

    def __init__(self) -> None:
        self._mode = fake_tensor_mode()
        self._substitutes = TensorSubstitutes()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make every tensor that the model makes a fake one."""
        with failures_not_logged(), self._mode:
            yield

    def substitute(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the fake tensor of a tensor."""
        return self._substitutes.of(tensor, lambda: self._fake(tensor.detach()))

    def inputs(self, call: ModelCall) -> AbstractContextManager[ModelCall]:
        """Return the context of the call with fake tensors."""
        return call.substituted(self.substitute)

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run the operator; the mode below makes it fake."""
        del given
        output = OVERRIDES.get(operator.name, operator.func)(*args, **kwargs)
        if not operator.aliases:
            for tensor in filter(is_fake, tensors((output,))):
                forbid_data_pointer(tensor)
        return output

    def is_real(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor has values."""
        return not is_fake(tensor)

    def constant(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Know no values."""
        del tensor
        return None

    def value(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor itself."""
        return tensor

    def _fake(self, tensor: torch.Tensor) -> torch.Tensor:
        """Make a fake tensor; that of a meta one lies on the CPU, where the inputs may be."""
        if tensor.is_meta:
            with self._mode:
                return torch.empty_like(tensor, device=CPU)
        return fake_tensor(self._mode, tensor)
