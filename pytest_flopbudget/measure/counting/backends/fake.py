"""The fake backend: `FakeTensorMode`, whose tensors have a device but no values."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.counting.backends.base import Backend
from pytest_flopbudget.measure.counting.meta_kernels.overrides import kernel_of
from pytest_flopbudget.measure.hardware.devices import CPU
from pytest_flopbudget.measure.isolation.storages import forbid_data_pointers
from pytest_flopbudget.measure.isolation.substitutes import TensorSubstitutes
from pytest_flopbudget.measure.operators import tensors
from pytest_flopbudget.measure.torch_internals.fake_tensors import (
    failures_not_logged,
    fake_tensor,
    fake_tensor_mode,
    is_fake,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.measure.operators import Operator


class FakeBackend(Backend):
    """torch's fake tensors: like meta, but each believes that it lies on its own device."""

    name = "fake"

    def __init__(self) -> None:
        self._mode = fake_tensor_mode()
        self._twins = TensorSubstitutes()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make every tensor that the model makes a fake one, and log no failure: it is handled."""
        with failures_not_logged(), self._mode:
            yield

    def stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the fake twin of a tensor, the same one each time."""
        return self._twins.of(tensor, lambda: self._fake(tensor.detach()))

    input = stand_in

    def _fake(self, tensor: torch.Tensor) -> torch.Tensor:
        """Make a twin; that of a meta tensor lies on the CPU, where the inputs may come from."""
        if tensor.is_meta:
            with self._mode:
                return torch.empty_like(tensor, device=CPU)
        return fake_tensor(self._mode, tensor)

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run the operator; the mode below makes it fake."""
        del given
        output = kernel_of(operator)(*args, **kwargs)
        if not operator.aliases:
            forbid_data_pointers(filter(is_fake, tensors((output,))))
        return output

    def is_real(self, tensor: torch.Tensor) -> bool:
        """Tell a tensor with values from a fake one."""
        return not is_fake(tensor)
