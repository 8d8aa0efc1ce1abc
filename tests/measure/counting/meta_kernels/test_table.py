"""What is told without torch's meta kernels is what they tell, for any shape and strides."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pytest_flopbudget.measure.counting.meta_kernels.cache import (
    changes_values_alone,
    empty,
    result_spec,
)
from pytest_flopbudget.measure.counting.meta_kernels.table import IN_PLACE, META_KERNELS
from pytest_flopbudget.measure.operators import operator_of, tensors

quick, thorough = (settings(deadline=None, max_examples=n) for n in (100, 300))
aten = torch.ops.aten
FACTORIES = (aten.arange.default, aten.zeros.default)
DTYPES = [torch.float32] * 6 + [torch.float64, torch.float16, torch.int64]
ELEMENT_WISE = sorted(name for name, kernel in META_KERNELS.items() if kernel.__name__ == "like")
BINARY = sorted(name for name, kernel in META_KERNELS.items() if kernel.__name__ == "broadcast")


def overload(name: str) -> Any:
    _, packet, kind = name.split(".")
    return getattr(getattr(aten, packet), kind)


def agrees(func: Any, *args: Any, **kwargs: Any) -> bool:
    """Check an answer, if one is given, against torch's; where torch refuses, none may be."""
    found = result_spec(operator_of(func), args, kwargs, list(tensors(args, kwargs)))
    if found is None:
        return False
    try:
        output = func(*args, **kwargs)
    except RuntimeError as error:
        pytest.fail(f"{func} answered {found}, torch {error}")
    expected = output if isinstance(output, tuple) else [output]
    made = empty(found)
    ours, theirs = (
        [(tuple(t.shape), t.stride(), t.dtype) for t in found]
        for found in (made if isinstance(made, tuple) else [made], expected)
    )
    assert ours == theirs, (func, [(tuple(t.shape), t.stride()) for t in tensors(args)])
    return True


