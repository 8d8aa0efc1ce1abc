"""Rules 5, 7, 8 and 9 on models: dtypes, custom operators, training, layouts; and layers."""

from __future__ import annotations

import warnings
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pytest_flopbudget import (
    FlopBudgetError,
    profile_model,
    register_traffic_formula,
    unregister_traffic_formula,
)
from tests.measure.counting.traffic.case import BACKENDS, moved_by
from tests.measure.helpers import Fn, mlp, x

if TYPE_CHECKING:
    from pytest_flopbudget.profile.model_profile import ModelProfile

METRICS = ("params", "gflops", "traffic", "operators", "weights")
every_backend = pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)


def profiled(model: nn.Module, *args: Any, **more: Any) -> ModelProfile:
    return profile_model(model, args, metrics=METRICS, **more)


# ---------------------------------------------------------------------------- layers, training


def test_a_layer_has_its_own_and_its_total() -> None:
    profile = profiled(mlp(), x(2, 8))
    # x, weight, bias, y: 2 x 8, 16 x 8, 16, 2 x 16; then 2 x 16 twice; 2 x 16, 4 x 16, 4, 2 x 4
    own = {"": 0, "0": 4 * (16 + 128 + 16 + 32), "1": 4 * 64, "2": 4 * (32 + 64 + 4 + 8)}
    assert {layer.path: layer.own_traffic_bytes for layer in profile.layers} == own
    assert profile[""].traffic_bytes == profile.traffic_bytes == sum(own.values())
    assert [layer.own_operators for layer in profile.layers] == [0, 1, 1, 1]
    assert profile.operators == 3
    assert profile.forward_traffic_bytes is None


def test_training_has_both_ways() -> None:
    profile = profiled(nn.Sequential(nn.Linear(8, 4)), x(2, 8), mode="training")
    x_, w, b, y = 64, 128, 16, 32
    assert profile["0"].own_forward_traffic_bytes == x_ + w + b + y
    # The gradient of the sum is one number, expanded: to read it moves 4 bytes. That of the
    # weights is a product with the input, that of the bias a sum.
    assert profile["0"].own_backward_traffic_bytes == (4 + x_ + w) + (4 + b)
    assert profile["0"].own_backward_operators == 2
    # The loss: a sum, and a one that starts the backward.
    assert profile[""].own_backward_traffic_bytes == (y + 4) + 4
    assert profile.traffic_bytes == profile.forward_traffic_bytes + profile.backward_traffic_bytes
    assert profile.operators == 1 + 4


def test_tied_weights_are_read_by_each_and_weigh_once() -> None:
    model = nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 10, bias=False))
    model[1].weight = model[0].weight
    profile = profiled(model, torch.tensor([1, 2]))
    assert profile.weights_bytes == profile["0"].own_weights_bytes == 320
    assert profile["1"].own_weights_bytes == 0
    assert profile["0"].own_traffic_bytes == 2 * 8 + 2 * 2 * 32
    assert profile["1"].own_traffic_bytes == 64 + 320 + 80


def test_a_layer_that_runs_twice_moves_twice() -> None:
    layer = nn.Linear(8, 8)
    assert profiled(nn.Sequential(layer, layer), x(2, 8))["0"].own_traffic_bytes == 2 * 416


def test_nothing_is_counted_that_was_not_asked_for() -> None:
    profile = profile_model(mlp(), x(2, 8))
    assert (profile.traffic_bytes, profile.operators, profile.weights_bytes) == (None, None, None)
    assert profile["0"].own_traffic_bytes is None
    alone = profile_model(mlp(), x(2, 8), metrics=("operators",))
    assert (alone.traffic_bytes, alone.fused_traffic_bytes, alone.operators) == (None, None, 3)
    assert profile.flops == profiled(mlp(), x(2, 8)).flops


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_flops_stay_what_they_are(mode: str) -> None:
    model = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    plain = profile_model(model, x(1, 4, 16), mode=mode)
    assert [layer.own_flops for layer in plain.layers] == [
        layer.own_flops for layer in profiled(model, x(1, 4, 16), mode=mode).layers
    ]


def test_a_checkpointed_layer_runs_forward_twice() -> None:
    from torch.utils.checkpoint import checkpoint

    def model_of(wrap: Any) -> nn.Module:
        block = nn.Sequential(nn.RMSNorm(8), nn.Linear(8, 8))
        return Fn(lambda m, a: wrap(m.block, a), block=block)

    plain = profiled(model_of(lambda f, a: f(a)), x(4, 8, requires_grad=True), mode="training")
    again = profiled(
        model_of(lambda f, a: checkpoint(f, a, use_reentrant=False)),
        x(4, 8, requires_grad=True),
        mode="training",
    )
    # It stops early: what the linear layer needs is there before it runs.
    assert again.traffic_bytes == plain.traffic_bytes + plain["block.0"].forward_traffic_bytes


