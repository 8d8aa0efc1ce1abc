"""No silent zero: what is neither counted nor free is named, with its layer and shapes."""

from __future__ import annotations

import ctypes
import gc
import pickle
from contextlib import nullcontext
from itertools import count
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from pytest_flopbudget import profile_model, register_flop_formula
from pytest_flopbudget.errors import MeasureError, SettingsError
from pytest_flopbudget.measure.counting.dispatch_engine import CountingRun
from pytest_flopbudget.measure.counting.formulas import registry
from tests.measure.helpers import Fn, flops_of, x

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NUMBERS = count()


@pytest.fixture
def custom() -> Callable[..., Any]:
    """Make an operator of a name of its own, with or without a kernel for fake tensors."""

    def make(function: Callable[..., Tensor] = torch.mm, *, fake: bool = True) -> Any:
        def product(a: Tensor, b: Tensor) -> Tensor:
            return function(a, b)

        name = f"flopbudget_tests::product_{next(NUMBERS)}"
        op = torch.library.custom_op(name, product, mutates_args=())
        if fake:
            op.register_fake(lambda a, b: a.new_empty(a.shape[0], b.shape[1]))
        return op

    return make


@pytest.fixture
def formulas_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.FLOPS, "formulas", dict(registry.FLOPS.formulas))
    monkeypatch.setattr(registry.FLOPS, "replaced", {})


def calling(op: Any) -> nn.Module:
    return nn.Sequential(nn.Linear(8, 8), Fn(lambda self, rows: op(rows, self.w), w=weight()))


def weight() -> nn.Parameter:
    return nn.Parameter(torch.zeros(8, 5))


@pytest.mark.parametrize(("fake", "counted_on"), [(True, "meta"), (False, "real")])
def test_a_custom_operator(custom: Callable[..., Any], *, fake: bool, counted_on: str) -> None:
    op = custom(fake=fake)
    profile = profile_model(calling(op), x(4, 8))
    assert len(profile.uncounted) == 1
    found = profile.uncounted[0]
    assert (found.operator, found.path, found.shapes, found.calls) == (
        op._qualname, "1", ((4, 8), (8, 5)), 1,
    )  # fmt: skip
    assert profile.counted_on == counted_on
    assert profile.flops == 2 * 4 * 8 * 8  # of the layer that is known


def test_calls_in_one_layer_are_one_entry(custom: Callable[..., Any]) -> None:
    op = custom()
    model = Fn(lambda self, rows: op(rows, self.w) + op(rows, self.w), w=weight())
    profile = profile_model(model, x(4, 8))
    assert [(found.path, found.calls) for found in profile.uncounted] == [("", 2)]


def test_each_layer_has_its_entry(custom: Callable[..., Any]) -> None:
    op = custom()

    def layer() -> nn.Module:
        return Fn(lambda self, rows: op(rows, self.w), w=nn.Parameter(torch.eye(8)))

    profile = profile_model(nn.Sequential(layer(), layer()), x(4, 8))
    assert [found.path for found in profile.uncounted] == ["0", "1"]


@pytest.mark.usefixtures("formulas_kept")
@pytest.mark.parametrize("fake", [True, False])
@pytest.mark.parametrize("by", ["name", "packet"])
def test_a_registered_formula_counts_it(custom: Callable[..., Any], *, by: str, fake: bool) -> None:
    op, seen = custom(fake=fake), {}

    @register_flop_formula(op._qualname if by == "name" else op._opoverload.overloadpacket)
    def formula(a: tuple[int, ...], b: tuple[int, ...], *, out_shape: tuple[int, ...]) -> int:
        seen.update(a=a, b=b, out_shape=out_shape)
        return 1234

    profile = profile_model(calling(op), x(4, 8))
    assert (profile.uncounted, profile["1"].own_flops) == ((), 1234)
    assert seen == {"a": (4, 8), "b": (8, 5), "out_shape": (4, 5)}


@pytest.mark.usefixtures("formulas_kept")
def test_a_registered_formula_replaces_that_of_torch() -> None:
    register_flop_formula("aten::mm")(lambda a, b, *, out_shape: 7)
    assert profile_model(Fn(torch.mm), (x(3, 4), x(4, 5))).flops == 7


