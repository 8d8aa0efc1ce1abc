"""What a shape does not tell: how many elements a sparse tensor stores, how long sequences are.

Meta and fake tensors do not know it either, so a model that needs it is counted in a real run.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.counting.formulas.registry import ShapeOf
from pytest_flopbudget.measure.torch_internals.fake_tensors import is_fake
from pytest_flopbudget.measure.torch_internals.pytree import tree_leaves, tree_map_only
from pytest_flopbudget.measure.torch_internals.tensors import coo_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.profile.shapes import Shape


class MissingValuesError(MeasureError):
    """A count depends on the values of a tensor that has none."""


def stored_elements(shape: Shape) -> int:
    """Count the elements that a sparse tensor stores."""
    tensor = _with_values(shape)
    is_coo = tensor.layout is torch.sparse_coo
    return (coo_tensors(tensor)[1] if is_coo else tensor.values()).numel()


def meeting_pairs(a: Shape, b: Shape) -> int:
    """Count the pairs of stored elements that meet in a product of two sparse matrices."""
    by_column = _per_index(_with_values(a), 1)
    by_row = _per_index(_with_values(b), 0)
    return int((by_column * by_row).sum())


def sequence_lengths(bounds: Shape) -> list[int]:
    """Read the lengths of sequences from where they start and the last one ends."""
    return [end - start for start, end in pairwise(integer_values(bounds))]


def integer_values(shape: Shape) -> list[Any]:
    """Read the values of a tensor of integers, nested like its dimensions."""
    return list(_with_values(shape).tolist())


def calls_without_nesting(args: Any, kwargs: Any, output: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the calls that one call on nested tensors stands for, one for each of their components.

    What is not nested is in each of them. Without nested tensors the call itself is yielded.
    """
    called = args, kwargs, output
    nested = [t for t in tree_leaves(called) if isinstance(t, torch.Tensor) and t.is_nested]
    if not nested:
        yield called
        return
    components = {id(tensor): tensor.unbind() for tensor in nested}
    for taken in zip(*components.values(), strict=True):
        part = dict(zip(components, taken, strict=True))
        yield tree_map_only(torch.Tensor, partial(_component_of, part), called)


def _component_of(part: dict[int, torch.Tensor], tensor: torch.Tensor) -> torch.Tensor:
    return part.get(id(tensor), tensor)


def _with_values(shape: Shape) -> torch.Tensor:
    tensor = shape.read_values(shape.tensor) if isinstance(shape, ShapeOf) else None
    if tensor is None or tensor.is_meta or is_fake(tensor):
        raise MissingValuesError(
            "FLOPs of sparse and of packed tensors depend on their values, which tensors on "
            "meta do not have",
            "profile the model with its weights and inputs on a real device",
        )
    return tensor


def _per_index(matrix: torch.Tensor, dim: int) -> torch.Tensor:
    coordinates = coo_tensors(matrix.to_sparse_coo())[0]
    return torch.bincount(coordinates[dim], minlength=matrix.shape[dim])
