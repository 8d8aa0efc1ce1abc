"""Forward FLOPs of small models: exact, on meta tensors, with nothing uncounted."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.counting.backends.fake import FakeBackend
from pytest_flopbudget.measure.counting.backends.meta import MetaBackend
from pytest_flopbudget.measure.counting.backends.real import RealBackend
from tests.measure.counting.corpus import (
    CORPUS,
    IN_PLACE,
    RECURRENT,
    Case,
    encoder_layer,
    feed_forward,
    mha,
)
from tests.measure.helpers import Fn, counted_in, x

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning"),
    pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning"),
    pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta:UserWarning"),
    pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions:UserWarning"),
    pytest.mark.filterwarnings("ignore:torch.chain_matmul is deprecated:UserWarning"),
]


@pytest.mark.parametrize("case", CORPUS, ids=str)
def test_flops(case: Case) -> None:
    model, *inputs = case.build()
    profile = profile_model(model, tuple(inputs))
    assert profile.uncounted == ()
    assert profile.flops == case.flops
    assert (profile.counted_on, profile.data_dependent) == (case.counted_on, case.data_dependent)


@pytest.mark.parametrize(
    ("case", "backend"),
    [
        pytest.param(case, backend, id=f"{case}-{backend.name}")
        for case in CORPUS
        for backend in (MetaBackend, FakeBackend, RealBackend)
        if case.runs_in(backend.name)
    ],
)
def test_every_way_to_run_a_model_gives_one_count(case: Case, backend: type) -> None:
    model, *inputs = case.build()
    count = counted_in(backend(), model, tuple(inputs))
    assert (sum(count.forward), sum(count.backward), count.uncounted) == (case.flops, 0, {})


@pytest.mark.parametrize("case", IN_PLACE, ids=str)
def test_flops_of_products_in_place(case: Case) -> None:
    model, *inputs = case.build()
    profile = profile_model(model, tuple(inputs))
    assert (profile.flops, profile.uncounted) == (case.flops, ())


@pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])
@pytest.mark.parametrize("backend", [MetaBackend, FakeBackend, RealBackend])
def test_the_fused_path_of_an_encoder_layer_does_not_change_its_count(
    backend: type, *, training: bool
) -> None:
    count = counted_in(backend(), encoder_layer(), (x(2, 5, 8),), training=training)
    assert sum(count.forward) == mha(2, 5, 5, 8) + feed_forward(10, 8, 16)
    assert count.uncounted == {}


@pytest.mark.parametrize("enabled", [False, True])
def test_the_fast_path_switch_does_not_change_a_count(
    monkeypatch: pytest.MonkeyPatch, *, enabled: bool
) -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(enabled)
    try:
        profile = profile_model(encoder_layer(), (x(2, 5, 8),))
        assert torch.backends.mha.get_fastpath_enabled() is enabled
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
    assert profile.flops == mha(2, 5, 5, 8) + feed_forward(10, 8, 16)


@pytest.mark.parametrize("case", RECURRENT, ids=str)
def test_a_recurrent_layer_costs_the_same_forward_in_training(case: Case) -> None:
    model, *inputs = case.build()
    profile = profile_model(model, tuple(inputs), mode="training")
    assert (profile.forward_flops, profile.uncounted) == (case.flops, ())


@pytest.mark.parametrize("rows", [1, 2, 7, 1000])
def test_flops_of_a_linear_layer_grow_with_its_rows(rows: int) -> None:
    profile = profile_model(nn.Linear(3, 5), x(rows, 3))
    assert profile.flops == 2 * rows * 3 * 5


def test_a_count_beyond_what_a_float_holds_is_exact() -> None:
    with torch.device("meta"):
        model = nn.Linear(2**20 + 1, 2**20 + 1, bias=False)
        rows = torch.zeros(2**15 + 1, 2**20 + 1)
    profile = profile_model(model, rows)
    assert profile.flops == 2 * (2**15 + 1) * (2**20 + 1) ** 2
    assert profile.flops != int(float(profile.flops))


def test_a_model_on_meta_is_counted_there() -> None:
    profile = profile_model(nn.Linear(8, 16, device="meta"), x(4, 8, device="meta"))
    assert (profile.flops, profile.counted_on) == (2 * 4 * 8 * 16, "meta")


def test_weights_on_meta_take_inputs_from_the_cpu() -> None:
    profile = profile_model(nn.Linear(8, 16, device="meta"), x(4, 8))
    assert (profile.flops, profile.counted_on) == (2 * 4 * 8 * 16, "meta")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.complex64])
def test_a_dtype_does_not_change_a_count(dtype: torch.dtype) -> None:
    profile = profile_model(Fn(torch.mm), (x(3, 4, dtype=dtype), x(4, 5, dtype=dtype)))
    assert profile.flops == 2 * 3 * 4 * 5


def test_autocast_does_not_change_a_count() -> None:
    def forward(self: Fn, rows: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.layer(rows)

    profile = profile_model(Fn(forward, layer=nn.Linear(8, 16)), x(4, 8))
    assert (profile.flops, profile.uncounted, profile.counted_on) == (2 * 4 * 8 * 16, (), "meta")


def test_a_second_measurement_gives_the_same_profile() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten())
    first, second = (profile_model(model, x(2, 3, 8, 8), mode="training") for _ in range(2))
    assert first == second
