"""Answers that are repeated are those that torch would give again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from pytest_flopbudget.measure.counting.meta_kernels.cache import MetaKernelCache
from pytest_flopbudget.measure.operators import operator_of, tensors


class Compared(TorchDispatchMode):
    """Runs each operator twice by a memo, and compares both answers with torch's own."""

    def __init__(self) -> None:
        super().__init__()
        self.memo = MetaKernelCache()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = func(*args, **kwargs)
        for _ in range(2):
            ours = self.memo.run(operator_of(func), args, kwargs, list(tensors(args, kwargs)))
            assert seen(ours, args) == seen(given, args)
        return ours


def seen(value: Any, args: Any) -> Any:
    """All that can be told of an output that has no values."""
    if isinstance(value, tuple | list):
        return type(value), [seen(item, args) for item in value]
    if not isinstance(value, Tensor):
        return value
    if value.layout is not torch.strided:
        return value.layout, value.shape, value.dtype
    storage = value.untyped_storage()
    shares = [isinstance(a, Tensor) and shared(a, value) for a in args]
    form = value.shape, value.stride(), value.storage_offset(), value.dtype, storage.nbytes()
    flags = value.is_conj(), value.is_neg(), value.requires_grad, type(value)
    return form, flags, shares


def shared(one: Tensor, other: Tensor) -> bool:
    return (
        one.layout is torch.strided
        and one.untyped_storage()._cdata == other.untyped_storage()._cdata
    )


def meta(*shape: int, **kwargs: Any) -> Tensor:
    return torch.empty(shape, device="meta", **kwargs)


@pytest.mark.parametrize(
    "run",
    [
        lambda: (meta(2, 3) + 1, meta(2, 3) + 1.0, meta(2, 3) + True),
        lambda: [meta(2, 3, dtype=torch.int64) + value for value in (1, 1.0, True)],
        lambda: [meta(2, 3, dtype=dtype) * 2 for dtype in (torch.float16, torch.int32)],
        lambda: [
            F.gelu(t) for t in (meta(2, 3), meta(3, 2).t(), meta(4, 3)[::2], meta(1).expand(2))
        ],
        lambda: [meta(4, 4).split(2), meta(4, 4)[1:].relu(), meta(4, 4).unbind()],
        lambda: torch.native_layer_norm(meta(2, 3), (3,), None, None, 1e-5),
        lambda: F.batch_norm(meta(2, 3, 4), None, None, training=True),
        lambda: F.max_pool2d(meta(1, 2, 4, 4), 2, return_indices=True),
        lambda: [meta(2, dtype=torch.cfloat).conj() * 2, meta(2, dtype=torch.cfloat) * 2],
        lambda: meta(2, dtype=torch.cfloat).conj().imag + 1,
        lambda: [torch.ops.aten._unsafe_view(meta(2, 3), [6]) for _ in range(2)],
        lambda: torch._efficientzerotensor((2,), device="meta") * meta(2),
        lambda: torch.sparse_coo_tensor(
            meta(1, 2, dtype=torch.int64), meta(2), (4,), check_invariants=False
        ).clone(),
        lambda: torch.sum(meta(2, 3), 0, dtype=torch.float64),
        lambda: torch._foreach_add([meta(2), meta(3)], 1),
        lambda: torch.unbind_copy(meta(2, 3)),
        lambda: meta(2, 3).relu_().add_(1),
        lambda: torch.cat([meta(2, 3), meta(0)]),
        lambda: F.dropout(meta(2, 3)),
        lambda: meta(2, 3).contiguous(memory_format=torch.contiguous_format).clone(),
        lambda: nn.Parameter(meta(2, 3)) * 2,
    ],
)
def test_a_repeated_answer_is_that_of_torch(run: Callable[[], Any]) -> None:
    with Compared():
        run()
        run()


def test_the_default_dtype_is_part_of_the_question() -> None:
    rows = meta(2, dtype=torch.int64)
    with Compared():
        assert (rows * 0.5).dtype is torch.float32
        torch.set_default_dtype(torch.float64)
        try:
            assert (rows * 0.5).dtype is torch.float64
        finally:
            torch.set_default_dtype(torch.float32)


def test_a_gradient_that_nobody_wants_is_none() -> None:
    weight, rows = meta(4, 3, 3, 3, requires_grad=True), meta(1, 3, 8, 8)
    with Compared():
        F.conv2d(rows, weight).sum().backward()
    assert weight.grad is not None


def test_an_answer_is_asked_for_once() -> None:
    memo, calls = MetaKernelCache(), []
    erf = operator_of(torch.ops.aten.erf.default)
    rows = meta(2, 3)

    class Asked(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            calls.append(func)
            return func(*args, **(kwargs or {}))

    with Asked():
        outputs = [memo.run(erf, (rows,), {}, [rows]) for _ in range(3)]
    assert calls.count(torch.ops.aten.erf.default) == 1
    assert len({id(output) for output in outputs}) == 3
    assert not any(shared(outputs[0], other) for other in outputs[1:])


def test_a_custom_operator_answers_each_time() -> None:
    assert operator_of(torch.ops.aten.mm.default).is_pure
    for func in (
        torch.ops.aten.mm.out,
        torch.ops.aten.t.default,
        torch.ops.aten.relu_.default,
        torch.ops.aten.nonzero.default,
        torch.ops.aten.bernoulli.default,
        torch.ops.prims.add.default,
    ):
        assert not operator_of(func).is_pure