@st.composite
def strided(draw: Any, size: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
    """Draw a tensor of this size: contiguous, permuted, channels-last, sliced or expanded."""
    dtype = dtype or draw(st.sampled_from(DTYPES))
    order = list(range(len(size)))
    how = draw(st.sampled_from(["contiguous"] * 3 + ["permuted", "sliced", "expanded", "odd"]))
    if how == "contiguous" or not size:
        return torch.empty(size, dtype=dtype, device="meta")
    if how == "permuted":
        order = draw(st.permutations(order))
        inverse = [order.index(dim) for dim in range(len(size))]
        laid = [size[dim] for dim in order]
        return torch.empty(laid, dtype=dtype, device="meta").permute(inverse)
    dim = draw(st.sampled_from(order))
    if how == "odd" and size[dim] == 1:  # the stride of a dimension of size 1 can be anything
        strides = list(torch.empty(size, device="meta").stride())
        strides[dim] = draw(st.integers(0, 9))
        return torch.empty_strided(size, strides, dtype=dtype, device="meta")
    if how == "expanded":
        laid = [1 if other == dim else length for other, length in enumerate(size)]
        return torch.empty(laid, dtype=dtype, device="meta").expand(size)
    laid = [length * 2 if other == dim else length for other, length in enumerate(size)]
    whole = torch.empty(laid, dtype=dtype, device="meta")
    return whole.narrow(dim, draw(st.integers(0, size[dim])), size[dim])


sizes = st.lists(st.sampled_from([0, 1, 1, 2, 3, 4]), max_size=5).map(tuple)
any_tensor = sizes.flatmap(strided)
numbers = st.sampled_from([2, 0.5, True, 0])


@quick
@given(st.sampled_from(ELEMENT_WISE), any_tensor, numbers)
def test_element_wise(name: str, tensor: Tensor, exponent: float) -> None:
    agrees(overload(name), tensor, *([exponent] if "pow" in name else []))


@st.composite
def pairs(draw: Any) -> tuple[Tensor, Any]:
    size = draw(sizes)
    kept = draw(st.integers(0, len(size)))
    small = tuple(draw(st.sampled_from([n, n, 1])) for n in size[kept:])
    dtype = draw(st.sampled_from([torch.float32, torch.float32, None]))
    pair = [draw(strided(size, dtype)), draw(strided(draw(st.sampled_from([size, small])), dtype))]
    return tuple(draw(st.permutations(pair)))


@thorough
@given(st.sampled_from(BINARY), pairs(), st.one_of(st.none(), numbers))
def test_broadcast(name: str, pair: tuple[Tensor, Tensor], number: float | None) -> None:
    one, other = pair
    second = number if number is not None or "Scalar" in name else other
    second = 2 if second is None else second
    agrees(overload(name), one, second)


few = st.integers(1, 4)


@quick
@given(few, few, few, few, st.data())
def test_products(b: int, n: int, k: int, m: int, data: Any) -> None:
    a, c = data.draw(strided((n, k))), data.draw(strided((k, m)))
    if a.dtype == c.dtype:
        agrees(aten.mm.default, a, c)
        agrees(aten.addmm.default, data.draw(strided((m,), a.dtype)), a, c)
    a, c = data.draw(strided((b, n, k))), data.draw(strided((b, k, m)))
    if a.dtype == c.dtype:
        agrees(aten.bmm.default, a, c)


@thorough
@given(st.integers(1, 3), few, few, st.booleans(), st.data())
def test_convolution(dims: int, channels: int, groups: int, transposed: bool, data: Any) -> None:
    n = st.lists(st.integers(1, 3), min_size=dims, max_size=dims)
    image = data.draw(st.lists(st.integers(1, 9), min_size=dims, max_size=dims))
    window, stride, dilation = data.draw(n), data.draw(n), data.draw(n)
    padding = [value - 1 for value in data.draw(n)]
    added = [min(value - 1, s - 1) for value, s in zip(data.draw(n), stride, strict=True)]
    inputs, outputs = channels * groups, data.draw(few) * groups
    weight = (inputs, outputs // groups) if transposed else (outputs, channels)
    x = data.draw(strided((data.draw(few), inputs, *image)))
    w = data.draw(strided((*weight, *window), x.dtype))
    bias = data.draw(st.sampled_from([None, torch.empty(outputs, dtype=x.dtype, device="meta")]))
    rest = (stride, padding, dilation, transposed, added if transposed else [0] * dims, groups)
    agrees(aten.convolution.default, x, w, bias, *rest)


@quick
@given(few, few, st.integers(1, 3), st.integers(0, 1), st.booleans(), st.data())
def test_pooling(b: int, c: int, window: int, padding: int, ceil: bool, data: Any) -> None:
    x = data.draw(strided((b, c, data.draw(st.integers(3, 9)), data.draw(st.integers(3, 9)))))
    if x.is_floating_point() and 2 * padding <= window:
        stride, dilation = [data.draw(st.integers(1, 3))], data.draw(st.integers(1, 2))
        options = [window], stride, [padding], [dilation], ceil
        agrees(aten.max_pool2d_with_indices.default, x, *options)
    if x.is_floating_point():
        size = [data.draw(st.integers(1, 9)), 4]
        agrees(aten.upsample_nearest2d.default, x, size, 1.5, None)


@thorough
@given(any_tensor, st.booleans(), st.data())
def test_normalisation_and_reductions(x: Tensor, flag: bool, data: Any) -> None:
    if not x.dim() or not x.is_floating_point() or not x.numel():
        return
    dims = data.draw(st.lists(st.integers(0, x.dim() - 1), min_size=1, unique=True))
    agrees(aten.mean.dim, x, dims, flag)
    agrees(aten._softmax.default, x, dims[0], False)
    if hasattr(aten, "_safe_softmax"):
        agrees(aten._safe_softmax.default, x, dims[0])
    shape = list(x.shape[dims[0] :])
    weight = torch.empty(shape, dtype=x.dtype, device="meta") if flag else None
    agrees(aten.native_layer_norm.default, x, shape, weight, weight, 1e-5)
    if x.dim() > 1:
        v = torch.empty(x.shape[1], dtype=x.dtype, device="meta")
        agrees(aten.native_batch_norm.default, x, v, v, v, v, False, 0.1, 1e-5)


@thorough
@given(sizes, st.integers(1, 3), st.data())
def test_joining(size: tuple[int, ...], count: int, data: Any) -> None:
    if not size:
        return
    dim = data.draw(st.integers(-len(size), len(size) - 1))
    lengths = [data.draw(st.integers(0, 3)) for _ in range(count)]
    at = dim % len(size)
    parts = [data.draw(strided((*size[:at], n, *size[at + 1 :]))) for n in lengths]
    agrees(aten.cat.default, parts, dim)
    agrees(aten.stack.default, [data.draw(strided(size)) for _ in range(count)], dim)


@quick
@given(any_tensor, sizes.flatmap(lambda size: strided(size, torch.int64)))
def test_embedding(table: Tensor, indices: Tensor) -> None:
    if table.dim() == 2 and table.numel():
        agrees(aten.embedding.default, table, indices, -1, False, False)


@thorough
@given(st.sampled_from(sorted(IN_PLACE)), pairs())
def test_in_place(name: str, pair: tuple[Tensor, Tensor]) -> None:
    func, rest = overload(name), list(pair[1:] if name.endswith("Tensor") else ())
    args = (pair[0], *rest)
    if changes_values_alone(operator_of(func), args, {}, list(args)):
        before = args[0].shape, args[0].stride(), args[0].untyped_storage()._cdata
        output = func(*args)
        assert (output.shape, output.stride(), output.untyped_storage()._cdata) == before


@pytest.mark.parametrize(
    ("func", "args"),
    [
        (aten.relu.default, [(2, 3, 4, 4)]),
        (aten.mul.Scalar, [(1, 6, 197, 64), 0.5]),
        (aten.add.Tensor, [(2, 3), (3,)]),
        (aten.mm.default, [(2, 3), (3, 4)]),
        (
            aten.convolution.default,
            [(1, 3, 8, 8), (4, 3, 1, 1), None, [1] * 2, [0] * 2, [1] * 2, False, [0] * 2, 1],
        ),
        (aten.native_layer_norm.default, [(2, 3), [3], None, None, 1e-5]),
        (aten.mean.dim, [(2, 3), [1]]),
        (aten.arange.default, [5]),
        (aten.zeros.default, [[2, 3]]),
    ],
)
def test_the_common_cases_are_answered(func: Any, args: list[Any]) -> None:
    given = [torch.empty(a, device="meta") if isinstance(a, tuple) else a for a in args]
    options = {"dtype": torch.float32, "device": "meta"} if func in FACTORIES else {}
    assert agrees(func, *given, **options)


PROGRAM = """
import sys, torch
from pytest_flopbudget import profile_model
{imports}
profile = profile_model({model}, torch.zeros({shape}))
assert profile.counted_on == "meta" and profile.flops, profile
print([name for name in ("sympy", "torch._dynamo") if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("imports", "model", "shape"),
    [
        ("from tests.models.resnet import resnet18", "resnet18()", "1, 3, 224, 224"),
        ("from tests.models.resnet import resnet50", "resnet50()", "1, 3, 224, 224"),
        ("from tests.models.vit import ViT", "ViT()", "1, 3, 224, 224"),
        ("from tests.models.unet import UNet", "UNet()", "1, 3, 128, 128"),
        ("from tests.models.yolov5 import YOLOv5s", "YOLOv5s()", "1, 3, 640, 640"),
        ("from tests.models.tagger import LSTMTagger", "LSTMTagger()", "1, 32, dtype=torch.long"),
    ],
)
def test_a_first_profile_imports_no_compiler(imports: str, model: str, shape: str) -> None:
    program = PROGRAM.format(imports=imports, model=model, shape=shape)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