@pytest.mark.usefixtures("formulas_kept")
def test_a_formula_gets_lists_of_shapes_and_plain_values() -> None:
    seen: list[Any] = []

    @register_flop_formula(torch.ops.aten.cat)
    def formula(tensors: Any, dim: int = 0, *, out_shape: Any) -> int:
        seen.append((tensors, dim, out_shape))
        return 0

    profile_model(Fn(lambda a, b: torch.cat((a, b), 1)), (x(3, 4), x(3, 5)))
    assert seen == [([(3, 4), (3, 5)], 1, (3, 9))]


@pytest.mark.usefixtures("formulas_kept")
@pytest.mark.parametrize("flops", [1.5, -1, None, "12"])
def test_a_formula_that_gives_no_whole_number_is_an_error(flops: Any) -> None:
    register_flop_formula("aten::mm")(lambda *_, **__: flops)
    with pytest.raises(MeasureError, match="`aten::mm` must return FLOPs as an int"):
        profile_model(Fn(torch.mm), (x(3, 4), x(4, 5)))


@pytest.mark.usefixtures("formulas_kept")
def test_a_formula_that_fails_is_not_hidden() -> None:
    def formula(*_: Any, **__: Any) -> int:
        raise KeyError("a mistake in the formula")

    register_flop_formula("aten::mm")(formula)
    with pytest.raises(MeasureError, match="a mistake in the formula"):
        profile_model(Fn(torch.mm), (x(3, 4), x(4, 5)))


@pytest.mark.usefixtures("formulas_kept")
@pytest.mark.parametrize("wrong", [1.5, -1, True, None])
def test_a_formula_of_no_whole_number_runs_the_model_once(wrong: Any) -> None:
    register_flop_formula("aten::mm")(lambda *_, **__: wrong)
    calls = []

    def forward(a: Tensor, b: Tensor) -> Tensor:
        calls.append(a.shape)
        return torch.mm(a, b)

    with pytest.raises(MeasureError, match="must return FLOPs as an int, 0 or more"):
        profile_model(Fn(forward), (x(3, 4), x(4, 5)))
    assert calls == [(3, 4)]


@pytest.mark.parametrize("name", ["mm", "", "a::b::c", "aten.mm", 3, torch.mm])
def test_a_formula_for_what_is_no_operator_is_an_error(name: Any) -> None:
    with pytest.raises(SettingsError, match="expected `namespace::name`"):
        register_flop_formula(name)


def test_a_custom_operator_in_backward_is_booked_on_its_layer(custom: Callable[..., Any]) -> None:
    op = custom()
    op.register_autograd(
        lambda ctx, gradient: (op(gradient, gradient.new_zeros(5, 8)), None),
        setup_context=lambda ctx, inputs, output: None,
    )
    model = nn.Sequential(calling(op), nn.Linear(5, 5))
    profile = profile_model(model, x(4, 8), mode="training")
    assert [(found.path, found.calls) for found in profile.uncounted] == [("0.1", 2)]


# Products that have no formula yet must not be free.


class Bilinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Bilinear(3, 4, 5)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.layer(a, b)


@pytest.mark.parametrize(
    ("model", "shapes"),
    [
        (Bilinear(), [(2, 3), (2, 4)]),
        (Fn(torch.cdist), [(3, 4), (5, 4)]),
        (Fn(torch.cdist), [(30, 4), (30, 4)]),
        (Fn(torch.fft.fft), [(2, 8)]),
        (Fn(torch.fft.rfft2), [(2, 8, 8)]),
        (Fn(torch.linalg.solve), [(3, 3), (3, 2)]),
        (Fn(torch.linalg.inv), [(3, 3)]),
        (Fn(torch.linalg.svd), [(3, 3)]),
        (Fn(torch.linalg.eigh), [(3, 3)]),
        (Fn(torch.linalg.qr), [(3, 3)]),
        (Fn(torch.linalg.cholesky), [(3, 3)]),
        (Fn(torch.linalg.det), [(3, 3)]),
        (Fn(torch.linalg.matrix_exp), [(3, 3)]),
        (Fn(lambda a, b: torch.sparse.mm(a.to_sparse(), b)), [(3, 4), (4, 5)]),
        (Fn(lambda a, b: a.to_sparse_csr() @ b), [(3, 4), (4, 5)]),
    ],
    ids=[
        "bilinear", "cdist", "large-cdist", "fft", "rfft2", "solve", "inv", "svd", "eigh", "qr", "cholesky",
        "det", "matrix-exp", "sparse-mm", "csr",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
def test_products_are_counted_or_uncounted(model: nn.Module, shapes: list[tuple[int, ...]]) -> None:
    inputs = [torch.eye(*shape) if len(shape) == 2 else x(*shape) for shape in shapes]
    profile = profile_model(model, tuple(inputs))
    assert profile.flops or profile.uncounted


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions:UserWarning")
@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated:DeprecationWarning")
def test_a_quantised_linear_layer() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)).eval()
    model = torch.ao.quantization.quantize_dynamic(model, {nn.Linear})
    profile = profile_model(model, x(3, 8))
    assert profile.uncounted == ()
    assert [profile[path].flops for path in ("0", "2")] == [2 * 3 * 8 * 16, 2 * 3 * 16 * 4]


