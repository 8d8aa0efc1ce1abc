"""Traffic of operators that gather, or scatter in place: what they touch, not what they index.

A gather reads as much as it delivers, and its indices. A scatter in place reads its source and its
indices, and writes as many bytes as the source has; where it accumulates, it reads these first.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.counting.formulas.registry import TRAFFIC, ShapeOf
from pytest_flopbudget.measure.counting.formulas.view_bytes import view_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_flopbudget.profile.shapes import Shape

MASKS = (torch.bool, torch.uint8)


@TRAFFIC.build_in("embedding", "take")
def embedding(table: Shape, indices: ShapeOf, *_: Any, out_shape: ShapeOf, **__: Any) -> int:
    """From a table by indices, a row or an element for each."""
    del table
    return indices.nbytes + 2 * out_shape.nbytes


@TRAFFIC.build_in("gather", "index_select")
def gather(
    x: Shape,
    dim: int,
    indices: ShapeOf,
    *_: Any,
    out_shape: ShapeOf,
    out: object = None,
    **__: Any,
) -> int:
    """Along a dimension."""
    del x, dim, out
    return indices.nbytes + 2 * out_shape.nbytes


@TRAFFIC.build_in("index", "_unsafe_index")
def index(
    x: Shape, indices: Sequence[ShapeOf | None], *_: Any, out_shape: ShapeOf, **__: Any
) -> int:
    """By several tensors of indices, or masks."""
    del x
    return _bytes(indices) + 2 * out_shape.nbytes


@TRAFFIC.build_in("_embedding_bag", "_embedding_bag_forward_only")
def embedding_bag(
    table: ShapeOf,
    indices: ShapeOf,
    offsets: ShapeOf,
    scale_grad_by_freq: object = None,
    mode: int = 0,
    sparse: object = None,
    per_sample_weights: ShapeOf | None = None,
    *_: Any,
    out_shape: Sequence[ShapeOf],
    **__: Any,
) -> int:
    """As many rows as indices, each bag of them summed."""
    del scale_grad_by_freq, mode, sparse
    rows = prod(indices) * prod(table[1:]) * table.itemsize
    return rows + _bytes([indices, offsets, per_sample_weights]) + out_shape[0].nbytes


@TRAFFIC.build_in("index_put_", "_index_put_impl_", "_unsafe_index_put_")
def index_put(
    x: ShapeOf,
    indices: Sequence[ShapeOf | None],
    source: ShapeOf,
    accumulate: bool = False,
    *_: Any,
    **__: Any,
) -> int:
    """By several tensors of indices; a number goes to all places that are indexed."""
    written = source.nbytes
    if not source and not any(one is not None and one.tensor.dtype in MASKS for one in indices):
        written = _indexed(x, indices) * x.itemsize
    return _scattered(_bytes([*indices, source]), written, accumulate)


@TRAFFIC.build_in("index_copy_")
def index_copy(x: Shape, dim: int, indices: ShapeOf, source: ShapeOf, **_: Any) -> int:
    """Along a dimension."""
    del x, dim
    return _scattered(_bytes([indices, source]), source.nbytes)


@TRAFFIC.build_in("index_add_", "index_reduce_")
def index_add(x: Shape, dim: int, indices: ShapeOf, source: ShapeOf, *_: Any, **__: Any) -> int:
    """Along a dimension, onto what is there."""
    del x, dim
    return _scattered(_bytes([indices, source]), source.nbytes, accumulates=True)


@TRAFFIC.build_in("index_fill_")
def index_fill(x: ShapeOf, dim: int, indices: ShapeOf, value: Any, **_: Any) -> int:
    """One value along a dimension."""
    written = prod(x) // max(x[dim], 1) * prod(indices) if x else 1
    return _scattered(_bytes([indices, value]), written * x.itemsize)


@TRAFFIC.build_in("scatter_")
def scatter(
    x: ShapeOf,
    dim: int,
    indices: ShapeOf,
    source: Any = None,
    *,
    reduce: str | None = None,
    value: Any = None,
    **_: Any,
) -> int:
    """Along a dimension, from a source or one number."""
    del dim, value
    written = source.nbytes if isinstance(source, ShapeOf) else prod(indices) * x.itemsize
    return _scattered(_bytes([indices, source]), written, reduce is not None)


@TRAFFIC.build_in("scatter_add_", "scatter_reduce_")
def scatter_add(x: Shape, dim: int, indices: ShapeOf, source: ShapeOf, *_: Any, **__: Any) -> int:
    """Along a dimension, onto what is there."""
    del x, dim
    return _scattered(_bytes([indices, source]), source.nbytes, accumulates=True)


@TRAFFIC.build_in("masked_scatter_")
def masked_scatter(x: Shape, mask: ShapeOf, source: ShapeOf, **_: Any) -> int:
    """Where a mask is true, one after the other."""
    del x
    return _scattered(_bytes([mask, source]), source.nbytes)


def _scattered(read: int, written: int, accumulates: bool = False) -> int:
    return read + written + (written if accumulates else 0)


def _bytes(shapes: Sequence[Any]) -> int:
    """Return the bytes of all tensors among some arguments, each view once."""
    return sum(dict(view_of(one.tensor) for one in shapes if isinstance(one, ShapeOf)).values())


def _indexed(x: Shape, indices: Sequence[ShapeOf | None]) -> int:
    """Return how many elements some tensors of indices address."""
    given = [one for one in indices if one is not None]
    kept = [n for n, one in zip(x, [*indices, *[None] * len(x)], strict=False) if one is None]
    return prod(map(int, torch.broadcast_shapes(*given))) * prod(kept)