# ------------------------------------------------------------------------ dtypes and autocast


@every_backend
def test_bytes_are_those_of_the_dtype(backend: Any) -> None:
    for dtype, size in ((torch.float64, 8), (torch.bfloat16, 2), (torch.int8, 1)):
        assert moved_by(lambda a: a + a, x(4, 8, dtype=dtype), backend=backend) == (64 * size, 1)
    assert moved_by(lambda a: a.double().float(), x(4, 8), backend=backend) == (6 * 128, 2)


LINEAR_CAST = {  # of x (2, 4), a weight (4, 4) and a bias (4), from 4 bytes each to 2
    "casts": (32 + 16) + (64 + 32) + (16 + 8),
    "product": 16 + 32 + 8 + 16,
}


@pytest.mark.parametrize("around", [True, False])
def test_autocast_casts_once_and_computes_in_its_dtype(around: bool) -> None:
    layer = nn.Linear(4, 4)

    def twice(model: Any, a: Any) -> Any:
        if around:
            return model.layer(model.layer(a))
        with torch.autocast("cpu", torch.bfloat16):
            return model.layer(model.layer(a))

    model = Fn(twice, layer=layer)
    for _ in range(2):  # as in a first call, each time
        with torch.autocast("cpu", torch.bfloat16, enabled=around):
            profile = profiled(model, x(2, 4))
        assert profile.counted_on == "fake"
        assert profile.traffic_bytes == LINEAR_CAST["casts"] + 2 * LINEAR_CAST["product"]
        assert profile.operators == 3 + 2


def test_a_model_that_autocasts_is_counted_on_meta_where_bytes_do_not_matter() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert profile_model(nn.Linear(4, 4), x(2, 4)).counted_on == "meta"


@every_backend
def test_a_number_is_no_operator(backend: Any) -> None:
    assert moved_by(lambda a: a * 2 + 1, x(4, 8), backend=backend) == (512, 2)
    _, operators = moved_by(lambda a: torch.where(a > 0, a, 0.5), x(4, 8), backend=backend)
    assert operators == 2


def test_a_copy_to_the_same_device_is_none() -> None:
    assert moved_by(lambda a: a.to("cpu").cpu(), x(4, 8)) == (0, 0)


@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16])
def test_packed_weights_count_as_they_are_stored(dtype: torch.dtype) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.ao.quantization.quantize_dynamic(
            nn.Sequential(nn.Linear(64, 32)), {nn.Linear}, dtype=dtype
        )
        profile = profiled(model, x(2, 64))
    stored = 64 * 32 * (2 if dtype is torch.float16 else 1) + 32 * 4  # the bias stays as it was
    assert profile.weights_bytes == stored
    assert profile.traffic_bytes == 2 * 64 * 4 + stored + 2 * 32 * 4


@every_backend
def test_a_sparse_tensor_is_its_values_and_indices(backend: Any) -> None:
    if backend.name != "real":
        pytest.skip("a sparse product needs values")
    sparse = torch.eye(4).to_sparse()  # 4 values, and 2 indices for each
    moved, _ = moved_by(lambda a, b: a @ b, sparse, x(4, 8), backend=backend)
    assert moved == 4 * 4 + 8 * 8 + 128 + 128


# ------------------------------------------------------------------------- custom operators


NUMBERS = count()  # the operators of each test have a name of their own


@pytest.fixture
def library() -> str:
    name = f"flopbudget_traffic_{next(NUMBERS)}"

    def double(a: torch.Tensor) -> torch.Tensor:
        return a * 2

    def fill_rows(cache: torch.Tensor, row: torch.Tensor) -> None:
        cache.copy_(row)

    op = torch.library.custom_op(f"{name}::double", double, mutates_args=())
    op.register_fake(torch.empty_like)
    op = torch.library.custom_op(f"{name}::fill_rows", fill_rows, mutates_args=("cache",))
    op.register_fake(lambda cache, row: None)
    return name


@every_backend
def test_a_custom_operator_is_its_inputs_and_outputs(library: str, backend: Any) -> None:
    double = getattr(torch.ops, library).double
    assert moved_by(double, x(4, 8), backend=backend) == (256, 1)


@every_backend
def test_a_custom_operator_that_returns_nothing_writes(library: str, backend: Any) -> None:
    def run(cache: Any, row: Any) -> Any:
        getattr(torch.ops, library).fill_rows(cache, row)
        return row

    assert moved_by(run, x(4, 8), x(8), backend=backend) == (2 * 128 + 32, 1)