# What comes from outside of PyTorch is uncounted by its origin.

W = 2 * np.eye(8, dtype=np.float32)
GLOBAL = torch.from_numpy(W)


class TwoLayers(nn.Module):
    """Two layers with something between them."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.between = between

    def forward(self, rows: Tensor) -> Tensor:
        return self.second(self.between(self.first(rows).detach()))


def overwritten(rows: Tensor) -> Tensor:
    array = rows.numpy()
    array[:] = array @ W
    return rows


def overwritten_by_an_address(rows: Tensor) -> Tensor:
    ctypes.memset(rows.data_ptr(), 0, 4)
    return rows


def logged(rows: Tensor) -> Tensor:
    assert rows.numpy().shape == (4, 8)
    return rows


@pytest.mark.parametrize(
    ("between", "operator"),
    [
        (lambda rows: torch.from_numpy(rows.numpy() @ W), "outside::array"),
        (lambda rows: torch.from_dlpack(rows.numpy() @ W), "outside::array"),
        (lambda rows: torch.as_tensor(rows.numpy() @ W), "outside::array"),
        (lambda rows: torch.tensor(rows.numpy() @ W), "outside::array"),
        (lambda rows: torch.asarray(rows.numpy() @ W, dtype=torch.float32), "outside::array"),
        (lambda rows: rows + torch.from_numpy(W @ W)[0], "outside::array"),
        (lambda rows: rows + torch.tensor(W @ W)[0], "outside::array"),
        (overwritten, "outside::array"),
        (overwritten_by_an_address, "outside::kernel"),
    ],
)
def test_what_comes_from_outside_is_uncounted_by_its_origin(
    between: Callable[[Tensor], Tensor], operator: str
) -> None:
    profile = profile_model(TwoLayers(between), x(4, 8))
    assert {found.operator for found in profile.uncounted} == {operator}
    assert (profile.flops, profile.counted_on) == (2 * (2 * 4 * 8 * 8), "real")


@pytest.mark.parametrize(
    "between",
    [
        logged,
        lambda rows: rows @ GLOBAL - 0 * rows,  # made before the call
        lambda rows: rows * torch.tensor([2.0] * 8),
        lambda rows: torch.tensor(rows.tolist()),
        lambda rows: rows + rows.new_tensor(3.0),
    ],
)
def test_what_was_there_or_is_read_only_does_not_come_from_outside(
    between: Callable[[Tensor], Tensor],
) -> None:
    assert profile_model(TwoLayers(between), x(4, 8)).uncounted == ()


def test_a_raw_kernel_gets_no_address_of_a_tensor_without_values() -> None:
    addresses = []

    def between(rows: Tensor) -> Tensor:
        tensors = (rows, rows[1:], rows.t(), rows.new_zeros(4))
        addresses.extend([tensor.data_ptr() for tensor in tensors])
        return rows

    assert profile_model(TwoLayers(between), x(4, 8)).counted_on == "real"
    assert 0 not in addresses
    assert len(addresses) == 4


@pytest.mark.parametrize("shape", [(4, 8), (0, 8)])
def test_a_meta_tensor_of_the_user_keeps_its_address(shape: tuple[int, ...]) -> None:
    model, rows = nn.Linear(8, 8, device="meta"), torch.empty(shape, device="meta")
    assert profile_model(model, rows).counted_on == "meta"
    assert [tensor.data_ptr() for tensor in (rows, model.weight)] == [0, 0]


@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
def test_a_lazy_layer_elsewhere_in_the_process() -> None:
    lazy = nn.LazyLinear(16)
    assert profile_model(TwoLayers(logged), x(4, 8)).counted_on == "real"
    assert nn.parameter.is_lazy(lazy.weight)


def a(rows: Tensor) -> Any:
    return rows.detach().numpy()


GIVEN_BACK: dict[str, Callable[[Tensor], Any]] = {
    "list": lambda rows: torch.tensor((a(rows) @ W).tolist()),
    "new_tensor": lambda rows: rows.new_tensor((a(rows) @ W).tolist()),
    "float": lambda rows: rows * float((a(rows) @ W).sum()),
    "number of numpy": lambda rows: rows * (a(rows) @ W).sum(),
    "full": lambda rows: torch.full((4, 8), float((a(rows) @ W).sum())),
    "fill": lambda rows: rows.fill_(float((a(rows) @ W).sum())),
    "array as output": lambda rows: a(rows) @ W,
    "dict as output": lambda rows: {"rows": rows, "array": a(rows) @ W},
    "list as output": lambda rows: (a(rows) @ W).tolist(),
    "float as output": lambda rows: float((a(rows) @ W).sum()),
    "method": lambda rows: rows * float(a(rows).dot(W).sum()),
    "dot": lambda rows: rows * float(np.dot(a(rows), W).sum()),
    "einsum": lambda rows: rows * float(np.einsum("ij,jk", a(rows), W).sum()),
    "tensordot": lambda rows: rows * float(np.tensordot(a(rows), W, 1).sum()),
    "solve": lambda rows: rows * float(np.linalg.solve(W, a(rows).T).sum()),
    "singular values": lambda rows: rows * float(np.linalg.svd(a(rows))[1].sum()),
    "fft": lambda rows: rows * float(np.abs(np.fft.fft(a(rows))).sum()),
    "convolve": lambda rows: rows * float(np.convolve(a(rows)[0], W[0]).sum()),
    "of another dtype": lambda rows: rows * float((a(rows).astype("float64") @ W).sum()),
    "of a copy": lambda rows: rows * float((a(rows).T.copy().T @ W).sum()),
    "of parts": lambda rows: rows * float((np.stack([*a(rows)]) @ W).sum()),
    "of a result": lambda rows: rows * float((np.exp(a(rows) * 2)[:, ::-1] @ W).sum()),
    "on the right": lambda rows: rows * float((W @ a(rows).T).sum()),
    "in place": lambda rows: rows * float(np.matmul(a(rows), W, out=np.zeros_like(W[:4])).sum()),
    "asarray": lambda rows: rows * float((np.asarray(rows.detach()) @ W).sum()),
    "array": lambda rows: rows * float((np.array(rows.detach()) @ W).sum()),
}


@pytest.mark.parametrize("forward", GIVEN_BACK.values(), ids=GIVEN_BACK)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_what_numpy_multiplies_is_uncounted_whatever_it_gives_back(
    forward: Callable[[Tensor], Any],
) -> None:
    profile = profile_model(Fn(forward), torch.ones(4, 8))
    assert {(u.operator, u.calls) for u in profile.uncounted} == {("outside::array", 1)}
    assert profile.data_dependent


KEPT: dict[str, Any] = {}


def test_an_array_that_forward_keeps_holds_nothing_of_the_count() -> None:
    def forward(rows: Tensor) -> Tensor:
        KEPT["array"] = a(rows) * 2
        return rows * float((KEPT["array"] @ W).sum())

    try:
        assert profile_model(Fn(forward), torch.ones(4, 8)).uncounted
        gc.collect()
        assert not [one for one in gc.get_objects() if type(one) is CountingRun]
        assert (KEPT["array"] @ W).shape == (4, 8)
    finally:
        KEPT.clear()


FREE: dict[str, Callable[[Tensor], Any]] = {
    "mean": lambda rows: rows * float(a(rows).mean()),
    "norm": lambda rows: rows * float(np.linalg.norm(a(rows))),
    "element-wise": lambda rows: rows * float(np.maximum(a(rows) * 2 + 1, 0).max()),
    "where": lambda rows: rows * float(np.where(a(rows) > 0, a(rows), 0).max()),
    "own": lambda rows: rows * float(a(rows).max() + (W @ W).max()),
    "written": lambda rows: (
        rows * float(np.add(a(rows), 1, where=a(rows) > 0, out=np.zeros((4, 8))).shape[0])
    ),
    "printed": lambda rows: rows * len(repr(a(rows))),
    "shape": lambda rows: rows * a(rows).size,
    "class": lambda rows: rows * isinstance(a(rows), np.ndarray),
    "pickled": lambda rows: rows * pickle.loads(pickle.dumps(a(rows))).shape[0],  # noqa: S301
}


@pytest.mark.parametrize("forward", FREE.values(), ids=FREE)
def test_what_numpy_computes_without_products_is_free(forward: Callable[[Tensor], Any]) -> None:
    profile = profile_model(Fn(forward), torch.ones(4, 8))
    assert (profile.uncounted, profile.flops) == ((), 0)


def test_a_raw_kernel_that_asks_torch_for_nothing_in_a_real_run() -> None:
    """Only the error on meta tells: the address of a tensor without values was asked for."""

    def kernel(rows: Tensor) -> Tensor:
        if hasattr(rows, "fake_mode") or rows.untyped_storage().device.type == "meta":
            raise RuntimeError("Cannot access data pointer of Tensor (e.g. FakeTensor)")
        return rows

    profile = profile_model(TwoLayers(Fn(kernel)), x(4, 8))
    assert [(u.operator, u.path, u.calls) for u in profile.uncounted] == [
        ("outside::kernel", "between", 1)
    ]
    assert profile.counted_on == "real"


def test_a_returned_array_is_uncounted() -> None:
    profile = profile_model(Fn(lambda rows: torch.from_numpy(rows.numpy() @ W)), x(4, 8))
    assert [found.operator for found in profile.uncounted] == ["outside::array"]


class OwnMode(TorchDispatchMode):
    """A dispatch mode of the model's own."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("mode", [nullcontext, OwnMode])
