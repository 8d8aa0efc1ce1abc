"""Rules 1 to 3: views are free, each view is read once, in place is read and written.

`X` is 4 rows of 8 numbers of 4 bytes: 128 bytes.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.measure.counting.traffic.case import BACKENDS, Case, moved_by
from tests.measure.helpers import x

X = 4 * 8 * 4
ROW = 8 * 4


def rows() -> tuple[Any, ...]:
    return (x(4, 8),)


def assigned(a: Any) -> Any:
    copy = a.clone()
    copy[:, 0] = a[:, 1]
    return copy


def into(a: Any) -> Any:
    return torch.add(a, 1, out=torch.empty(4, 8))


def into_itself(a: Any) -> Any:
    copy = a.clone()
    return torch.add(copy, 1, out=copy)


CASES = [
    # 1. Views, and what moves no values
    Case("views", lambda a: a.view(8, 4).t()[1:].unsqueeze(0), rows, 0, 0),
    Case("reshape-that-is-a-view", lambda a: a.reshape(2, 16), rows, 0, 0),
    Case("reshape-that-copies", lambda a: a.t().reshape(32), rows, 2 * X),
    Case("split", lambda a: a.split(2), rows, 0, 0),
    Case("chunk-and-unbind", lambda a: [*a.chunk(2), *a.unbind()], rows, 0, 0),
    Case("detach", lambda a: a.detach(), rows, 0, 0),
    Case("empty", lambda a: [torch.empty(3), torch.empty_like(a), a.new_empty(5)], rows, 0, 0),
    Case("shape", lambda a: a * a.shape[0], rows, 2 * X),
    Case("zeros", lambda a: torch.zeros(4, 8), rows, X),
    Case("full", lambda a: torch.full((4, 8), 2.0), rows, X),
    Case("arange", lambda a: torch.arange(8), rows, 64),
    Case("zeros-like-reads-no-values", lambda a: torch.zeros_like(a), rows, X),
    Case("new-full-reads-no-values", lambda a: a.new_full((2,), 1.0), rows, 8),
    Case("random", lambda a: torch.rand(4, 8), rows, X),
    Case("random-like", lambda a: torch.randn_like(a), rows, X),
    # 2. Each view once, by its extent
    Case("the-same-twice", lambda a: a * a, rows, 2 * X),
    Case("two-views-of-one", lambda a: a[:2] * a[2:], rows, 64 + 64 + 64),
    Case("transposed-is-another-view", lambda a: a @ a.t(), rows, X + X + 64),
    Case("expanded", lambda a: a[:1].expand(4, 8) * 2, rows, ROW + X),
    Case("expanded-twice", lambda a: a[:1, :1].expand(4, 8) * 2, rows, 4 + X),
    Case("steps", lambda a: a[:, ::2] + 1, rows, 64 + 64),  # what is taken, not the gaps
    Case("overlapping-windows", lambda a: a.unfold(1, 4, 1) + 1, rows, X + 4 * 5 * 4 * 4),
    Case("empty-tensor", lambda a: a[:0] * 2, rows, 0),
    Case("broadcast", lambda a: a + a[0], rows, X + ROW + X),
    Case("reduction", lambda a: a.sum(1), rows, X + 16),
    Case("bool", lambda a: (a > 0).logical_not(), rows, X + 32 + 32 + 32, 2),
    Case("two-results", lambda a: a.max(1), rows, X + 16 + 32),
    Case("no-values-out", lambda a: torch.Size(a.shape), rows, 0, 0),
    Case("concatenation", lambda a: torch.cat([a, a]), rows, X + 2 * X),
    Case("contiguous-that-is", lambda a: a.contiguous(), rows, 0, 0),
    Case("contiguous-that-is-not", lambda a: a.t().contiguous(), rows, 2 * X),
    Case("clone", lambda a: a.clone(), rows, 2 * X),
    Case("complex", lambda a: torch.complex(a, a), rows, X + 2 * X),
    Case("complex-conjugated-lazily", lambda a: torch.complex(a, a).conj(), rows, 3 * X),
    Case(  # resolved into a tensor of its own, which is then read
        "complex-resolved", lambda a: torch.complex(a, a).conj() * 2, rows, 3 * X + 4 * X + 4 * X, 3
    ),
    # 3. In place
    Case("in-place", lambda a: a.clone().add_(1), rows, 4 * X, 2),
    Case("in-place-with-another", lambda a: a.clone().mul_(a), rows, 2 * X + 3 * X, 2),
    Case("zeroed", lambda a: a.clone().zero_(), rows, 3 * X, 2),
    Case("filled", lambda a: a.clone().fill_(1.0), rows, 3 * X, 2),
    Case("filled-at-random", lambda a: a.clone().uniform_(), rows, 3 * X, 2),
    Case("copied-into", lambda a: torch.empty(4, 8).copy_(a), rows, 2 * X),
    Case("copied-and-broadcast", lambda a: torch.empty(4, 8).copy_(a[0]), rows, ROW + X),
    Case("assigned-to-a-slice", assigned, rows, 2 * X + 16 + 16, 2),
    Case("masked-fill-reads-all", lambda a: a.clone().masked_fill_(a > 0, 1.0),
         rows, 2 * X + (X + 32) + (2 * X + 32), 3),
    Case("out", into, rows, 2 * X),
    Case("out-that-is-an-input", into_itself, rows, 4 * X, 2),
    Case("several-in-place", lambda a: torch._foreach_mul_([a.clone(), a.clone()], 2.0),
         rows, 4 * X + 4 * X, 3),
    Case("several-copied", lambda a: torch._foreach_copy_([torch.empty(4, 8)], [a]), rows, 2 * X),
    Case("beta-of-zero", lambda a: torch.addmm(torch.empty(4, 4), a, a.t(), beta=0),
         rows, X + X + 64),
    Case("beta-of-one", lambda a: torch.addmm(torch.empty(4, 4), a, a.t()),
         rows, X + X + 64 + 64),
]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_moved(case: Case, backend: Any) -> None:
    if backend.name in case.never:
        pytest.skip("it does not run there")
    found = moved_by(case.run, *case.inputs(), backend=backend, training=case.training)
    assert found == (case.moved, case.operators)
