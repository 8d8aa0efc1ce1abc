"""What comes of models that are written, wrapped and called in unusual ways: a count, always.

`ONCE` is one `Linear(8, 8)` on 4 rows.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, hessian, jacrev, jvp, vmap
from torch.nn.utils import parametrizations, spectral_norm, weight_norm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.layers import Layers
from pytest_flopbudget.measure.params import state_of
from tests.measure.counting.corpus.case import feed_forward, linear, mha, sdpa
from tests.measure.helpers import Fn, Product, both_ways, x

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_flopbudget.profile.model_profile import ModelProfile

ONCE = 2 * 4 * 8 * 8
MV, DOT = 2 * 8 * 8, 2 * 8
LU, CUBE = 2 * 8**3 // 3, 8**3


def layer() -> nn.Module:
    return nn.Linear(8, 8)


def two() -> nn.Sequential:
    return nn.Sequential(layer(), layer())


def using(forward: Callable[..., Any]) -> nn.Module:
    return Fn(forward, layer=layer())


def counted(model: nn.Module, *inputs: Any, mode: str = "inference", **kwargs: Any) -> ModelProfile:
    profile = profile_model(model, inputs, kwargs, mode=mode)
    assert profile.uncounted == ()
    return profile


# Wrapped and transformed.

SCRIPTS = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:DeprecationWarning", "ignore:.*torch.jit.*:FutureWarning"
)


@SCRIPTS
@pytest.mark.parametrize("transform", [
    lambda model: torch.jit.script(model),
    lambda model: torch.jit.trace(model, x(4, 8)),
    lambda model: torch.jit.freeze(torch.jit.script(model.eval())),
    lambda model: nn.Sequential(model[0], torch.jit.script(model[1])),
    lambda model: nn.Sequential(model[0], torch.jit.trace(model[1], x(4, 8))),
    lambda model: torch.fx.symbolic_trace(model),
    lambda model: torch.compile(model),
    lambda model: nn.Sequential(model[0], torch.compile(model[1])),
    lambda model: nn.DataParallel(model),
], ids=[
    "script", "trace", "frozen", "script-inside", "trace-inside", "fx", "compile", "compile-inside",
    "data-parallel",
])  # fmt: skip
def test_transformed(transform: Callable[[Any], Any]) -> None:
    profile = counted(transform(two()), x(4, 8))
    assert (profile.flops, profile.counted_on) == (2 * ONCE, "meta")


@SCRIPTS
@pytest.mark.parametrize(
    "transform",
    [torch.jit.script, lambda model: torch.jit.trace(model, x(4, 8)), nn.DataParallel],
    ids=["script", "trace", "data-parallel"],
)
def test_transformed_in_training(transform: Callable[[Any], Any]) -> None:
    profile = counted(transform(two()), x(4, 8), mode="training")
    assert (profile.forward_flops, profile.backward_flops) == (2 * ONCE, 3 * ONCE)


@SCRIPTS
def test_a_compiled_function_in_forward() -> None:
    gram = torch.compile(lambda rows: rows @ rows.T)
    profile = counted(using(lambda self, rows: gram(self.layer(rows))), x(4, 8))
    assert profile.flops == ONCE + 2 * 4 * 4 * 8


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_an_exported_model() -> None:
    model = torch.export.export(two(), (x(4, 8),)).module()
    assert counted(model, x(4, 8)).flops == 2 * ONCE


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    distributed = pytest.importorskip("torch.distributed")
    if not distributed.is_available() or not distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    store = (tmp_path / "store").as_uri()
    distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("process_group")
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
class TestDistributed:
    @pytest.mark.parametrize("mode", ["inference", "training"])
    def test_ddp(self, mode: str) -> None:
        model = nn.parallel.DistributedDataParallel(two())
        profile = counted(model, x(4, 8), mode=mode)
        assert profile["module.0"].own_flops == (ONCE if mode == "inference" else 2 * ONCE)
        assert profile.flops == (2 * ONCE if mode == "inference" else 5 * ONCE)
        model(x(4, 8)).sum().backward()  # it still synchronises its gradients
        assert model.module[0].weight.grad is not None

    @pytest.mark.skipif(torch.__version__ < "2.7", reason="FSDP of torch 2.6 needs a GPU")
    @pytest.mark.parametrize("mode", ["inference", "training"])
    def test_fsdp(self, mode: str) -> None:
        from torch.distributed.fsdp import fully_shard

        model = two()
        for part in (*model, model):
            fully_shard(part)
        profile = counted(model, x(4, 8), mode=mode)
        assert profile.flops == (2 * ONCE if mode == "inference" else 5 * ONCE)

    def test_the_first_fsdp(self) -> None:
        from torch.distributed.fsdp import FullyShardedDataParallel

        model = FullyShardedDataParallel(two(), device_id=torch.device("cpu"))
        assert counted(model, x(4, 8)).flops == 2 * ONCE

    def test_dtensor(self) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.tensor import Replicate, distribute_tensor

        mesh = init_device_mesh("cpu", (1,))

        def forward(self: Any, rows: Tensor) -> Tensor:
            weight = distribute_tensor(self.layer.weight, mesh, [Replicate()])
            return (distribute_tensor(rows, mesh, [Replicate()]) @ weight).to_local()

        assert counted(using(forward), x(4, 8)).flops == ONCE

    def test_shards_are_in_the_state(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
        from torch.distributed.tensor import Replicate, Shard, distribute_tensor

        mesh = init_device_mesh("cpu", (1,))
        for placement, state in ((Replicate(), ()), (Shard(0), ("sharded over 8 ranks",))):
            model = nn.Linear(8, 8, bias=False)
            model.weight = nn.Parameter(distribute_tensor(model.weight.data, mesh, [placement]))
            held = Mock(layers=Layers(model), module=model, tensors=[], is_compiled=False)
            with monkeypatch.context() as patch:
                patch.setattr(DeviceMesh, "size", lambda *_, **__: 8)
                assert state_of(held) == ("float32", *state)


# Parametrized: what makes a weight out of others is part of the call.


@pytest.mark.parametrize(("change", "flops"), [
    (parametrizations.weight_norm, ONCE),
    (parametrizations.spectral_norm, ONCE + MV + DOT),  # sigma = u . (w @ v)
    # A skew-symmetric a gives (I + a / 2)^-1 (I - a / 2), a solution of 8 columns, by a base.
    (lambda model: parametrizations.orthogonal(model, orthogonal_map="cayley"),
     ONCE + LU + 2 * 8**3 + 2 * 8**3),
    # Q from 8 reflectors, by a base.
    (lambda model: parametrizations.orthogonal(model, orthogonal_map="householder"),
     ONCE + 4 * CUBE // 3 + 2 * 8**3),
    pytest.param(weight_norm, ONCE,
                 marks=pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")),
    (spectral_norm, ONCE + MV + DOT),
], ids=[
    "weight-norm", "spectral-norm", "cayley", "householder", "old-weight-norm", "old-spectral-norm",
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*householder:UserWarning")
def test_parametrized(change: Callable[[nn.Module], nn.Module], flops: int) -> None:
    profile = counted(change(layer()), x(4, 8))
    assert (profile.flops, profile.counted_on) == (flops, "meta")


def test_a_matrix_exponential_has_no_fixed_count() -> None:
    model = parametrizations.orthogonal(layer(), orthogonal_map="matrix_exp")
    profile = profile_model(model, x(4, 8))
    assert [found.operator for found in profile.uncounted] == ["aten::linalg_matrix_exp"]


def test_spectral_norm_iterates_in_training() -> None:
    profile = counted(parametrizations.spectral_norm(layer()), x(4, 8), mode="training")
    assert profile.forward_flops == ONCE + 2 * MV + MV + DOT


# Derivatives in forward.


def gradient(self: Any, rows: Tensor) -> Tensor:
    with torch.enable_grad():
        rows = rows.detach().requires_grad_()
        return torch.autograd.grad(self.layer(rows).sum(), rows)[0]


def penalty(self: Any, rows: Tensor) -> Tensor:
    rows = rows.detach().requires_grad_()
    return torch.autograd.grad(self.layer(rows).sum(), rows, create_graph=True)[0]


def test_a_gradient_in_forward() -> None:
    assert counted(using(gradient), x(4, 8)).flops == 2 * ONCE


def test_a_gradient_of_a_gradient() -> None:
    profile = counted(using(penalty), x(4, 8), mode="training")
    # Of ones @ weight, whose gradient is that of the weight alone.
    assert (profile.forward_flops, profile.backward_flops) == (2 * ONCE, ONCE)


@SCRIPTS
@pytest.mark.parametrize(("forward", "flops"), [
    (lambda self, rows: vmap(self.layer)(rows), ONCE),
    (lambda self, rows: vmap(torch.dot)(rows, rows), 2 * 4 * 8),
    (lambda self, rows: vmap(torch.mm)(rows.view(4, 8, 1), rows.view(4, 1, 8)), 2 * 4 * 8 * 8),
    (lambda self, rows: grad(lambda q: self.layer(q).sum())(rows), 2 * ONCE),
    # The layer once, then one row of the Jacobian for each of 8 outputs.
    (lambda self, rows: jacrev(lambda q: self.layer(q).sum(0))(rows), ONCE + 8 * ONCE),
    # The value and its derivative: of x @ w + b, x' @ w alone as x is all that changes.
    (lambda self, rows: jvp(self.layer, (rows,), (rows,))[1], 3 * ONCE),
    (lambda self, rows: functional_call(self.layer, {"weight": rows.new_ones(8, 8)}, (rows,)),
     ONCE),
    (lambda self, rows: vmap(lambda w: functional_call(self.layer, {"weight": w}, (rows,)))(
        rows.new_ones(3, 8, 8)), 3 * ONCE),
], ids=[
    "vmap", "vmap-dot", "vmap-mm", "grad", "jacrev", "jvp", "functional-call", "ensemble",
])  # fmt: skip
def test_functional_transforms(forward: Callable[..., Any], flops: int) -> None:
    profile = counted(using(forward), x(4, 8))
    assert (profile.flops, profile.counted_on) == (flops, "meta")


@SCRIPTS
def test_second_derivatives_are_counted() -> None:
    model = using(lambda self, rows: hessian(lambda q: self.layer(q).pow(2).sum())(rows))
    assert (counted(model, x(4, 8)).flops or 0) > ONCE


def test_a_custom_function() -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        return Product.apply(self.layer(rows), self.layer.weight)

    assert counted(using(forward), x(4, 8)).flops == 2 * ONCE
    profile = counted(using(forward), x(4, 8), mode="training")
    assert (profile.forward_flops, profile.backward_flops) == (2 * ONCE, 3 * ONCE)


# Recomputed.


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad:UserWarning")
@pytest.mark.parametrize("use_reentrant", [False, True])
def test_checkpoints_count_what_is_recomputed(*, use_reentrant: bool) -> None:
    inner = nn.Sequential(layer(), nn.ReLU())
    model = Fn(lambda self, rows: checkpoint(self.inner, self.first(rows),
               use_reentrant=use_reentrant), first=layer(), inner=inner)  # fmt: skip
    profile = counted(model, x(4, 8), mode="training")
    assert both_ways(profile, "inner.0") == (ONCE, 3 * ONCE)
    assert counted(model, x(4, 8)).flops == 2 * ONCE  # nothing in inference


def test_a_sequence_in_checkpoints() -> None:
    layers = nn.Sequential(*(layer() for _ in range(4)))
    model = Fn(lambda self, rows: checkpoint_sequential(self.m, 2, rows, use_reentrant=False),
               m=layers)  # fmt: skip
    profile = counted(model, x(4, 8), mode="training")
    # The first of the two in the checkpoint runs again; the second would save nothing more. Then
    # the gradients of 4 weights and of 3 inputs.
    assert (profile.forward_flops, profile.backward_flops) == (4 * ONCE, (1 + 4 + 3) * ONCE)


# Called and held in other ways.


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_autocast(dtype: torch.dtype, mode: str) -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype):
            return self.layer(rows) @ self.layer(rows).T

    profile = counted(using(forward), x(4, 8), mode=mode)
    product = 2 * 4 * 4 * 8
    assert (profile.flops if mode == "inference" else profile.forward_flops) == 2 * ONCE + product
    # Each use of the weight has its gradient, and the product two.
    assert profile.backward_flops in (None, 2 * ONCE + 2 * product)


def test_own_hooks_run_and_count() -> None:
    model = two()
    model[0].register_forward_hook(lambda _, args, out: out @ out.new_ones(8, 8))
    model[1].register_forward_pre_hook(lambda _, args: (args[0] @ args[0].new_ones(8, 8),))
    assert counted(model, x(4, 8)).flops == 4 * ONCE


def test_a_hook_on_gradients_counts() -> None:
    model = two()
    model[1].register_full_backward_hook(
        lambda _, given, out: (given[0] @ given[0].new_ones(8, 8),)
    )
    assert counted(model, x(4, 8), mode="training").backward_flops == 4 * ONCE


def test_calls_outside_of_any_layer() -> None:
    weight = torch.ones(8, 8)
    profile = counted(Fn(lambda rows: F.relu(F.linear(rows, weight)) @ weight), x(4, 8))
    assert (profile.flops, profile[""].own_flops) == (2 * ONCE, 2 * ONCE)


Pair = namedtuple("Pair", "rows scale")


@dataclass
class Batch:
    rows: Tensor
    scale: float = 2.0


class Plain:
    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self.scale = 2.0


@pytest.mark.parametrize("kind", [lambda rows: Pair(rows, 2.0), Batch, Plain])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_structures(kind: Callable[[Tensor], Any], mode: str) -> None:
    model = using(lambda self, batch: {"out": [(self.layer(batch.rows * batch.scale),)]})
    profile = counted(model, kind(x(4, 8)), mode=mode)
    assert profile.flops == (ONCE if mode == "inference" else 2 * ONCE)


@pytest.mark.parametrize("kind", [lambda rows: Pair(rows, 2.0), Batch])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_structures_as_outputs(kind: Callable[[Tensor], Any], mode: str) -> None:
    profile = counted(using(lambda self, rows: kind(self.layer(rows))), x(4, 8), mode=mode)
    assert profile.flops == (ONCE if mode == "inference" else 2 * ONCE)


def test_keywords() -> None:
    def forward(self: Any, *parts: Tensor, **named: Any) -> dict[str, Tensor]:
        return {name: self.layer(value["rows"]) for name, value in named.items()}

    profile = counted(using(forward), x(4, 8), a={"rows": x(4, 8)}, b={"rows": x(2, 8)})
    assert profile.flops == ONCE + ONCE // 2


@pytest.mark.parametrize("switch", [torch.no_grad, torch.inference_mode])
def test_without_gradients_in_forward(switch: Any) -> None:
    assert counted(using(switch()(lambda self, rows: self.layer(rows))), x(4, 8)).flops == ONCE


@pytest.mark.parametrize("build", [
    lambda: (nn.LSTM(3, 4, device="meta"), x(5, 2, 3), 2 * 10 * 16 * (3 + 4)),
    lambda: (nn.Conv2d(3, 5, 3, device="meta"), x(1, 3, 8, 8), 2 * 36 * 5 * 27),
    lambda: (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, device="meta"), x(2, 5, 8),
             mha(2, 5, 5, 8) + feed_forward(10, 8, 16)),
], ids=["lstm", "conv", "encoder-layer"])  # fmt: skip
def test_weights_on_meta(build: Callable[[], tuple[nn.Module, Tensor, int]]) -> None:
    model, example, flops = build()
    profile = counted(model, example)
    assert (profile.flops, profile.counted_on) == (flops, "meta")


@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
def test_lazy_layers_before_the_first_run() -> None:
    model = nn.Sequential(nn.LazyLinear(16), nn.ReLU(), nn.LazyLinear(4))
    profile = counted(model, x(3, 8))
    assert profile.flops == linear(3, 8, 16) + linear(3, 16, 4)
    assert nn.parameter.is_lazy(model[0].weight)  # nothing is left behind


# Operators that take functions.


@pytest.mark.skipif(
    not hasattr(TorchDispatchMode, "supports_higher_order_operators"),
    reason="this torch does not let a mode see higher-order operators",
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
class TestHigherOrder:
    """A block mask of (128, 128) blocks over 256 queries and keys: causal has 3 of its 4."""

    def attend(self, mask: bool, heads: int = 2, **kwargs: Any) -> ModelProfile:
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        def forward(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            blocks = None
            if mask:
                blocks = create_block_mask(
                    lambda b, h, n, m: n >= m, None, None, 256, 256, device="cpu"
                )
            return flex_attention(q, k, v, block_mask=blocks, **kwargs)

        keys = x(1, 2, 256, 16)
        return counted(Fn(forward), x(1, heads, 256, 16), keys, keys)

    def test_flex_attention(self) -> None:
        assert self.attend(mask=False).flops == sdpa(1, 2, 256, 256, 16)

    def test_flex_attention_counts_the_blocks_that_are_there(self) -> None:
        assert self.attend(mask=True).flops == 3 * sdpa(1, 2, 128, 128, 16)

    def test_flex_attention_of_shared_keys(self) -> None:
        profile = self.attend(mask=True, heads=4, enable_gqa=True)
        assert profile.flops == 3 * sdpa(1, 4, 128, 128, 16)

    def test_cond(self) -> None:
        def forward(self: Any, rows: Tensor) -> Tensor:
            return torch.cond(
                rows.sum() > 0, self.layer, lambda r: self.layer(self.layer(r)), (rows,)
            )

        profile = counted(using(forward), x(4, 8))
        assert (profile.flops, profile.data_dependent) == (2 * ONCE, True)

    def test_while_loop(self) -> None:
        from torch._higher_order_ops import while_loop

        def forward(self: Any, rows: Tensor) -> Tensor:
            start = torch.zeros((), dtype=torch.long)
            return while_loop(
                lambda i, _: i < 3, lambda i, r: (i + 1, self.layer(r)), (start, rows)
            )[1]

        assert counted(using(forward), x(4, 8)).flops == 3 * ONCE


# Sequences of unequal length, one after the other in one tensor; no kernel of the CPU takes them.


def attend_to_sequences(q: Tensor, k: Tensor, v: Tensor, starts: Tensor) -> Tensor:
    varlen = pytest.importorskip("torch.nn.attention.varlen")
    return varlen.varlen_attn(q, k, v, starts, starts, 5, 5)


def test_attention_over_sequences_whose_lengths_are_known() -> None:
    def forward(*parts: Tensor) -> Tensor:
        return attend_to_sequences(*parts, torch.tensor([0, 3, 8], dtype=torch.int32))

    profile = counted(Fn(forward), *(x(8, 2, 16) for _ in "qkv"))
    assert profile.flops == sdpa(1, 2, 3, 3, 16) + sdpa(1, 2, 5, 5, 16)
    assert profile.counted_on == "meta"


def test_attention_over_sequences_whose_lengths_are_inputs() -> None:
    starts = torch.tensor([0, 3, 8], dtype=torch.int32)
    profile = counted(Fn(attend_to_sequences), *(x(8, 2, 16) for _ in "qkv"), starts)
    assert profile.flops == sdpa(1, 2, 3, 3, 16) + sdpa(1, 2, 5, 5, 16)


# Nested tensors: what is there is counted, not the rectangle around it.


def nested(layout: torch.layout, *shape: int) -> Tensor:
    return torch.nested.nested_tensor([x(3, *shape), x(5, *shape)], layout=layout)


def attention_over(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    heads = [part.transpose(1, 2) for part in (q, k, v)]
    if q.layout == torch.strided:  # jagged ones must not be contiguous, these must
        heads = [part.contiguous() for part in heads]
    return F.scaled_dot_product_attention(*heads)


def made_inside(self: Any, a: Tensor, b: Tensor) -> Tensor:
    rows = torch.nested.as_nested_tensor([a, b], layout=torch.jagged)
    return self.layer(rows).values()


@pytest.mark.filterwarnings("ignore:.*nested tensors:UserWarning")
class TestNested:
    @pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
    def test_linear(self, layout: torch.layout) -> None:
        assert counted(nn.Linear(8, 4), nested(layout, 8)).flops == linear(3 + 5, 8, 4)

    @pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
    def test_attention(self, layout: torch.layout) -> None:
        parts = (nested(layout, 2, 8) for _ in "qkv")
        expected = sdpa(1, 2, 3, 3, 8) + sdpa(1, 2, 5, 5, 8)
        assert counted(Fn(attention_over), *parts).flops == expected

    def test_made_in_forward(self) -> None:
        assert counted(using(made_inside), x(3, 8), x(5, 8)).flops == 2 * ONCE

    def test_made_in_forward_and_trained(self) -> None:
        profile = counted(using(made_inside), x(3, 8), x(5, 8), mode="training")
        assert (profile.forward_flops, profile.backward_flops) == (2 * ONCE, 2 * ONCE)


@pytest.mark.xfail(strict=True, reason="only the fused path takes nested tensors, without hooks")
@pytest.mark.filterwarnings("ignore:.*nested tensors:UserWarning")
def test_an_encoder_layer_on_nested_tensors() -> None:
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    expected = sum(mha(1, n, n, 8) + feed_forward(n, 8, 16) for n in (3, 5))
    assert counted(model, nested(torch.strided, 8)).flops == expected
