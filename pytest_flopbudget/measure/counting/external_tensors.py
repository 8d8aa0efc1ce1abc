"""External tensors: those that come from outside of PyTorch, made by what no operator has seen."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from pytest_flopbudget.measure.counting.formulas import formula_of
from pytest_flopbudget.measure.hardware.mapped_files import is_mapped_from_file
from pytest_flopbudget.measure.torch_internals.autograd import write_count
from pytest_flopbudget.measure.torch_internals.dispatch import HigherOrderOperator
from pytest_flopbudget.measure.torch_internals.higher_order import plain_form
from pytest_flopbudget.measure.torch_internals.storages import Storage, address_of, storage_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    Note = Callable[[str, torch.Tensor], None]

ARRAY, KERNEL = "outside::array", "outside::kernel"  # in the place of an operator, in reports
SHARING = frozenset({torch.Tensor.numpy, torch.Tensor.__array__, torch.Tensor.__dlpack__})
LEAVING = SHARING | {torch.Tensor.tolist, torch.Tensor.data_ptr}  # functions that hand out values


class ExternalTensors(TorchFunctionMode):
    """Knows the memory that was there before a call, and that of torch.

    What comes from outside lies in memory that torch did not allocate and so cannot resize, as
    that of a numpy array; the copies of it are made by operators. As long as no floating-point
    values left, booleans and integers from there are no result of them, but a mask or indices; and
    weights that are read from a file are none either.
    """

    values_left = False  # whether values were handed out to code outside of PyTorch
    dtypes_matter = False  # whether what is counted depends on them
    floats_left = False  # whether some of them were no booleans or integers

    def __init__(self, known: Iterable[torch.Tensor], note: Note) -> None:
        super().__init__()
        self._note = note
        self._known = set(map(storage_of, known))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if isinstance(func, HigherOrderOperator) and formula_of(func) is None:
            plain = plain_form(func)
            if plain is not None:
                with self:
                    return plain(*args, **(kwargs or {}))
        return self.call(func, args, kwargs or {})

    def end(self) -> None:
        """Notice no more."""

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call a function of torch."""
        return func(*args, **kwargs)

    def check(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note those tensors that came from outside, each once."""
        for tensor in tensors:
            if tensor.layout is torch.strided and self._is_external(tensor):
                self._known.add(storage_of(tensor))
                if self._may_be_computed(tensor):
                    self._note(ARRAY, tensor)

    def _may_be_computed(self, tensor: torch.Tensor) -> bool:
        if not (self.floats_left or _has_floats(tensor)):
            return False
        return not is_mapped_from_file(address_of(tensor))

    def _is_external(self, tensor: torch.Tensor) -> bool:
        return not tensor.untyped_storage().resizable() and storage_of(tensor) not in self._known


class UnreadableTensors(ExternalTensors):
    """Where tensors have no values, notices also that a read failed, which a model may catch."""

    def __init__(
        self,
        known: Iterable[torch.Tensor],
        note: Note,
        note_failure: Callable[[Exception], None],
    ) -> None:
        super().__init__(known, note)
        self._note_failure = note_failure

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call a function, and notice if it reads values and fails."""
        if func not in LEAVING:
            return func(*args, **kwargs)
        self.floats_left = self.floats_left or _has_floats(args[0])
        try:
            return func(*args, **kwargs)
        except Exception as error:
            self._note_failure(error)
            raise


class ReadableTensors(ExternalTensors):
    """In a real run, notices also which values leave, and what is overwritten outside.

    A raw kernel is given away by the address that it asks for. A C++ extension that asks torch
    for nothing leaves no sign.
    """

    def __init__(self, known: Iterable[torch.Tensor], note: Note) -> None:
        super().__init__(known, note)
        self._shared: dict[Storage, tuple[torch.Tensor, torch.Tensor, int]] = {}
        self._product_noted = False  # by an array, so that what came of it needs no note
        self._watches: list[_Watch] = []

    @classmethod
    def beside(
        cls,
        known: Iterable[torch.Tensor],
        note: Note,
        note_failure: Callable[[Exception], None],
    ) -> ReadableTensors:
        """Return the mode that knows `known` and every other tensor that is alive now."""
        del note_failure  # every read succeeds
        alive = (o for o in gc.get_objects() if issubclass(type(o), torch.Tensor))
        return cls([*known, *alive], note)

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call a function, and notice if values leave by it."""
        output = func(*args, **kwargs)
        if func in LEAVING:
            self._note_leaving(func, args[0])
        if func in SHARING and _has_floats(args[0]):
            if func is torch.Tensor.numpy:
                self._watches.append(_Watch(partial(self._note_product, args[0])))
                return _watched(output, self._watches[-1])
            self._note_product(args[0])  # nobody can watch what numpy takes this way
        return output

    def end(self) -> None:
        """Have arrays that a model kept hold nothing of this run."""
        for watch in self._watches:
            watch.note = None

    def _note_product(self, tensor: torch.Tensor) -> None:
        """Note that numpy computed a product of the values of a tensor, and not what came of it."""
        self._product_noted = True
        self._note(ARRAY, tensor)

    def _may_be_computed(self, tensor: torch.Tensor) -> bool:
        return not self._product_noted and super()._may_be_computed(tensor)

    def _note_leaving(self, func: Any, tensor: torch.Tensor) -> None:
        self.values_left = True
        self.floats_left = self.floats_left or _has_floats(tensor)
        if func in SHARING:
            storage = storage_of(tensor)
            self._known.add(storage)  # torch does not resize what it shares either
            self._shared[storage] = tensor, tensor.detach().clone(), write_count(tensor)
        elif func is torch.Tensor.data_ptr and not _called_by_torch():
            self._note(KERNEL, tensor)

    def _is_external(self, tensor: torch.Tensor) -> bool:
        return self._was_overwritten(storage_of(tensor)) or super()._is_external(tensor)

    def _was_overwritten(self, storage: Storage) -> bool:
        """Return whether somebody else wrote into memory that torch shared."""
        shared = self._shared.pop(storage, None)  # also while it is read, which is an operator
        if shared is None:
            return False
        tensor, contents, writes = shared
        if write_count(tensor) != writes:
            return False
        if _is_equal(tensor, contents):
            self._shared[storage] = shared
            return False
        return True


def _has_floats(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _is_equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.equal(one.detach().nan_to_num(), other.nan_to_num())


@dataclass
class _Watch:
    """What the arrays of one tensor share: whom to tell of a product, until the run ends."""

    note: Callable[[], None] | None


def _watched(array: Any, watch: _Watch) -> Any:
    from pytest_flopbudget.measure.counting.watched_arrays import watched

    return watched(array, watch)


def _called_by_torch() -> bool:
    """Return whether the call that the mode sees comes from torch itself."""
    name = str(sys._getframe(4).f_globals.get("__name__", ""))
    return name.partition(".")[0] == "torch"
