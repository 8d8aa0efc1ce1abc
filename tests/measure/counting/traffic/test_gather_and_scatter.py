"""Rule 4: a gather reads what it delivers, a scatter in place writes what its source has.

A table has 100 rows of 8 numbers of 4 bytes: 32 bytes a row; an index has 8 bytes.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from tests.measure.counting.traffic.case import BACKENDS, Case, moved_by
from tests.measure.helpers import x

ROW, TABLE, INDEX = 32, 3200, 8


def table() -> tuple[Any, ...]:
    return x(100, 8), torch.tensor([1, 2, 3])


def scattered(function: Any) -> Any:
    """Have a function write into a new table, which was written once."""
    return lambda table, at: function(torch.zeros(100, 8), table, at)


def case(name: str, function: Any, moved: int, operators: int = 1) -> Case:
    return Case(name, function, table, moved, operators)


def in_place(name: str, function: Any, moved: int, operators: int = 1) -> Case:
    return Case(name, scattered(function), table, TABLE + moved, 1 + operators)


def wide(at: Any) -> Any:
    return at[:, None].expand(3, 8)


# Torch 2.13 wraps the negative indices of `take_along_dim` first, 2.6 does not.
WRAPS = tuple(map(int, torch.__version__.split(".")[:2])) > (2, 6)
READ_3 = 3 * INDEX + 2 * 3 * ROW  # the indices, and 3 rows read and written
WRITTEN_3 = 3 * ROW + 3 * INDEX + 3 * ROW  # the source and the indices, and as much as the source
CASES = [
    case("embedding", lambda t, at: F.embedding(at, t), READ_3),
    case("embedding-of-one-token", lambda t, at: F.embedding(at[:1], t), INDEX + 2 * ROW),
    case("index", lambda t, at: t[at], READ_3),
    case("index-of-a-column", lambda t, at: t[:, at], 3 * INDEX + 2 * 100 * 3 * 4),
    case("index-of-elements", lambda t, at: t[at, at], 3 * INDEX + 2 * 3 * 4),
    case("index-select", lambda t, at: t.index_select(0, at), READ_3),
    case("gather", lambda t, at: t.gather(0, wide(at)), 3 * INDEX + 2 * 3 * ROW),
    case("take", lambda t, at: t.take(at), 3 * INDEX + 2 * 3 * 4),
    case(  # which wraps negative indices, so that an expanded one is written out, then gathers
        "take-along-dim", lambda t, at: t.take_along_dim(wide(at), 0),
        (3 * INDEX + 24 * INDEX) + 24 * INDEX + 2 * 3 * ROW, 2,
    ) if WRAPS else case(
        "take-along-dim", lambda t, at: t.take_along_dim(wide(at), 0), 3 * INDEX + 2 * 3 * ROW
    ),
    case(  # 3 rows are read, 2 bags and their offsets
        "embedding-bag", lambda t, at: F.embedding_bag(at, t, at[:2] - at[:1]),
        (2 * INDEX + INDEX + 2 * INDEX) + 3 * INDEX + 3 * ROW + 2 * INDEX + 2 * ROW, 2,
    ),
    case("masked-fill-reads-all", lambda t, at: t.masked_fill(t.bool(), 0.0),
         (TABLE + 800) + (TABLE + 800 + TABLE), 2),
    in_place("index-put", lambda new, t, at: new.index_put_((at,), t[:3]), WRITTEN_3),
    in_place("index-put-of-a-number", lambda new, t, at: new.index_put_((at,), t[0, 0]),
             4 + 3 * INDEX + 3 * ROW),
    in_place("index-put-added", lambda new, t, at: new.index_put_((at,), t[:3], accumulate=True),
             WRITTEN_3 + 3 * ROW),
    in_place("index-copy", lambda new, t, at: new.index_copy_(0, at, t[:3]), WRITTEN_3),
    in_place("index-add", lambda new, t, at: new.index_add_(0, at, t[:3]), WRITTEN_3 + 3 * ROW),
    in_place("index-fill", lambda new, t, at: new.index_fill_(0, at, 1.0), 3 * INDEX + 3 * ROW),
    in_place("scatter", lambda new, t, at: new.scatter_(0, wide(at), t[:3]), WRITTEN_3),
    in_place("scatter-of-a-number", lambda new, t, at: new.scatter_(0, wide(at), 1.0),
             3 * INDEX + 3 * ROW),
    in_place("scatter-add", lambda new, t, at: new.scatter_add_(0, wide(at), t[:3]),
             WRITTEN_3 + 3 * ROW),
    in_place("scatter-reduce", lambda new, t, at: new.scatter_reduce_(0, wide(at), t[:3], "amax"),
             WRITTEN_3 + 3 * ROW),
    in_place(  # the mask, one byte each, then the whole source
        "masked-scatter", lambda new, t, at: new.masked_scatter_(t.bool(), t),
        (TABLE + 800) + 800 + TABLE + TABLE, 2,
    ),
    # A scatter that returns a new tensor reads all of its operands and writes the whole.
    in_place("scatter-anew", lambda new, t, at: new.scatter(0, wide(at), t[:3]),
             TABLE + 3 * INDEX + 3 * ROW + TABLE),
    in_place("index-put-anew", lambda new, t, at: new.index_put((at,), t[:3]),
             TABLE + 3 * INDEX + 3 * ROW + TABLE),
    in_place("index-copy-anew", lambda new, t, at: new.index_copy(0, at, t[:3]),
             TABLE + 3 * INDEX + 3 * ROW + TABLE),
]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_moved(case: Case, backend: Any) -> None:
    assert moved_by(case.run, *case.inputs(), backend=backend) == (case.moved, case.operators)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
def test_a_static_cache_of_4096_slots_costs_the_slot_that_is_written(backend: Any) -> None:
    def step(cache: Any, key: Any, at: Any) -> Any:
        cache.index_copy_(2, at, key)
        return at

    cache, key = x(1, 8, 4096, 64), x(1, 8, 1, 64)
    slot = 8 * 64 * 4
    moved = moved_by(step, cache, key, torch.tensor([4000]), backend=backend)
    assert moved == (slot + INDEX + slot, 1)
