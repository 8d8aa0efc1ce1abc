"""The meta backend: tensors without values, while the values of small constants follow them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from pytest_flopbudget.measure.counting.backends.base import Backend
from pytest_flopbudget.measure.counting.backends.device_reads import MetaTensors
from pytest_flopbudget.measure.counting.backends.known_values import SMALL, KnownValues
from pytest_flopbudget.measure.counting.meta_kernels.cache import MetaKernelCache
from pytest_flopbudget.measure.hardware.devices import CPU, META, is_named
from pytest_flopbudget.measure.isolation.global_flags import garbage_collection_off
from pytest_flopbudget.measure.isolation.tensor_substitutes import TensorSubstitutes
from pytest_flopbudget.measure.operators import tensors
from pytest_flopbudget.measure.torch_internals.dispatch import functions_as_they_are
from pytest_flopbudget.measure.torch_internals.pytree import tree_map_only
from pytest_flopbudget.measure.torch_internals.tensors import forbid_data_pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from pytest_flopbudget.measure.call import ModelCall
    from pytest_flopbudget.measure.counting.external_tensors import Note
    from pytest_flopbudget.measure.operators import Operator

FROM_SHAPES = frozenset(  # operators that read nothing of a tensor but its shape
    {
        *("aten::ones_like", "aten::zeros_like", "aten::full_like"),
        *("aten::new_ones", "aten::new_zeros", "aten::new_full"),
    }
)


class MetaBackend(Backend):
    """Computes shapes, and the values of what depends on small constants alone.

    Indices, masks and sizes are constants of a model; code that asks for their values goes on.
    """

    name: ClassVar[str] = "meta"
    has_values: ClassVar[bool] = False

    def __init__(self) -> None:
        self._substitutes = TensorSubstitutes()
        self._constants = KnownValues()
        self._inputs = KnownValues()
        self._kernels = MetaKernelCache()
        self._devices: set[torch.device] = set()  # where the tensors would lie

    def entered(self) -> AbstractContextManager[Any]:
        """Collect no garbage meanwhile: there is next to none, and the model is soon through."""
        return garbage_collection_off()

    def substitute(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the meta tensor of a tensor, whose values are constants if they are no floats."""
        self._devices.add(tensor.device)
        return self._substitute(tensor)

    def inputs(self, call: ModelCall) -> AbstractContextManager[ModelCall]:
        """Return the context of the call with meta tensors."""
        return call.substituted(self._input)

    def external_tensors(
        self,
        known: Iterable[torch.Tensor],
        note: Note,
        note_failure: Callable[[Exception], None],
    ) -> MetaTensors:
        """Return the mode that also answers for the device of the model."""
        return MetaTensors(known, note, note_failure, self._devices)

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run an operator on meta tensors, and on values if all that it reads is constant."""
        with functions_as_they_are():
            return self._run(operator, args, kwargs, given)

    def _run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        if not self._is_constant(operator, args, kwargs, given):
            self._forget(operator, args, kwargs)
            return self._run_on_meta(operator, args, kwargs, given)
        on_meta = any(tensor.is_meta for tensor in given) or _is_elsewhere(kwargs.get("device"))
        if not on_meta and (given or "device" not in kwargs):
            return self._run_on_values(operator, args, kwargs)
        if operator.reads_values:
            result = self._run_on_values(operator, args, kwargs)
            return tree_map_only(torch.Tensor, self._known, result)
        output = self._run_on_meta(operator, args, kwargs, given)
        if any(tensor.numel() > SMALL for tensor in tensors((output,))):
            self._forget(operator, args, kwargs)
            return output
        result = self._run_on_values(operator, args, kwargs)
        if not on_meta:
            return result
        for tensor, value in zip(tensors((output,)), tensors((result,)), strict=True):
            self._constants[tensor] = value
        return output

    def is_real(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor has values."""
        return not tensor.is_meta

    def place_of(self, device: torch.device) -> torch.device:
        """Return the device of the model, if tensors on meta stand for those on it."""
        return next(iter(self._devices), CPU) if device == META else device

    def constant(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Return the values of a small constant."""
        return self._constants.of(tensor)

    def value(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the input that a meta tensor is of, as long as nothing was written into it."""
        value = self._inputs.of(tensor) if tensor.is_meta else None
        return tensor if value is None else value

    def _substitute(self, tensor: torch.Tensor) -> torch.Tensor:
        meta = self._on_meta(tensor)
        if tensor.device == CPU and not (tensor.is_floating_point() or tensor.is_complex()):
            self._constants[meta] = tensor
        return meta

    def _input(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the meta tensor of an input, whose values only a formula may see."""
        self._devices.add(tensor.device)
        meta = self._on_meta(tensor)
        if meta is not tensor:
            self._inputs[meta] = tensor
        return meta

    def _on_meta(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the meta tensor of a tensor, the same one each time."""
        if tensor.is_meta:
            return tensor
        return self._substitutes.of(tensor, lambda: tensor.detach().to(META))

    def _is_constant(
        self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]
    ) -> bool:
        """Return whether an operator reads constants only, and writes into what forward made."""
        if operator.is_random or (operator.reads_values and operator.writes):
            return False
        if operator.name not in FROM_SHAPES:
            for tensor in given:  # most operators end here, at a look into the dictionary
                if tensor.is_meta and tensor not in self._constants:
                    return False
        return all(self._value(operator, tensor) is not None for tensor in given) and (
            not operator.writes or self._constants.may_write(operator.written(args, kwargs))
        )

    def _value(self, operator: Operator, tensor: torch.Tensor) -> torch.Tensor | None:
        if operator.name not in FROM_SHAPES:
            return self._constants.of(tensor)
        return torch.empty((), dtype=tensor.dtype).expand(tensor.shape)  # costs no memory

    def _forget(self, operator: Operator, args: Any, kwargs: Any) -> None:
        """Forget what an operator overwrites."""
        if operator.writes:
            for tensor in operator.written(args, kwargs):
                self._constants.forget(tensor)
                self._inputs.forget(tensor)

    def _run_on_values(self, operator: Operator, args: Any, kwargs: Any) -> Any:
        given = partial(self._value, operator)
        args, kwargs = tree_map_only(torch.Tensor, given, (args, kwargs))
        if _is_elsewhere(kwargs.get("device")):
            kwargs = kwargs | {"device": CPU}
        result = operator.func(*args, **kwargs)
        self._constants.note_made(tensors((result,)), tensors(args, kwargs))
        return result

    def _run_on_meta(
        self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]
    ) -> Any:
        if any(not tensor.is_meta for tensor in given):
            if not any(tensor.is_meta for tensor in given):
                self._note_device(given[0].device)
            args, kwargs = tree_map_only(torch.Tensor, self._substitute, (args, kwargs))
        if "device" in kwargs and (kwargs["device"] is not None or not given):
            self._note_device(kwargs["device"] or CPU)
            kwargs = kwargs | {"device": META} | dict.fromkeys(kwargs.keys() & {"pin_memory"})
        output = self._kernels.run(operator, args, kwargs, given)
        if not operator.aliases:
            for tensor in tensors((output,)):
                forbid_data_pointer(tensor)
        return output

    def _note_device(self, device: torch.device) -> None:
        """Note where a tensor would lie that is made on meta, if not where the others do."""
        if device != META and not any(is_named(known, device) for known in self._devices):
            self._devices.add(device)

    def _known(self, value: torch.Tensor) -> torch.Tensor:
        """Return a meta tensor of known value."""
        tensor = value.to(META)
        forbid_data_pointer(tensor)
        self._constants[tensor] = value
        return tensor


def _is_elsewhere(device: Any) -> bool:
    """Return whether a device is another one than the CPU, where values are computed."""
    return device is not None and torch.device(device).type != CPU.type