def test_a_layer_that_runs_in_a_thread_is_uncounted(mode: Callable[[], Any]) -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        results: list[Tensor] = []

        def run() -> None:
            with mode():
                results.append(self.inner(rows))

        thread = Thread(target=run)
        thread.start()
        thread.join()
        return self.outer(results[0])

    profile = profile_model(Fn(forward, inner=nn.Linear(8, 8), outer=nn.Linear(8, 8)), x(4, 8))
    assert [(found.operator, found.path) for found in profile.uncounted] == [
        ("outside::thread", "inner")
    ]
    assert profile.flops == 2 * 4 * 8 * 8


@pytest.fixture
def unknown_operator() -> Iterator[str]:
    """An operator as a later version of torch may bring it: no formula, no tag, no entry."""
    name = f"later_{next(NUMBERS)}"
    library = torch.library.Library("flopbudget_later", "FRAGMENT")
    library.define(f"{name}(Tensor a, Tensor b) -> Tensor")
    library.impl(name, lambda a, b: a.new_empty(a.shape[0], b.shape[1]), "CPU")
    library.impl(name, lambda a, b: a.new_empty(a.shape[0], b.shape[1]), "Meta")
    yield name
    library._destroy()


def test_an_unknown_operator_is_uncounted(unknown_operator: str) -> None:
    op = getattr(torch.ops.flopbudget_later, unknown_operator)
    profile = profile_model(calling(op), x(4, 8))
    assert [found.operator for found in profile.uncounted] == [
        f"flopbudget_later::{unknown_operator}"
    ]


