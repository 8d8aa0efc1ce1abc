"""The bytes of the tensors on the CPU that a call makes, from when they are made until freed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

from pytest_flopbudget.measure.hardware.devices import CPU
from pytest_flopbudget.measure.operators import OperatorMode, tensors
from pytest_flopbudget.measure.torch_internals.dispatch import run_on_cpu
from pytest_flopbudget.measure.torch_internals.storages import memory_of
from pytest_flopbudget.measure.torch_internals.tensors import storage_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import torch

    from pytest_flopbudget.measure.operators import Operator

FUSED = frozenset(  # operators whose kernels are made of other operators, which are to be seen
    {"aten::_transformer_encoder_layer_fwd", "aten::_native_multi_head_attention"}
)
GIVEN_NEW = frozenset({"aten::lift_fresh"})  # operators whose input no operator has made: literals


class CpuAllocationTracker(OperatorMode):
    """Sees the operators of a real run, and counts the bytes of the storages that they make.

    A storage counts once, however many tensors lie in it, until the last of them is gone. One
    that an operator is given and none has made existed before the call: it never counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self._alive = self._peak = 0
        self._known: dict[int, ref[torch.UntypedStorage]] = {}  # by the address of a storage
        self._sizes: dict[int, int] = {}  # of those that count

    def recording(self) -> CpuAllocationTracker:
        """Return the mode itself."""
        return self

    def alive(self) -> int:
        """Return the bytes of the storages alive now."""
        return self._alive

    def peak(self) -> int:
        """Return the most since the last restart."""
        return self._peak

    def restart(self) -> None:
        """Let the peak begin anew at what is alive now."""
        self._peak = self._alive

    def is_run_whole(self, operator: Operator, given: Sequence[torch.Tensor]) -> bool:
        """Return whether an operator is not to be decomposed: on nested tensors torch cannot."""
        del operator
        return any(tensor.is_nested for tensor in given)

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run an operator, and count the storages that it makes or changes in size."""
        if operator.name not in GIVEN_NEW:
            self._note_existing(given)
        output = self._run(operator, args, kwargs, given)
        # Some resize what they write into and return nothing: `split_with_sizes_copy` of FSDP.
        self._count((*tensors((output,)), *operator.written(args, kwargs)))
        return output

    def _run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        if operator.name not in FUSED or any(tensor.is_nested for tensor in given):
            return operator.func(*args, **kwargs)
        with self:
            return run_on_cpu(operator.func, args, kwargs)

    def _note_existing(self, given: list[torch.Tensor]) -> None:
        for tensor in given:
            for storage in memory_of(tensor):
                self._is_new(storage)

    def _count(self, made: Iterable[torch.Tensor]) -> None:
        """Count the storages that are new, and what others have gained or lost in size."""
        for tensor in made:
            for storage in memory_of(tensor):
                if self._is_new(storage) and _is_allocated(storage):
                    self._sizes[storage_address(storage)] = 0
                if (key := storage_address(storage)) in self._sizes:
                    self._alive += storage.nbytes() - self._sizes[key]
                    self._sizes[key] = storage.nbytes()
        self._peak = max(self._peak, self._alive)

    def _is_new(self, storage: torch.UntypedStorage) -> bool:
        """Return whether a storage is seen for the first time; from then on it is known."""
        key = storage_address(storage)
        if key in self._known:
            return False
        self._known[key] = ref(storage, partial(self._forget, key))
        return True

    def _forget(self, key: int, _dead: object) -> None:
        self._alive -= self._sizes.pop(key, 0)
        del self._known[key]


def _is_allocated(storage: torch.UntypedStorage) -> bool:
    """Return whether PyTorch allocated a storage on the CPU; others are lent, by numpy for one."""
    return storage.device.type == CPU.type and storage.resizable()
