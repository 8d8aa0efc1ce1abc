"""What a compiler could leave out: tensors that only element-wise operators write and read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_flopbudget.measure.torch_internals.storages import Storage, storage_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch

    from pytest_flopbudget.measure.counting.formulas.view_bytes import View


@dataclass
class _Intermediate:
    """The bytes that were moved of a tensor that element-wise operators alone have touched."""

    nbytes: int
    storage: Storage  # held weakly, so that no other tensor gets its address
    is_read: bool = False


class FusibleTensors:
    """The intermediate tensors of a call by their memory, as long as nothing else touches them.

    An estimate: a write and the reads of each could stay in registers, if all were fused.
    """

    def __init__(self) -> None:
        self._intermediates: dict[int, _Intermediate] = {}

    @property
    def saved(self) -> int:
        """The bytes that need not be moved."""
        return sum(one.nbytes for one in self._intermediates.values() if one.is_read)

    def note(
        self,
        reads: Mapping[View, int],
        writes: Iterable[View],
        created: Iterable[tuple[torch.Tensor, int]],
        *,
        is_element_wise: bool,
    ) -> None:
        """Note an operator, by the bytes of each; what is written in place has to be written."""
        known = self._intermediates
        if not known and not is_element_wise:
            return  # as nearly everywhere in a network of convolutions
        for view, nbytes in reads.items():
            if view[0] in known:
                if is_element_wise:
                    known[view[0]].nbytes += nbytes
                    known[view[0]].is_read = True
                else:
                    del known[view[0]]
        for view in writes:
            known.pop(view[0], None)
        if is_element_wise:
            for tensor, nbytes in created:
                storage = storage_of(tensor)
                memory = storage if isinstance(storage, int) else storage.cdata
                known[memory] = _Intermediate(nbytes, storage)