def test_an_array_in_backward_is_booked_on_the_layer_that_it_is_the_gradient_of() -> None:
    class Through(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, rows: Tensor) -> Tensor:
            return rows.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return torch.from_numpy(gradient.numpy() * 2) * 1

    model = nn.Sequential(nn.Linear(8, 8), Fn(lambda rows: Through.apply(rows)))
    profile = profile_model(model, x(4, 8), mode="training")
    assert [(found.operator, found.path) for found in profile.uncounted] == [
        ("outside::array", "1")
    ]


@pytest.mark.parametrize("dtype", [np.bool_, np.int64])
def test_a_mask_made_by_numpy_is_no_result_of_the_model(dtype: Any) -> None:
    def masked(self: Any, rows: Tensor) -> Tensor:
        return self.layer(rows) * torch.from_numpy(np.ones((4, 1), dtype=dtype))

    assert flops_of(Fn(masked, layer=nn.Linear(8, 8)), x(4, 8)) == 2 * 4 * 8 * 8


def test_booleans_that_numpy_computed_from_values_of_the_model() -> None:
    def compared(rows: Tensor) -> Tensor:
        array = rows.numpy()
        return rows * torch.from_numpy(array @ array > 0)

    assert [op.operator for op in profile_model(Fn(compared), x(4, 4)).uncounted] == [
        "outside::array"
    ]
