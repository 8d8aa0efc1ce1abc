"""What hides operators from a counter: hooks of tensors, tensors with a dispatch of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from pytest_flopbudget.measure.counting.backends.fake import FakeBackend
from pytest_flopbudget.measure.counting.backends.meta import MetaBackend
from pytest_flopbudget.measure.counting.backends.real import RealBackend
from tests.measure.helpers import Fn, counted_in, x

if TYPE_CHECKING:
    from collections.abc import Iterator

PRODUCT = 2 * 16 * 16 * 16

pytestmark = pytest.mark.parametrize("backend", [MetaBackend, FakeBackend, RealBackend])


def squared(tensor: Tensor) -> Tensor:
    return tensor @ tensor.T @ tensor  # two products


def after_accumulation(parameter: Tensor) -> None:
    assert parameter.grad is not None
    squared(parameter.grad)


@pytest.mark.parametrize("kind", ["gradient", "accumulation"])
def test_hooks_of_a_parameter_run(backend: Any, kind: str) -> None:
    model = nn.Linear(16, 16, bias=False)
    if kind == "gradient":
        model.weight.register_hook(squared)
    else:
        model.weight.register_post_accumulate_grad_hook(after_accumulation)
    count = counted_in(backend(), model, (x(16, 16),), training=True)
    assert (sum(count.forward), sum(count.backward)) == (PRODUCT, PRODUCT + 2 * PRODUCT)


def test_hooks_of_an_input_run(backend: Any) -> None:
    rows = x(16, 16, requires_grad=True)
    rows.register_hook(squared)
    count = counted_in(backend(), nn.Linear(16, 16), (rows,), training=True)
    assert (sum(count.forward), sum(count.backward)) == (PRODUCT, 2 * PRODUCT + 2 * PRODUCT)


class Wrapper(torch.Tensor):
    """A tensor that hands operators on to another one, and tells nobody which one."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Any:
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, dtype=inner.dtype, device=inner.device
        )

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tree_map_only(Wrapper, lambda t: t.inner, (args, kwargs or {}))
        return tree_map_only(torch.Tensor, Wrapper, func(*args, **kwargs))


def test_a_tensor_with_a_dispatch_of_its_own_hides_nothing(backend: Any) -> None:
    model = Fn(lambda rows: (Wrapper(rows) @ Wrapper(rows)).inner)
    count = counted_in(backend(), model, (x(16, 16),))
    assert (sum(count.forward), count.uncounted) == (PRODUCT, {})


def test_a_parameter_with_a_dispatch_of_its_own_hides_nothing(backend: Any) -> None:
    weight = nn.Parameter(Wrapper(x(16, 16)), requires_grad=False)
    model = Fn(lambda self, rows: rows @ self.weight, weight=weight)
    count = counted_in(backend(), model, (x(16, 16),))
    assert (sum(count.forward), count.uncounted) == (PRODUCT, {})


@pytest.fixture
def aliasing() -> Iterator[Any]:
    """An operator whose result lies in the memory of its argument, after a product."""
    library = torch.library.Library("flopbudget_aliasing", "FRAGMENT")
    library.define("after_product(Tensor(a) a, Tensor b) -> Tensor(a)")
    library.impl("after_product", lambda a, b: a.view((a @ b).shape), "CompositeExplicitAutograd")
    yield torch.ops.flopbudget_aliasing.after_product
    library._destroy()


def test_a_custom_operator_that_returns_an_alias_is_uncounted(backend: Any, aliasing: Any) -> None:
    count = counted_in(backend(), Fn(lambda rows: aliasing(rows, rows)), (x(16, 16),))
    assert [name for name, _ in count.uncounted] == ["flopbudget_aliasing::after_product"]