def test_a_registered_formula_takes_the_place_of_the_rule(library: str) -> None:
    double = getattr(torch.ops, library).double

    @register_traffic_formula(f"{library}::double")
    def half(a: Any, *, out_shape: Any) -> int:
        assert (a, a.itemsize, a.nbytes) == ((4, 8), 4, 128)
        return a.nbytes // 2 + out_shape.nbytes

    try:
        assert moved_by(double, x(4, 8)) == (192, 1)
    finally:
        unregister_traffic_formula(f"{library}::double")
    assert moved_by(double, x(4, 8)) == (256, 1)


def test_a_built_in_formula_comes_back() -> None:
    register_traffic_formula("aten::embedding")(lambda *_, out_shape: 1)
    model = nn.Embedding(10, 8)
    assert profiled(model, torch.tensor([1])).traffic_bytes == 1
    unregister_traffic_formula(torch.ops.aten.embedding)
    assert profiled(model, torch.tensor([1])).traffic_bytes == 8 + 64
    with pytest.raises(FlopBudgetError, match="no formula was registered for `aten::embedding`"):
        unregister_traffic_formula("aten::embedding")


@pytest.mark.parametrize("wrong", [1.5, -1, None, True])
def test_a_formula_that_gives_no_whole_number_of_bytes_is_named(library: str, wrong: Any) -> None:
    name = f"{library}::double"
    register_traffic_formula(name)(lambda a, out_shape: wrong)
    try:
        with pytest.raises(FlopBudgetError) as raised:
            profiled(Fn(getattr(torch.ops, library).double), x(4, 8))
    finally:
        unregister_traffic_formula(name)
    assert str(raised.value).splitlines()[0] == (
        f"the traffic formula of `{name}` must return bytes as an int, 0 or more, found `{wrong!r}`"
    )


def test_a_formula_that_fails_is_named(library: str) -> None:
    name = f"{library}::double"
    register_traffic_formula(name)(lambda a, out_shape: a.bytes)
    try:
        with pytest.raises(FlopBudgetError, match=f"the traffic formula of `{name}` failed"):
            profiled(Fn(getattr(torch.ops, library).double), x(4, 8))
    finally:
        unregister_traffic_formula(name)


# ------------------------------------------------------------------------------ optimizers


def stepped(**options: Any) -> ModelProfile:
    """Profile a step of an optimizer with two tensors of 128 bytes, which have gradients."""

    def step(*tensors: Any) -> Any:
        weights = [nn.Parameter(one.detach()) for one in tensors[:2]]
        for weight, gradient in zip(weights, tensors[2:], strict=True):
            weight.grad = gradient
        torch.optim.SGD(weights, lr=0.1, momentum=0.0, **options).step()
        return tensors[2]

    return profiled(Fn(step), *(x(4, 8) for _ in range(4)))


def test_a_foreach_optimizer_is_one_operator_for_all_tensors() -> None:
    profile = stepped(foreach=True)
    # Each weight is read and written, and its gradient read.
    assert (profile.traffic_bytes, profile.operators) == (2 * 3 * 128, 1)


def test_a_fused_optimizer_writes_what_its_schema_says() -> None:
    profile = stepped(fused=True)
    # Its schema marks the gradients as written, too: a scaler may change them.
    assert (profile.traffic_bytes, profile.operators) == (2 * 4 * 128, 1)


# ---------------------------------------------------------------------------------- unknown


def test_an_operator_without_a_formula_of_flops_has_a_traffic(library: str) -> None:
    profile = profiled(Fn(getattr(torch.ops, library).double), x(4, 8))
    assert [one.unknown for one in profile.uncounted] == [("FLOPs",)]
    assert profile.traffic_bytes == 256


def test_what_runs_outside_of_torch_has_none() -> None:
    weight = np.zeros((8, 8), dtype=np.float32)
    profile = profiled(Fn(lambda a: torch.from_numpy(a.numpy() @ weight) + 1), x(4, 8))
    (outside,) = profile.uncounted
    assert (outside.operator, outside.unknown) == (
        "outside::array",
        ("FLOPs", "traffic", "operators"),
    )


# --------------------------------------------------------------------------------- layouts


def convolved(*, copied: bool, last: bool) -> tuple[int, int]:
    image = x(1, 8, 6, 6)
    model = Fn(
        lambda m, a: m.conv(a).contiguous() if copied else m.conv(a), conv=nn.Conv2d(8, 8, 3)
    )
    if last:
        image = image.to(memory_format=torch.channels_last)
    found = [moved_by(model, image, backend=backend) for backend in BACKENDS]
    assert len(set(found)) == 1
    return found[0]


CONVOLVED = 4 * (8 * 36 + 8 * 8 * 9 + 8 + 8 * 16)


