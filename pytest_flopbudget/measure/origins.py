"""Tensors that come from outside of PyTorch: no operator has seen what made them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ARRAY, KERNEL = "outside::array", "outside::kernel"  # what stands for the operator in reports
LEAVE = frozenset(
    {
        torch.Tensor.tolist,
        torch.Tensor.numpy,
        torch.Tensor.__array__,
        torch.Tensor.__dlpack__,
        torch.Tensor.data_ptr,
    }
)
COPY_IN = frozenset({torch.tensor, torch.as_tensor, torch.asarray})


class Origins(TorchFunctionMode):
    """Notices, in a real run, values that leave PyTorch and tensors that come back.

    What comes back lies in memory that torch did not allocate and so cannot resize, as that of a
    numpy array, or was copied from an array by a factory. A raw kernel is given away by the
    address that it asks for. A C++ extension that asks torch for nothing leaves no sign.
    """

    def __init__(
        self, known: Iterable[torch.Tensor], note: Callable[[str, torch.Tensor], None]
    ) -> None:
        super().__init__()
        self.values_left = False
        self._note = note
        self._known = set(map(_memory, known))
        self._copied: set[StorageWeakRef | int] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        output = func(*args, **(kwargs or {}))
        if func in LEAVE:
            self.values_left = True
            if func is torch.Tensor.data_ptr and not _called_by_torch():
                self._note(KERNEL, args[0])
        elif func in COPY_IN and args and _is_array(args[0]):
            self._copied.add(_memory(output))
        return output

    def check(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note those tensors that came from outside after values of the call had left."""
        if not self.values_left:
            return
        for tensor in tensors:
            memory = _memory(tensor)
            owned = tensor.layout is not torch.strided or tensor.untyped_storage().resizable()
            if memory not in self._known and (memory in self._copied or not owned):
                self._known.add(memory)
                self._note(ARRAY, tensor)


def _memory(tensor: torch.Tensor) -> StorageWeakRef | int:
    """Identify the memory of a tensor; a sparse one has none to share."""
    if tensor.layout is not torch.strided:
        return id(tensor)
    return StorageWeakRef(tensor.untyped_storage())


def _is_array(value: Any) -> bool:
    """Tell an array of another library, or a list of such, from tensors and numbers."""
    if isinstance(value, list | tuple):
        return any(map(_is_array, value))
    return hasattr(value, "__array__") and not isinstance(value, torch.Tensor)


def _called_by_torch() -> bool:
    """Tell whether the call that the mode sees comes from torch itself."""
    name = str(sys._getframe(2).f_globals.get("__name__", ""))
    return name.partition(".")[0] == "torch"
