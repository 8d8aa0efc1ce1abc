"""The ways to run a model for counting: on meta tensors, with fake tensors, or for real.

On meta tensors nothing is computed and nothing is allocated, so a count costs milliseconds and
is the same on every machine. What needs the values of tensors cannot run there.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.utils._pytree import tree_map_only

from pytest_flopbudget.measure.kernels import kernel_of
from pytest_flopbudget.measure.twins import Twins
from pytest_flopbudget.measure.values import SMALL, Values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.measure.operators import Operator

CPU, META = torch.device("cpu"), torch.device("meta")
FROM_SHAPES = frozenset(  # operators that read nothing of a tensor but its shape
    {
        "aten::ones_like",
        "aten::zeros_like",
        "aten::full_like",
        "aten::new_ones",
        "aten::new_zeros",
        "aten::new_full",
    }
)


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


class Real:
    """The model as it is."""

    name = "real"

    def entered(self) -> AbstractContextManager[Any]:
        """Need no context."""
        return nullcontext()

    def stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """Take the tensor itself."""
        return tensor

    def input(self, tensor: torch.Tensor) -> torch.Tensor:
        """Take a copy, so that nothing can happen to the input."""
        return tensor.detach().clone().requires_grad_(tensor.requires_grad)

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run the operator itself."""
        del given
        return operator.func(*args, **kwargs)


class Fake:
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
        return kernel_of(operator)(*args, **kwargs)


class Meta:
    """Tensors without values, except for small constants: their values follow them."""

    name = "meta"

    def __init__(self) -> None:
        self._twins = Twins()
        self._values = Values()

    def entered(self) -> AbstractContextManager[Any]:
        """Need no context."""
        return nullcontext()

    def stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the meta twin of a tensor; indices, masks and sizes are constants of a model."""
        twin = self.input(tensor)
        if tensor.device == CPU and not (tensor.is_floating_point() or tensor.is_complex()):
            self._values.know(twin, tensor)
        return twin

    def input(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the meta twin of a tensor, the same one each time."""
        if tensor.is_meta:
            return tensor
        return self._twins.of(tensor, lambda: tensor.detach().to(META))

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run an operator on meta tensors, and on values if all that it reads is constant."""
        if not self._is_constant(operator, args, kwargs, given):
            self._forget(operator, args, kwargs)
            return self._on_meta(operator, args, kwargs, given)
        on_meta = any(tensor.is_meta for tensor in given) or _is_meta(kwargs.get("device"))
        if not on_meta and (given or "device" not in kwargs):
            return self._on_values(operator, args, kwargs)
        if operator.reads_values:
            result = self._on_values(operator, args, kwargs)
            return tree_map_only(torch.Tensor, self._known, result)
        output = self._on_meta(operator, args, kwargs, given)
        if any(tensor.numel() > SMALL for tensor in tensors((output,))):
            self._forget(operator, args, kwargs)
            return output
        result = self._on_values(operator, args, kwargs)
        if not on_meta:
            return result
        for tensor, value in zip(tensors((output,)), tensors((result,)), strict=True):
            self._values.know(tensor, value)
        return output

    def _is_constant(
        self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]
    ) -> bool:
        """Tell whether an operator reads constants only, and writes only to what forward made."""
        if operator.is_random or (operator.reads_values and operator.writes):
            return False
        return all(self._value(operator, tensor) is not None for tensor in given) and (
            not operator.writes or self._values.made_here(operator.written(args, kwargs))
        )

    def _value(self, operator: Operator, tensor: torch.Tensor) -> torch.Tensor | None:
        if operator.name not in FROM_SHAPES:
            return self._values.of(tensor)
        return torch.empty((), dtype=tensor.dtype).expand(tensor.shape)  # costs no memory

    def _forget(self, operator: Operator, args: Any, kwargs: Any) -> None:
        """Forget what an operator overwrites."""
        if operator.writes:
            for tensor in operator.written(args, kwargs):
                self._values.forget(tensor)

    def _on_values(self, operator: Operator, args: Any, kwargs: Any) -> Any:
        given = partial(self._value, operator)
        args, kwargs = tree_map_only(torch.Tensor, given, (args, kwargs))
        if _is_meta(kwargs.get("device")):
            kwargs = kwargs | {"device": CPU}
        result = operator.func(*args, **kwargs)
        self._values.make(tensors((result,)), tensors(args, kwargs))
        return result

    def _on_meta(
        self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]
    ) -> Any:
        if any(not tensor.is_meta for tensor in given):
            args, kwargs = tree_map_only(torch.Tensor, self.stand_in, (args, kwargs))
        if "device" in kwargs and (kwargs["device"] is not None or not given):
            kwargs = kwargs | {"device": META} | dict.fromkeys(kwargs.keys() & {"pin_memory"})
        return kernel_of(operator)(*args, **kwargs)

    def _known(self, value: torch.Tensor) -> torch.Tensor:
        """Return a meta tensor of known value."""
        tensor = value.to(META)
        self._values.know(tensor, value)
        return tensor


def _is_meta(device: Any) -> bool:
    return device is not None and torch.device(device).type == META.type


def tensors(args: Any, kwargs: Any = None) -> Iterator[torch.Tensor]:
    """Yield the tensors among an operator's arguments, which nest one level deep."""
    for value in (*args, *kwargs.values()) if kwargs else args:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            for item in value:
                if isinstance(item, torch.Tensor):
                    yield item
