"""Parameters: each tensor once, at the first layer that holds it; and those that nothing read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from pytest_flopbudget import profile_model
from pytest_flopbudget.profile.model_profile import ModelProfile
from tests.measure.helpers import Fn, mlp, x


def own(profile: ModelProfile) -> dict[str, int]:
    return {layer.path: layer.own_params for layer in profile.layers if layer.own_params}


def test_own_and_total() -> None:
    profile = profile_model(nn.Sequential(mlp(), nn.Linear(4, 2, bias=False)), x(1, 8))
    assert own(profile) == {"0.0": 8 * 16 + 16, "0.2": 16 * 4 + 4, "1": 8}
    assert [profile[path].params for path in ("", "0", "0.0")] == [144 + 68 + 8, 144 + 68, 144]
    assert (profile.params, profile.trainable_params) == (220, 220)


def test_a_parameter_of_the_model_itself() -> None:
    model = Fn(lambda self, rows: rows * self.scale, scale=nn.Parameter(torch.ones(8)))
    assert own(profile_model(model, x(4, 8))) == {"": 8}


def test_a_scalar_parameter_counts_one() -> None:
    model = Fn(lambda self, rows: rows * self.scale, scale=nn.Parameter(torch.tensor(1.0)))
    assert profile_model(model, x(4, 8)).params == 1


def test_tied_weights_count_once_where_they_are_first() -> None:
    model = Fn(
        lambda self, ids: self.head(self.embedding(ids)),
        embedding=nn.Embedding(10, 4),
        head=nn.Linear(4, 10, bias=False),
    )
    model.head.weight = model.embedding.weight
    profile = profile_model(model, torch.zeros(1, 3, dtype=torch.long))
    assert own(profile) == {"embedding": 40}
    assert (profile.params, profile["head"].params) == (40, 0)
    assert profile.flops == 2 * 3 * 4 * 10
    assert profile.unused == ()


def test_two_names_for_one_parameter_in_one_layer() -> None:
    model = Fn(lambda self, rows: rows * self.a * self.b, a=nn.Parameter(torch.ones(8)))
    model.b = model.a
    assert own(profile_model(model, x(4, 8))) == {"": 8}


def test_a_shared_layer_counts_once() -> None:
    layer = nn.Linear(8, 8)
    profile = profile_model(nn.Sequential(layer, nn.Sequential(layer)), x(4, 8))
    assert own(profile) == {"0": 72}
    assert profile["1"].params == 0


def test_frozen_parameters_are_shown_apart() -> None:
    model = mlp()
    model[0].requires_grad_(False)
    profile = profile_model(model, x(4, 8))
    assert (profile.params, profile.trainable_params) == (144 + 68, 68)
    assert [profile[path].trainable_params for path in ("", "0", "2")] == [68, 0, 68]


def test_a_parameter_that_is_none() -> None:
    assert own(profile_model(nn.Linear(8, 16, bias=False), x(4, 8))) == {"": 128}


def test_buffers_are_no_parameters() -> None:
    profile = profile_model(nn.BatchNorm1d(8), x(4, 8))
    assert (profile.params, profile.buffers) == (16, 8 + 8 + 1)


def test_a_plain_tensor_is_no_parameter() -> None:
    model = Fn(lambda self, rows: rows * self.scale, scale=torch.ones(8))
    profile = profile_model(model, x(4, 8))
    assert (profile.params, profile.buffers) == (0, 0)


def test_parameters_in_a_parameter_list() -> None:
    model = Fn(
        lambda self, rows: rows * self.several[0] * self.several[1],
        several=nn.ParameterList([torch.ones(8), torch.ones(8)]),
    )
    profile = profile_model(model, x(4, 8))
    assert own(profile) == {"several": 16}
    assert profile["several"].calls == 0
    assert profile.unused == ()


def test_a_parametrised_weight_counts_its_original() -> None:
    model = parametrizations.weight_norm(nn.Linear(8, 16))
    profile = profile_model(model, x(4, 8))
    assert profile.params == 16 + 16 + 128  # bias, magnitudes, directions
    assert (profile.flops, profile.uncounted) == (2 * 4 * 8 * 16, ())


def test_a_model_on_meta() -> None:
    profile = profile_model(nn.Linear(8, 16, device="meta"), x(4, 8, device="meta"))
    assert profile.params == 144


def test_params_alone_need_no_call() -> None:
    def fail(rows: Tensor) -> Tensor:
        raise AssertionError(rows)

    model = Fn(fail, layer=nn.Linear(8, 16))
    profile = profile_model(model, x(4, 8), metrics=("params",))
    assert (profile.params, profile.flops, profile.uncounted) == (144, None, ())
    assert (profile["layer"].calls, profile.counted_on) == (None, None)


# Unused parameters: neither they nor a view of them were read.


def unused(model: nn.Module, *inputs: Any) -> tuple[str, ...]:
    return profile_model(model, inputs).unused


def test_all_are_used() -> None:
    assert unused(mlp(), x(4, 8)) == ()


def test_a_layer_that_does_not_run_is_unused() -> None:
    model = Fn(
        lambda self, rows: self.used(rows), used=nn.Linear(8, 8), other=nn.Linear(8, 8, bias=False)
    )
    assert unused(model, x(4, 8)) == ("other.weight",)


def test_out_proj_of_attention_does_not_run_but_is_used() -> None:
    model = Fn(lambda self, q: self.m(q, q, q)[0], m=nn.MultiheadAttention(8, 2))
    profile = profile_model(model, x(5, 2, 8))
    assert profile["m.out_proj"].calls == 0
    assert profile["m.out_proj"].params == 72
    assert profile.unused == ()


def test_out_proj_of_a_fused_encoder_layer_is_used() -> None:
    assert unused(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), x(2, 5, 8)) == ()


def test_a_view_of_a_parameter_is_a_use() -> None:
    model = Fn(lambda self, rows: F.linear(rows, self.layer.weight.T), layer=nn.Linear(8, 8))
    assert unused(model, x(4, 8)) == ("layer.bias",)


def test_asking_for_a_shape_is_no_use() -> None:
    model = Fn(lambda self, rows: rows[: self.layer.weight.shape[0]], layer=nn.Linear(8, 8))
    assert unused(model, x(4, 8)) == ("layer.weight", "layer.bias")


def test_a_used_tied_parameter_is_used_under_all_names() -> None:
    model = Fn(lambda self, rows: self.a(rows), a=nn.Linear(8, 8), b=nn.Linear(8, 8))
    model.b.weight = model.a.weight
    assert unused(model, x(4, 8)) == ("b.bias",)


def test_unused_in_a_model_that_is_counted_for_real() -> None:
    model = Fn(
        lambda self, rows: self.a(rows) if rows.sum().item() == 0 else self.b(rows),
        a=nn.Linear(8, 8),
        b=nn.Linear(8, 8),
    )
    profile = profile_model(model, x(4, 8))
    assert (profile.counted_on, profile.unused) == ("real", ("b.weight", "b.bias"))


# Packed parameters of quantised layers.


def dynamic(model: nn.Module, *kinds: type[nn.Module]) -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(model.eval(), set(kinds))


def static(model: nn.Module) -> nn.Module:
    wrapped = torch.ao.quantization.QuantWrapper(model).eval()
    wrapped.qconfig = torch.ao.quantization.default_qconfig
    prepared = torch.ao.quantization.prepare(wrapped)
    prepared(x(1, 3, 8, 8))
    return torch.ao.quantization.convert(prepared)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("build", "inputs", "path", "params"),
    [
        (lambda: dynamic(nn.Sequential(nn.Linear(8, 16)), nn.Linear), (2, 8), "0", 8 * 16 + 16),
        (lambda: dynamic(nn.Sequential(nn.Linear(8, 16, bias=False)), nn.Linear), (2, 8), "0",
         8 * 16),
        (lambda: dynamic(nn.Sequential(nn.LSTM(16, 4)), nn.LSTM), (5, 2, 16), "0",
         4 * 4 * (16 + 4) + 2 * 4 * 4),
        (lambda: dynamic(nn.Sequential(nn.GRU(16, 4, 2, bidirectional=True)), nn.GRU), (5, 2, 16),
         "0", 2 * (3 * 4 * (16 + 4) + 2 * 3 * 4) + 2 * (3 * 4 * (8 + 4) + 2 * 3 * 4)),
        (lambda: static(nn.Conv2d(3, 4, 3)), (1, 3, 8, 8), "module", 3 * 4 * 9 + 4),
    ],
)  # fmt: skip
def test_packed_parameters_count(
    build: Callable[[], nn.Module], inputs: tuple[int, ...], path: str, params: int
) -> None:
    profile = profile_model(build(), x(*inputs))
    assert (profile.params, profile[path].params) == (params, params)
    assert profile.trainable_params == 0


def state(model: nn.Module, *inputs: Tensor) -> tuple[str, ...]:
    return profile_model(model, inputs).state


def test_the_state_is_the_dtypes_of_parameters_and_buffers() -> None:
    assert state(nn.Linear(2, 2), x(1, 2)) == ("float32",)
    assert state(nn.Linear(2, 2).double(), x(1, 2).double()) == ("float64",)
    assert state(nn.ReLU(), x(1)) == ()
    mixed = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))  # has `num_batches_tracked`
    mixed[1].running_mean = mixed[1].running_mean.to(torch.bfloat16)
    assert state(mixed, x(3, 2)) == ("bfloat16", "float32")
    complex_buffer = nn.Identity()
    complex_buffer.register_buffer("freqs", torch.zeros(2, dtype=torch.complex64))
    assert state(complex_buffer, x(1)) == ("complex64",)
    whole = nn.Embedding(2, 2)
    whole.weight = nn.Parameter(torch.zeros(2, 2, dtype=torch.int8), requires_grad=False)
    assert state(whole, torch.zeros(1, dtype=torch.long)) == ("int8",)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_packed_weights_are_in_the_state() -> None:
    if not torch.backends.quantized.supported_engines:
        pytest.skip("this build of torch has no quantised engine")
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(2, 2)), {nn.Linear})
    assert state(model, x(1, 2)) == ("float32", "qint8")


def test_autocast_around_the_call_is_in_the_state() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert state(nn.Linear(2, 2), x(1, 2)) == ("float32", "autocast bfloat16")
    assert state(nn.Linear(2, 2), x(1, 2)) == ("float32",)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own import
def test_compiled_in_any_part_is_in_the_state() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[0].compile()
    assert state(model, x(1, 2)) == ("float32", "compiled")
    assert state(torch.compile(nn.Linear(2, 2)), x(1, 2)) == ("float32", "compiled")


def weights(model: nn.Module, *args: Any) -> dict[str, int | None]:
    profile = profile_model(model, args, metrics=("weights",))
    assert profile.weights_bytes == profile[""].weights_bytes
    return {layer.path: layer.own_weights_bytes for layer in profile.layers}


def test_weights_are_bytes_of_parameters_and_buffers() -> None:
    model = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4).half(), nn.ReLU())
    # Weight, bias, mean and variance of 4 numbers of 2 bytes, and a number of batches of 8.
    assert weights(model, torch.zeros(2, 8)) == {"": 0, "0": 4 * 36, "1": 4 * 4 * 2 + 8, "2": 0}


def test_weights_count_each_storage_once() -> None:
    whole = torch.zeros(6, 8)
    model = nn.Sequential(nn.Linear(8, 4, bias=False), nn.Linear(8, 2, bias=False))
    model[0].weight = nn.Parameter(whole[:4])
    model[1].weight = nn.Parameter(whole[4:])
    assert weights(model, torch.zeros(1, 8)) == {"": 0, "0": 6 * 8 * 4, "1": 0}


def test_weights_on_meta_weigh_what_they_would() -> None:
    with torch.device("meta"):
        assert weights(nn.Linear(8, 4), torch.zeros(1, 8)) == {"": 144}


def test_weights_alone_run_nothing() -> None:
    class Broken(nn.Linear):
        def forward(self, _: Any) -> Any:
            raise KeyError

    assert weights(Broken(8, 4), torch.zeros(1, 8)) == {"": 144}
