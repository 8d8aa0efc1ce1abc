"""The ways to run a model for counting: on meta tensors, with fake tensors, or for real.

On meta tensors nothing is computed and nothing is allocated, so a count costs milliseconds and
is the same on every machine. What needs the values of tensors cannot run there.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import torch

from pytest_flopbudget.measure.call import copied
from pytest_flopbudget.measure.devices import CPU
from pytest_flopbudget.measure.kernels import kernel_of
from pytest_flopbudget.measure.operators import tensors
from pytest_flopbudget.measure.storages import without_addresses
from pytest_flopbudget.measure.twins import Twins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.measure.operators import Operator


class World(Protocol):
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


class Real(World):
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
        return copied(tensor, tensor.device)

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run the operator itself."""
        del given
        return operator.func(*args, **kwargs)


class Fake(World):
    """torch's fake tensors: like meta, but each believes that it lies on its own device."""

    name = "fake"

    def __init__(self) -> None:
        from torch._subclasses.fake_tensor import FakeTensorMode

        self._mode = FakeTensorMode(allow_non_fake_inputs=True)
        self._twins = Twins()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make every tensor that the model makes a fake one, and log no failure: it is handled."""
        logger = logging.getLogger("torch._subclasses.fake_tensor")
        was_disabled, logger.disabled = logger.disabled, True
        try:
            with self._mode:
                yield
        finally:
            logger.disabled = was_disabled

    def stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the fake twin of a tensor, the same one each time."""
        return self._twins.of(tensor, lambda: self._fake(tensor.detach()))

    input = stand_in

    def _fake(self, tensor: torch.Tensor) -> torch.Tensor:
        """Make a twin; that of a meta tensor lies on the CPU, where the inputs may come from."""
        if tensor.is_meta:
            with self._mode:
                return torch.empty_like(tensor, device=CPU)
        twin = self._mode.from_tensor(tensor)
        twin.item_memo = None  # torch 2.14 keeps the value of a scalar, whoever writes into it
        return twin

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run the operator; the mode below makes it fake."""
        del given
        output = kernel_of(operator)(*args, **kwargs)
        if not operator.aliases:
            without_addresses(filter(_is_fake, tensors((output,))))
        return output

    def is_real(self, tensor: torch.Tensor) -> bool:
        """Tell a tensor with values from a fake one."""
        return not _is_fake(tensor)


def _is_fake(tensor: torch.Tensor) -> bool:
    return hasattr(tensor, "fake_mode")
