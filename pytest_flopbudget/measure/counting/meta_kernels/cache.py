"""What kernels answered on meta tensors, by the form of what they were asked.

Most of torch's meta kernels are written in Python and take 0.1 to 1 ms, a tensor of known form
takes a microsecond, and models repeat their layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pytest_flopbudget.measure.counting.meta_kernels.overrides import kernel_of
from pytest_flopbudget.measure.counting.meta_kernels.table import form_of, is_in_place
from pytest_flopbudget.measure.isolation.storages import Storage, storage_of
from pytest_flopbudget.measure.torch_internals.dispatch import dispatch_keys

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from pytest_flopbudget.measure.counting.meta_kernels.result_spec import Answer
    from pytest_flopbudget.measure.operators import Operator

PLAIN_TYPES = (torch.Tensor, torch.nn.Parameter)
SCALARS = frozenset(
    {int, float, bool, str, type(None)}
    | {torch.dtype, torch.device, torch.layout, torch.memory_format}
)
UNKNOWN: Any = object()  # the answer cannot be repeated


class MetaKernelCache:
    """Runs operators on meta tensors, those that can be repeated once for each form."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, Any] = {}

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[Tensor]) -> Any:
        """Return what the operator returns, or new tensors like those that it returned before."""
        question = _question(operator, args, kwargs) if operator.is_pure else None
        if operator.writes and _is_in_place(operator, args, kwargs, given):
            return args[0]
        if question is None:
            return kernel_of(operator)(*args, **kwargs)
        answer = self._answers.get(question)
        if answer is None:
            answer = form_of(operator, args, kwargs, given)
            if answer is None:
                output = kernel_of(operator)(*args, **kwargs)
                self._answers[question] = _answer(output, given)
                return output
            self._answers[question] = answer
        return kernel_of(operator)(*args, **kwargs) if answer is UNKNOWN else _made(answer)


def _is_in_place(operator: Operator, args: Any, kwargs: Any, given: list[Tensor]) -> bool:
    return not kwargs and all(map(is_plain, given)) and is_in_place(operator, args, given)


def is_plain(tensor: Tensor) -> bool:
    """Tell an ordinary meta tensor: not conjugated, sparse, nested, wrapped, of a mode, ..."""
    return type(tensor) in PLAIN_TYPES and _keys(tensor) in PLAIN_KEYS


def _question(operator: Operator, args: Any, kwargs: Any) -> Hashable | None:
    """Return all that the form of an answer can depend on; `None` if that is not known."""
    known: list[Any] = [operator.func, torch.get_default_dtype(), torch.is_grad_enabled()]
    if not _add(known, args):
        return None
    if kwargs and not (_add(known, kwargs) and _add(known, kwargs.values())):
        return None
    return tuple(known)


def _add(known: list[Any], values: Iterable[Any]) -> bool:
    """Add the forms of values, each with its type: 1, 1.0 and `True` are equal."""
    for value in values:
        kind = type(value)
        known.append(kind)
        if kind in SCALARS:
            known.append(value)
        elif kind is list or kind is tuple:
            known.append(len(value))
            if not _add(known, value):
                return False
        elif isinstance(value, Tensor) and is_plain(value):
            known += (value.shape, value.stride(), value.dtype)
        else:
            return False
    return True


def _answer(output: Any, given: list[Tensor]) -> Any:
    """Return the forms of an output if all of it is plain and in memory of its own."""
    storages = set(map(storage_of, given))
    if isinstance(output, Tensor):
        return _form(output, storages)
    if not isinstance(output, tuple):
        return UNKNOWN
    forms = [None if part is None else _form(part, storages) for part in output]
    return UNKNOWN if UNKNOWN in forms else forms


def _form(output: Tensor, storages: set[Storage]) -> Any:
    """Return the form of one output; `storages` are taken, and then its own is."""
    if type(output) is not Tensor or not is_plain(output) or storage_of(output) in storages:
        return UNKNOWN
    storages.add(storage_of(output))
    form = output.shape, output.stride(), output.dtype
    size = _made(form).untyped_storage().nbytes()
    is_whole = output.storage_offset() == 0 and output.untyped_storage().nbytes() == size
    return form if is_whole else UNKNOWN


def _made(answer: Answer) -> Any:
    if isinstance(answer, list):
        return tuple([None if form is None else _made(form) for form in answer])
    size, stride, dtype = answer
    return torch.empty_strided(size, stride, dtype=dtype, device="meta")


def _keys(tensor: Tensor) -> int:
    """Return the dispatch keys of a tensor, by which torch tells all that is special about it."""
    keys: int = dispatch_keys(tensor).raw_repr()
    return keys


def _plain_keys() -> set[int]:
    """Return the keys of ordinary meta tensors, with and without gradients."""
    with torch.inference_mode():
        inference = torch.empty(0, device="meta")
    with torch.inference_mode(False):
        return {_keys(inference), _keys(torch.empty(0, device="meta"))}


PLAIN_KEYS = _plain_keys()
