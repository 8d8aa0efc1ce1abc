"""The ways to run a model for counting: on meta tensors, with fake tensors, or for real.

On meta tensors nothing is computed and nothing is allocated, so a count costs milliseconds and
is the same on every machine. What needs the values of tensors cannot run there.
"""

from __future__ import annotations

import weakref
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.utils._pytree import tree_map_only

from pytest_flopbudget.measure.twins import Twins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.measure.operators import Operator

SMALL = 2**16  # elements up to which a constant that forward makes keeps its values
META = torch.device("meta")


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

    def entered(self) -> AbstractContextManager[Any]:
        """Make every tensor that the model makes a fake one."""
        return self._mode

    def stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the fake twin of a tensor, the same one each time."""
        return self._twins.of(tensor, lambda: self._mode.from_tensor(tensor.detach()))

    input = stand_in

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run the operator; the mode below makes it fake."""
        del given
        return operator.func(*args, **kwargs)


class Meta:
    """Tensors without values. Small constants that forward makes on the CPU stay real."""

    name = "meta"

    def __init__(self) -> None:
        self._twins = Twins()
        self._made_here = _Known()
        self._unknown: dict[int, torch.UntypedStorage] = {}  # real storage, unknown contents

    def entered(self) -> AbstractContextManager[Any]:
        """Need no context."""
        return nullcontext()

    def stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the meta twin of a tensor, the same one each time."""
        if tensor.is_meta:
            return tensor
        return self._twins.of(tensor, lambda: tensor.detach().to(META))

    input = stand_in

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run an operator on meta tensors, or for real if all that it reads is constant."""
        real = [tensor for tensor in given if not tensor.is_meta]
        if not given and "device" in kwargs:
            return self._make(operator, args, kwargs)
        if len(real) < len(given) or not self._is_constant(operator, real):
            if real:
                args, kwargs = self._without_values(operator, args, kwargs)
            if kwargs.get("device") is not None:
                kwargs = {**kwargs, "device": META}
            return operator.func(*args, **kwargs)
        return self._made(operator.func(*args, **kwargs))

    def _make(self, operator: Operator, args: Any, kwargs: Any) -> Any:
        """Run a factory: on meta if it was asked to, if it is random, or if much would be made."""
        shape = operator.func(*args, **{**kwargs, "device": META, "pin_memory": None})
        asked = kwargs["device"]
        on_meta = asked is not None and torch.device(asked).type == "meta"
        if on_meta or operator.is_random or shape.numel() > SMALL:
            return shape
        return self._made(operator.func(*args, **kwargs))

    def _made(self, output: Any) -> Any:
        for tensor in tensors((output,)):
            if not tensor.is_meta:
                self._made_here.add(tensor)
        return output

    def _without_values(self, operator: Operator, args: Any, kwargs: Any) -> Any:
        """Replace real tensors by twins; what is written into one is unknown from here on."""
        for tensor in operator.written(args, kwargs):
            if not tensor.is_meta:
                storage = tensor.untyped_storage()
                self._unknown[storage._cdata] = storage
        return tree_map_only(torch.Tensor, self.stand_in, (args, kwargs))

    def _is_constant(self, operator: Operator, real: list[torch.Tensor]) -> bool:
        """Tell whether an operator may run for real: it reads constants and writes to our own."""
        if operator.is_random or any(tensor.numel() > SMALL for tensor in real):
            return False
        if any(t.untyped_storage()._cdata in self._unknown for t in real):
            return False
        return not operator.writes or all(tensor in self._made_here for tensor in real)


class _Known:
    """A set of tensors by identity that does not keep them alive."""

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[torch.Tensor]] = {}

    def add(self, tensor: torch.Tensor) -> None:
        self._references[id(tensor)] = weakref.ref(tensor)

    def __contains__(self, tensor: torch.Tensor) -> bool:
        reference = self._references.get(id(tensor))
        return reference is not None and reference() is tensor


def tensors(args: Any, kwargs: Any = None) -> Iterator[torch.Tensor]:
    """Yield the tensors among an operator's arguments, which nest one level deep."""
    for value in (*args, *kwargs.values()) if kwargs else args:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            for item in value:
                if isinstance(item, torch.Tensor):
                    yield item
