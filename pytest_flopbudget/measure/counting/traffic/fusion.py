"""What a compiler could leave out: tensors that only element-wise operators write and read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class _Intermediate:
    """The bytes that were moved of a tensor that element-wise operators alone have touched."""

    nbytes: int
    reads: int = 0


class FusibleTensors:
    """The intermediate tensors of a call by their memory, as long as nothing else touches them.

    An estimate: a write and the reads of each could stay in registers, if all were fused.
    """

    def __init__(self) -> None:
        self._saved = 0
        self._intermediates: dict[int, _Intermediate] = {}

    @property
    def saved(self) -> int:
        """The bytes that need not be moved."""
        return self._saved + sum(map(_saved_by, self._intermediates.values()))

    def create(self, memory: int, nbytes: int, *, is_element_wise: bool) -> None:
        """Note a new tensor; memory that had another one before was freed by it."""
        before = self._intermediates.pop(memory, None)
        if before is not None:
            self._saved += _saved_by(before)
        if is_element_wise:
            self._intermediates[memory] = _Intermediate(nbytes)

    def read(self, memory: int, nbytes: int, *, is_element_wise: bool) -> None:
        """Note a read."""
        if not is_element_wise:
            self._intermediates.pop(memory, None)
        elif (read := self._intermediates.get(memory)) is not None:
            read.nbytes += nbytes
            read.reads += 1

    def keep(self, memory: int) -> None:
        """Note that a tensor has to be written: in place, or as an output of the model."""
        self._intermediates.pop(memory, None)


def _saved_by(tensor: _Intermediate) -> int:
    return tensor.nbytes if tensor.reads else 0
