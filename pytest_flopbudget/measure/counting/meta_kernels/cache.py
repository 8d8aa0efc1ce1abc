"""The cache of meta kernels: the specs of what operators returned, by their arguments.

Most of torch's meta kernels are written in Python and take 0.1 to 1 ms, a new tensor of known size
takes a microsecond, and models repeat their layers: without this cache the count of ResNet-50 in
training takes 740 ms instead of 246.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pytest_flopbudget.measure.counting.meta_kernels.elementwise import DTYPES
from pytest_flopbudget.measure.counting.meta_kernels.overrides import OVERRIDES
from pytest_flopbudget.measure.counting.meta_kernels.result_spec import TensorSpec, is_apart
from pytest_flopbudget.measure.counting.meta_kernels.table import IN_PLACE, META_KERNELS
from pytest_flopbudget.measure.torch_internals.dispatch import dispatch_keys
from pytest_flopbudget.measure.torch_internals.storages import Storage, storage_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from pytest_flopbudget.measure.counting.meta_kernels.result_spec import ResultSpec
    from pytest_flopbudget.measure.operators import Operator

PLAIN_TYPES = (torch.Tensor, torch.nn.Parameter)
SCALARS = frozenset(
    {int, float, bool, str, type(None)}
    | {torch.dtype, torch.device, torch.layout, torch.memory_format}
)
NOT_REPEATABLE: Any = object()  # stands for a result that new tensors cannot repeat


class MetaKernelCache:
    """Runs operators on meta tensors, each that can be repeated once for the same arguments."""

    def __init__(self) -> None:
        self._specs: dict[Hashable, Any] = {}

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[Tensor]) -> Any:
        """Return what the operator returns, or new tensors like those that it returned before."""
        if operator.writes and changes_values_alone(operator, args, kwargs, given):
            return args[0]
        kernel = OVERRIDES.get(operator.name, operator.func)
        key = _key(operator, args, kwargs) if operator.is_pure else None
        if key is None:
            return kernel(*args, **kwargs)
        spec = self._specs.get(key)
        if spec is None:
            spec = self._specs[key] = result_spec(operator, args, kwargs, given)
        if spec is None:
            output = kernel(*args, **kwargs)
            self._specs[key] = _spec_of_result(output, given)
            return output
        return kernel(*args, **kwargs) if spec is NOT_REPEATABLE else empty(spec)


def result_spec(
    operator: Operator, args: Any, kwargs: Any, given: Sequence[Tensor]
) -> ResultSpec | None:
    """Return the spec of what an operator returns; `None` if our table does not tell."""
    kernel = META_KERNELS.get(str(operator.func))
    if operator.name == "aten::embedding":
        given = given[:1]  # the others are indices
    return kernel(*args, **kwargs) if kernel is not None and _are_simple(given) else None


def empty(spec: ResultSpec) -> Any:
    """Return new meta tensors of a spec."""
    if isinstance(spec, list):
        return tuple([None if one is None else empty(one) for one in spec])
    size, dtype, strides = spec
    if strides is None:
        return torch.empty(size, dtype=dtype, device="meta")
    return torch.empty_strided(size, strides, dtype=dtype, device="meta")


def is_plain(tensor: Tensor) -> bool:
    """Return whether a tensor is an ordinary one on meta: not conjugated, sparse, wrapped, ..."""
    return type(tensor) in PLAIN_TYPES and dispatch_keys(tensor).raw_repr() in PLAIN_KEYS


def changes_values_alone(
    operator: Operator, args: Any, kwargs: Any, given: Sequence[Tensor]
) -> bool:
    """Return whether an operator returns its first argument, with other values and no more."""
    if kwargs or str(operator.func) not in IN_PLACE or not all(map(is_plain, given)):
        return False
    if not _are_simple(given) or not is_apart(args[0]):
        return False
    changed, *rest = given
    return all(
        tensor.shape == changed.shape and storage_of(tensor) != storage_of(changed)
        for tensor in rest
    )


def _are_simple(given: Sequence[Tensor]) -> bool:
    """Return whether tensors have elements, and one floating-point dtype."""
    dtypes = {tensor.dtype for tensor in given}
    return len(dtypes) <= 1 and dtypes <= DTYPES and all(tensor.numel() for tensor in given)


def _key(operator: Operator, args: Any, kwargs: Any) -> Hashable | None:
    """Return all that the spec of a result can depend on; `None` if that is not known."""
    key: list[Any] = [operator.func, torch.get_default_dtype(), torch.is_grad_enabled()]
    if not _add(key, args):
        return None
    if kwargs and not (_add(key, kwargs) and _add(key, kwargs.values())):
        return None
    return tuple(key)


def _add(key: list[Any], values: Iterable[Any]) -> bool:
    """Add values to a key, each with its type: 1, 1.0 and `True` are equal."""
    for value in values:
        kind = type(value)
        key.append(kind)
        if kind in SCALARS:
            key.append(value)
        elif kind is list or kind is tuple:
            key.append(len(value))
            if not _add(key, value):
                return False
        elif isinstance(value, Tensor) and is_plain(value):
            key += (value.shape, value.stride(), value.dtype)
        else:
            return False
    return True


def _spec_of_result(output: Any, given: list[Tensor]) -> Any:
    """Return the spec of a result if all of it is plain and in memory of its own."""
    storages = set(map(storage_of, given))
    if isinstance(output, Tensor):
        return _spec_of_tensor(output, storages)
    if not isinstance(output, tuple):
        return NOT_REPEATABLE
    specs = [None if one is None else _spec_of_tensor(one, storages) for one in output]
    return NOT_REPEATABLE if NOT_REPEATABLE in specs else specs


def _spec_of_tensor(output: Tensor, storages: set[Storage]) -> Any:
    """Return the spec of one tensor of a result; `storages` are taken, and then its own is."""
    if type(output) is not Tensor or not is_plain(output) or storage_of(output) in storages:
        return NOT_REPEATABLE
    storages.add(storage_of(output))
    spec = TensorSpec(output.shape, output.dtype, output.stride())
    size = empty(spec).untyped_storage().nbytes()
    is_whole = output.storage_offset() == 0 and output.untyped_storage().nbytes() == size
    return spec if is_whole else NOT_REPEATABLE


def _plain_keys() -> set[int]:
    """Return the dispatch keys of ordinary meta tensors, with and without gradients."""
    with torch.inference_mode():
        inference = torch.empty(0, device="meta")
    with torch.inference_mode(False):
        return {dispatch_keys(t).raw_repr() for t in (inference, torch.empty(0, device="meta"))}


PLAIN_KEYS = _plain_keys()
