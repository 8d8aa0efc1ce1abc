"""Training mode: forward and backward FLOPs per layer, and where backward is booked.

For y = x @ w, the gradient of w and the gradient of x cost as much as the product itself; the
gradient of x is computed only if something below it wants one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pytest_flopbudget import profile_model
from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.counting.backends.fake import FakeBackend
from pytest_flopbudget.measure.counting.backends.meta import MetaBackend
from pytest_flopbudget.measure.counting.backends.real import RealBackend
from tests.measure.counting.corpus import ATTENTION, CONVOLUTIONS, LINEAR, MATRICES, RECURRENT, Case
from tests.measure.helpers import Fn, Product, both_ways, counted_in, mlp, x

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_flopbudget.profile.model_profile import ModelProfile

FIRST, SECOND = 2 * 4 * 8 * 16, 2 * 4 * 16 * 4  # of `mlp()` on 4 rows


def trained(model: nn.Module, *inputs: Tensor) -> ModelProfile:
    """Profile in training mode; all of it must be counted on meta."""
    profile = profile_model(model, inputs, mode="training")
    assert (profile.uncounted, profile.counted_on) == ((), "meta")
    return profile


def test_linear_layers() -> None:
    profile = trained(mlp(), x(4, 8))
    assert both_ways(profile, "0") == (FIRST, FIRST)  # nobody wants the input's gradient
    assert both_ways(profile, "2") == (SECOND, 2 * SECOND)
    assert both_ways(profile, "1") == both_ways(profile, "") == (0, 0)


def test_totals_are_forward_and_backward() -> None:
    profile = trained(mlp(), x(4, 8))
    assert profile.forward_flops == FIRST + SECOND
    assert profile.backward_flops == FIRST + 2 * SECOND
    assert profile.flops == profile[""].flops == 2 * FIRST + 3 * SECOND
    assert profile["2"].flops == profile["2"].own_flops == 3 * SECOND
    assert (profile["2"].forward_flops, profile["2"].backward_flops) == (SECOND, 2 * SECOND)


def test_an_input_that_requires_gradients() -> None:
    profile = trained(mlp(), x(4, 8, requires_grad=True))
    assert both_ways(profile, "0") == (FIRST, 2 * FIRST)


def test_a_frozen_first_layer_has_no_backward() -> None:
    model = mlp()
    model[0].requires_grad_(False)
    profile = trained(model, x(4, 8))
    assert both_ways(profile, "0") == (FIRST, 0)
    assert both_ways(profile, "2") == (SECOND, SECOND)


def test_a_frozen_last_layer_passes_gradients_on() -> None:
    model = mlp()
    model[2].requires_grad_(False)
    profile = trained(model, x(4, 8))
    assert both_ways(profile, "0") == (FIRST, FIRST)
    assert both_ways(profile, "2") == (SECOND, SECOND)


def test_a_layer_under_no_grad_has_no_backward() -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        with torch.no_grad():
            hidden = self.first(rows)
        return self.second(hidden)

    profile = trained(Fn(forward, first=nn.Linear(8, 16), second=nn.Linear(16, 4)), x(4, 8))
    assert both_ways(profile, "first") == (FIRST, 0)
    assert both_ways(profile, "second") == (SECOND, SECOND)


def test_a_detached_output_stops_backward() -> None:
    model = Fn(
        lambda self, rows: self.second(self.first(rows).detach()),
        first=nn.Linear(8, 16),
        second=nn.Linear(16, 4),
    )
    profile = trained(model, x(4, 8))
    assert both_ways(profile, "first") == (FIRST, 0)
    assert both_ways(profile, "second") == (SECOND, SECOND)


@pytest.mark.parametrize(("requires_grad", "times"), [(False, 1), (True, 2)])
def test_convolution(*, requires_grad: bool, times: int) -> None:
    forward = 2 * 5 * 5 * 3 * 8 * 9  # (12 - 3) // 2 + 1 = 5
    profile = trained(nn.Conv2d(3, 8, 3, 2), x(1, 3, 12, 12, requires_grad=requires_grad))
    assert both_ways(profile, "") == (forward, times * forward)


CONVOLUTION = {
    "plain": (nn.Conv2d(4, 6, 3), (1, 4, 8, 8), 2 * 36 * 4 * 6 * 9),
    "grouped": (nn.Conv2d(4, 6, 3, groups=2), (1, 4, 8, 8), 2 * 36 * 2 * 6 * 9),
    "depthwise": (nn.Conv2d(4, 4, 3, groups=4), (1, 4, 8, 8), 2 * 36 * 1 * 4 * 9),
    "dilated": (nn.Conv1d(4, 6, 3, dilation=2), (1, 4, 8), 2 * 4 * 4 * 6 * 3),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, 2), (1, 4, 5, 5), 2 * 25 * 4 * 6 * 9),
    "3d": (nn.Conv3d(4, 6, 2), (1, 4, 3, 3, 3), 2 * 8 * 4 * 6 * 8),
}


@pytest.mark.parametrize("name", CONVOLUTION)
def test_convolutions_cost_twice_their_forward(name: str) -> None:
    layer, shape, forward = CONVOLUTION[name]
    profile = trained(layer, x(*shape, requires_grad=True))
    assert both_ways(profile, "") == (forward, 2 * forward)


def test_attention() -> None:
    def forward(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v)

    profile = trained(Fn(forward), *(x(2, 4, 6, 8, requires_grad=True) for _ in "qkv"))
    once = 2 * 2 * 4 * 6 * 6 * (8 + 8)
    assert both_ways(profile, "") == (once, 2 * once)


def test_multihead_attention() -> None:
    model = Fn(lambda self, q: self.m(q, q, q)[0], m=nn.MultiheadAttention(8, 2))
    profile = trained(model, x(5, 2, 8))
    inwards, attention, outwards = 2 * 10 * 8 * 24, 4 * 2 * 5 * 5 * 8, 2 * 10 * 8 * 8
    # the first projection needs no gradient of its input
    backward = inwards + 2 * attention + 2 * outwards
    assert both_ways(profile, "m") == (inwards + attention + outwards, backward)


def test_embedding_has_free_backward() -> None:
    profile = trained(nn.Embedding(10, 4), torch.zeros(2, 5, dtype=torch.long))
    assert both_ways(profile, "") == (0, 0)


# Where backward is booked.


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, rows: Tensor) -> Tensor:
        return rows + self.inner(rows) @ rows.new_ones(8, 8)


def test_backward_belongs_to_the_layer_whose_forward_made_it() -> None:
    once = 2 * 4 * 8 * 8
    profile = trained(nn.Sequential(nn.Linear(8, 8), Residual(nn.Linear(8, 8))), x(4, 8))
    assert both_ways(profile, "0") == (once, once)
    assert both_ways(profile, "1.inner") == (once, 2 * once)
    assert both_ways(profile, "1") == (once, once)  # its product with a constant
    assert profile["1"].backward_flops == 3 * once


def test_what_a_parent_does_after_its_child_is_its_own() -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        before = rows @ self.w
        return self.layer(before) @ self.w

    model = Fn(forward, w=nn.Parameter(torch.eye(8)), layer=nn.Linear(8, 8))
    once = 2 * 4 * 8 * 8
    profile = trained(model, x(4, 8))
    assert both_ways(profile, "") == (2 * once, 3 * once)  # 1 of the first product, 2 of the last
    assert both_ways(profile, "layer") == (once, 2 * once)


def test_three_levels() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 8))))
    once = 2 * 4 * 8 * 8
    profile = trained(model, x(4, 8))
    assert both_ways(profile, "0.0") == (once, once)
    assert both_ways(profile, "0.1.0") == (once, 2 * once)
    assert [profile[path].backward_flops for path in ("", "0", "0.1")] == [
        3 * once, 3 * once, 2 * once,
    ]  # fmt: skip


def test_a_shared_layer() -> None:
    layer = nn.Linear(8, 8)
    once = 2 * 4 * 8 * 8
    profile = trained(nn.Sequential(layer, nn.Tanh(), layer), x(4, 8))
    assert both_ways(profile, "0") == (2 * once, 3 * once)
    assert profile["0"].calls == 2


def test_a_layer_that_runs_in_backward_only_by_a_custom_function() -> None:
    model = Fn(
        lambda self, rows: self.layer(rows),
        layer=Fn(lambda self, rows: Product.apply(rows, self.w), w=nn.Parameter(torch.eye(8))),
    )
    once = 2 * 4 * 8 * 8
    profile = trained(model, x(4, 8))
    assert both_ways(profile, "layer") == (once, 2 * once)


# Checkpointing computes forward once more in backward.


def checkpointed(use_reentrant: bool) -> nn.Module:
    return Fn(
        lambda self, rows: self.last(
            checkpoint(self.inner, self.first(rows), use_reentrant=use_reentrant)
        ),
        first=nn.Linear(8, 8),
        inner=nn.Sequential(nn.Linear(8, 8), nn.Tanh()),
        last=nn.Linear(8, 8),
    )


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_checkpoint_counts_what_is_recomputed(*, use_reentrant: bool) -> None:
    once = 2 * 4 * 8 * 8
    profile = profile_model(checkpointed(use_reentrant), x(4, 8), mode="training")
    assert both_ways(profile, "first") == (once, once)
    assert both_ways(profile, "inner.0") == (once, 3 * once)
    assert both_ways(profile, "last") == (once, 2 * once)
    assert both_ways(profile, "") == (0, 0)
    assert profile.uncounted == ()


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_checkpoint_counts_the_same_for_real(*, use_reentrant: bool) -> None:
    counts = [
        counted_in(backend(), checkpointed(use_reentrant), (x(4, 8),), training=True)
        for backend in (FakeBackend, RealBackend)
    ]
    assert counts[0].backward == counts[1].backward


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_checkpoint_is_counted_on_meta(*, use_reentrant: bool) -> None:
    profile = profile_model(checkpointed(use_reentrant), x(4, 8), mode="training")
    assert profile.counted_on == "meta"


# From where backward starts.


@dataclass
class Output:
    logits: Tensor
    loss: Tensor | None = None


def two_heads(output: Callable[[Tensor, Tensor], Any]) -> nn.Module:
    return Fn(
        lambda self, rows: output(self.used(rows), self.other(rows)),
        used=nn.Linear(8, 16),
        other=nn.Linear(8, 16),
    )


@pytest.mark.parametrize(
    "output",
    [
        lambda used, other: {"loss": used.sum(), "logits": other},
        lambda used, other: {"loss": used, "logits": other},  # a loss per sample
        lambda used, other: Output(other, used.mean()),
    ],
    ids=["dict", "not-reduced", "dataclass"],
)
def test_backward_starts_from_the_loss_alone(output: Callable[[Tensor, Tensor], Any]) -> None:
    profile = profile_model(two_heads(output), x(4, 8), mode="training")
    assert both_ways(profile, "used") == (FIRST, FIRST)
    assert both_ways(profile, "other") == (FIRST, 0)


@pytest.mark.parametrize(
    "output",
    [
        lambda used, other: (used, other),
        lambda used, other: {"a": used, "b": [other]},
        lambda used, other: {"loss": None, "a": used, "b": other},
        lambda used, other: (used, {"b": (other, used.argmax())}),
        lambda used, other: (used, other.detach(), other),
    ],
    ids=["tuple", "nested", "no-loss", "with-integers", "with-detached"],
)
def test_without_a_loss_backward_starts_from_all_outputs(
    output: Callable[[Tensor, Tensor], Any],
) -> None:
    profile = profile_model(two_heads(output), x(4, 8), mode="training")
    assert both_ways(profile, "used") == both_ways(profile, "other") == (FIRST, FIRST)


def test_outputs_in_a_dataclass_without_a_loss() -> None:
    profile = profile_model(
        Fn(lambda self, rows: Output(self.head(rows)), head=nn.Linear(8, 16)),
        x(4, 8),
        mode="training",
    )
    assert both_ways(profile, "head") == (FIRST, FIRST)


def test_nothing_to_go_backward_from_is_an_error() -> None:
    model = nn.Linear(8, 16).requires_grad_(False)
    with pytest.raises(MeasureError, match="requires gradients") as caught:
        profile_model(model, x(4, 8), mode="training")
    assert 'mode="inference"' in caught.value.hint


# Flags.


def test_a_model_in_eval_mode_is_put_into_training_mode() -> None:
    flags: list[bool] = []
    model = Fn(
        lambda self, rows: flags.append(self.layer.training) or self.layer(rows),
        layer=nn.Linear(8, 16),
    ).eval()
    profile_model(model, x(4, 8), mode="training")
    assert set(flags) == {True}
    assert not model.training
    assert not model.layer.training


def test_a_frozen_batch_norm_stays_frozen() -> None:
    flags: list[bool] = []
    model = Fn(
        lambda self, rows: flags.append(self.norm.training) or self.norm(rows),
        norm=nn.BatchNorm1d(8),
    ).train()
    model.norm.eval()
    profile_model(model, x(4, 8), mode="training")
    assert set(flags) == {False}


@pytest.mark.parametrize(("mode", "expected"), [("training", True), ("inference", False)])
def test_gradients_are_on_in_training_only(mode: str, *, expected: bool) -> None:
    states: list[bool] = []
    model = Fn(
        lambda self, rows: states.append(torch.is_grad_enabled()) or self.layer(rows),
        layer=nn.Linear(8, 16),
    )
    with torch.set_grad_enabled(not expected):
        profile_model(model, x(4, 8), mode=mode)
        assert torch.is_grad_enabled() is not expected
    assert set(states) == {expected}


def test_inference_has_no_forward_and_backward_figures() -> None:
    profile = profile_model(mlp(), x(4, 8))
    assert (profile.forward_flops, profile.backward_flops) == (None, None)
    assert both_ways(profile, "0") == (None, None)


# All ways to run a model agree.


def ways() -> Iterator[Any]:
    for case in (*LINEAR, *MATRICES, *CONVOLUTIONS, *ATTENTION, *RECURRENT):
        if case.data_dependent or case.name in ("mm-out", "linear-of-no-rows"):
            continue
        model, *_ = case.build()
        for wanted in (False, True) if list(model.parameters()) else (True,):
            name = f"{case}-{'input-gradients' if wanted else 'plain'}"
            yield pytest.param(case, wanted, id=name)


def required(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(required, value))
    return value.clone().requires_grad_() if value.is_floating_point() else value


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.filterwarnings("ignore:torch.chain_matmul is deprecated:UserWarning")
@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")
@pytest.mark.parametrize("backend", [FakeBackend, RealBackend])
@pytest.mark.parametrize(("case", "wanted"), list(ways()))
def test_every_way_gives_one_backward_count(case: Case, backend: type, *, wanted: bool) -> None:
    model, *inputs = case.build()
    if wanted:
        inputs = [required(value) for value in inputs]
    on_meta = counted_in(MetaBackend(), model, tuple(inputs), training=True)
    elsewhere = counted_in(backend(), model, tuple(inputs), training=True)
    assert on_meta.uncounted == elsewhere.uncounted == {}
    assert (elsewhere.forward, elsewhere.backward) == (on_meta.forward, on_meta.backward)


@pytest.mark.parametrize("reads_values", [False, True], ids=["meta", "real"])
def test_attention_computes_the_gradients_that_are_asked_for(*, reads_values: bool) -> None:
    """The query needs none: 3 of 4 products, also where a fused kernel would compute all."""

    def forward(self: Fn, query: Tensor) -> Tensor:
        if reads_values:
            query.sum().item()
        return F.scaled_dot_product_attention(query, self.prefix, self.prefix)

    model = Fn(forward, layer=nn.Identity())
    model.prefix = nn.Parameter(x(1, 2, 6, 8))
    profile = profile_model(model, x(1, 2, 4, 8), mode="training")
    assert profile.backward_flops == 3 * (2 * 2 * 4 * 6 * 8)