def test_a_convolution_keeps_channels_last_so_that_a_copy_shows() -> None:
    assert convolved(copied=False, last=True) == (CONVOLVED, 1)
    assert convolved(copied=True, last=True) == (CONVOLVED + 2 * 4 * 8 * 16, 2)
    assert convolved(copied=True, last=False) == (CONVOLVED, 1)


@every_backend
def test_batch_norm_in_evaluation_leaves_its_statistics(backend: Any) -> None:
    moved = moved_by(nn.BatchNorm2d(2), x(1, 2, 4, 4), backend=backend)
    assert moved == (128 + 4 * 8 + 128, 1)  # x; weight, bias, mean, variance; y


@every_backend
def test_batch_norm_in_training_updates_them(backend: Any) -> None:
    found = moved_by(
        nn.BatchNorm2d(2), x(2, 2, 4, 4, requires_grad=True), backend=backend, training=True
    )
    y = 256
    forward = (y + 4 * 8 + y + 2 * 8) + (8 + 8)  # statistics read and written; one batch more
    backward = (4 + y + 8 + 2 * 8) + y + 2 * 8  # gradient, x, weight, statistics; three gradients
    assert found == (forward + (y + 4 + 4) + backward, 2 + 2 + 1)


# ------------------------------------------------------------------- results that are kept


@every_backend
def test_the_indices_of_a_pooling_count_if_somebody_asked(backend: Any) -> None:
    image, pooled, indices = x(1, 2, 4, 4), 2 * 4 * 4, 2 * 4 * 8

    def unpooled(a: Any) -> Any:
        return F.max_unpool2d(*F.max_pool2d(a, 2, return_indices=True), 2)

    plain = moved_by(lambda a: F.max_pool2d(a, 2), image, backend=backend)
    returned = moved_by(lambda a: F.max_pool2d(a, 2, return_indices=True), image, backend=backend)
    assert plain == (128 + pooled, 1)
    assert returned == (128 + pooled + indices, 1)
    assert moved_by(unpooled, image, backend=backend) == (
        (128 + pooled + indices) + (pooled + indices + 128),
        2,
    )


# ----------------------------------------------------------------------- fused, and scripted


def test_fused_traffic_leaves_out_what_element_wise_operators_hand_on() -> None:
    profile = profiled(Fn(lambda a: (a + 1).relu().mul(2)), x(4, 8))
    assert profile.traffic_bytes == 6 * 128
    assert profile.fused_traffic_bytes == 2 * 128  # what goes in and comes out


def test_what_another_operator_reads_is_not_left_out() -> None:
    profile = profiled(Fn(lambda m, a: m.layer(a.relu()), layer=nn.Linear(8, 8)), x(4, 8))
    assert profile.fused_traffic_bytes == profile.traffic_bytes


def test_what_is_written_in_place_or_returned_is_not_left_out() -> None:
    for function in (lambda a: (a + 1).relu_(), lambda a: (b := a + 1, b * 2)):
        profile = profiled(Fn(function), x(4, 8))
        assert profile.fused_traffic_bytes == profile.traffic_bytes


class Attention(nn.Module):
    def forward(self, q: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(F.scaled_dot_product_attention(q, q, q), [8])


@every_backend
def test_a_scripted_module_moves_what_it_was_scripted_from_does(backend: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(Attention())
    q = x(1, 2, 4, 8)
    assert moved_by(scripted, q, backend=backend) == moved_by(Attention(), q) == (4 * 256, 2)


@pytest.mark.parametrize("backend", BACKENDS[1:], ids=lambda backend: backend.name)
def test_an_operator_of_a_backend_gets_the_same_figure(backend: Any) -> None:
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    q = x(1, 2, 4, 8)
    assert moved_by(lambda q: flash(q, q, q)[0], q, backend=backend) == (2 * 256, 1)


@every_backend
def test_inference_mode_inside_of_a_model_changes_nothing(backend: Any) -> None:
    def run(q: Any) -> Any:
        with torch.inference_mode():
            return Attention()(q)

    assert moved_by(run, x(1, 2, 4, 8), backend=backend) == (4 * 256, 2)


@pytest.mark.parametrize("fails", [False, True])
def test_the_dispatcher_is_as_before(fails: bool) -> None:
    if fails:
        with pytest.raises(ZeroDivisionError):
            profiled(Fn(lambda q: Attention()(q) * (1 / 0)), x(1, 2, 4, 8))
    profiled(Attention(), x(1, 2, 4, 8))
    q = x(1, 2, 4, 8, requires_grad=True)
    assert type(F.scaled_dot_product_attention(q, q, q).grad_fn).__name__.startswith("ScaledDot")
