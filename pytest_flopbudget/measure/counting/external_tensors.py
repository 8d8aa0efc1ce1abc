"""Tensors that come from outside of PyTorch: no operator has seen what made them."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from pytest_flopbudget.measure.isolation.storages import Storage, storage_of
from pytest_flopbudget.measure.torch_internals.autograd import write_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ARRAY, KERNEL = "outside::array", "outside::kernel"  # what stands for the operator in reports
SHARE = frozenset({torch.Tensor.numpy, torch.Tensor.__array__, torch.Tensor.__dlpack__})
LEAVE = SHARE | {torch.Tensor.tolist, torch.Tensor.data_ptr}


class ExternalTensors:
    """Knows the memory that was there before a call, and that of torch.

    What comes from outside lies in memory that torch did not allocate and so cannot resize, as
    that of a numpy array; the copies of it are made by operators.
    """

    def __init__(
        self, known: Iterable[torch.Tensor], note: Callable[[str, torch.Tensor], None]
    ) -> None:
        self._note = note
        self._known = set(map(storage_of, known))

    def check(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note those tensors that came from outside, each once."""
        for tensor in tensors:
            if tensor.layout is torch.strided and self._is_foreign(tensor):
                self._known.add(storage_of(tensor))
                self._note(ARRAY, tensor)

    def _is_foreign(self, tensor: torch.Tensor) -> bool:
        return not tensor.untyped_storage().resizable() and storage_of(tensor) not in self._known


class BlindOrigins(TorchFunctionMode, ExternalTensors):
    """Where tensors have no values, notices also that a read failed, which a model may catch."""

    def __init__(
        self,
        known: Iterable[torch.Tensor],
        note: Callable[[str, torch.Tensor], None],
        failed: Callable[[Exception], None],
    ) -> None:
        TorchFunctionMode.__init__(self)
        ExternalTensors.__init__(self, known, note)
        self._failed = failed

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func not in LEAVE:
            return func(*args, **(kwargs or {}))
        try:
            return func(*args, **(kwargs or {}))
        except Exception as error:
            self._failed(error)
            raise


class WatchedOrigins(TorchFunctionMode, ExternalTensors):
    """In a real run, notices also what leaves, and what is overwritten outside.

    A raw kernel is given away by the address that it asks for. A C++ extension that asks torch
    for nothing leaves no sign.
    """

    def __init__(
        self, known: Iterable[torch.Tensor], note: Callable[[str, torch.Tensor], None]
    ) -> None:
        TorchFunctionMode.__init__(self)
        alive = (o for o in gc.get_objects() if issubclass(type(o), torch.Tensor))
        ExternalTensors.__init__(self, [*known, *alive], note)
        self.values_left = False
        self._shared: dict[Storage, tuple[torch.Tensor, torch.Tensor, int]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        output = func(*args, **(kwargs or {}))
        if func in LEAVE:
            self._leave(func, args[0])
        return output

    def _leave(self, func: Any, tensor: torch.Tensor) -> None:
        self.values_left = True
        if func in SHARE:
            storage = storage_of(tensor)
            self._known.add(storage)  # torch does not resize what it shares either
            self._shared[storage] = tensor, tensor.detach().clone(), write_count(tensor)
        elif func is torch.Tensor.data_ptr and not _called_by_torch():
            self._note(KERNEL, tensor)

    def _is_foreign(self, tensor: torch.Tensor) -> bool:
        return self._was_overwritten(storage_of(tensor)) or super()._is_foreign(tensor)

    def _was_overwritten(self, storage: Storage) -> bool:
        """Tell whether somebody else wrote into memory that torch shared."""
        if storage not in self._shared:
            return False
        tensor, contents, version = self._shared[storage]
        if write_count(tensor) == version and _is_equal(tensor, contents):
            return False
        del self._shared[storage]
        return write_count(tensor) == version


def _is_equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.equal(one.detach().nan_to_num(), other.nan_to_num())


def _called_by_torch() -> bool:
    """Tell whether the call that the mode sees comes from torch itself."""
    name = str(sys._getframe(3).f_globals.get("__name__", ""))
    return name.partition(".")[0] == "torch"
