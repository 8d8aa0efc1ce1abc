"""Devices: which one is asked for, and whether it is present and can be used."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from pytest_flopbudget import profile_model
from pytest_flopbudget.errors import SettingsError
from pytest_flopbudget.measure.counting.backends.fake import FakeBackend
from pytest_flopbudget.measure.hardware.devices import (
    NotMeasuredError,
    device_of,
    is_present,
    requested,
    usable_device,
)
from tests.measure.counting.corpus import CORPUS, LOW_BIT, QUANTISED, Case
from tests.measure.helpers import counted_in, mlp, x

CPU, META = torch.device("cpu"), torch.device("meta")
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


pytestmark = pytest.mark.usefixtures("brief_timing")


@pytest.fixture
def accelerators(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """So many CUDA devices, or none."""
    count = request.param
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: bool(count))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: count)
    found = torch.device("cuda") if count else None
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda *_: found)


@pytest.mark.usefixtures("accelerators")
@pytest.mark.parametrize(
    ("accelerators", "name", "device"),
    [
        (0, None, "cpu"), (0, "cpu", "cpu"), (0, "auto", "cpu"), (0, "cuda", "cuda"),
        (1, None, "cpu"), (1, "cpu", "cpu"), (1, "auto", "cuda"), (2, "cuda:1", "cuda:1"),
    ],
    indirect=["accelerators"],
)  # fmt: skip
def test_the_device_that_is_asked_for(name: str | None, device: str) -> None:
    assert requested(name, [x(2)]) == torch.device(device)


@pytest.mark.usefixtures("accelerators")
@pytest.mark.parametrize(
    ("accelerators", "device", "there"),
    [
        (0, "cpu", True), (0, "cuda", False), (0, "mps", False),
        (1, "cuda", True), (1, "cuda:0", True), (1, "cuda:1", False), (2, "cuda:1", True),
        (2, "cuda:2", False), (1, "mps", False), (1, "xpu", False),
    ],
    indirect=["accelerators"],
)  # fmt: skip
def test_whether_a_device_is_there(device: str, *, there: bool) -> None:
    assert is_present(torch.device(device)) is there


def test_where_a_model_is() -> None:
    assert device_of([]) == CPU
    assert device_of([x(1, device="meta"), x(1)]) == META


def test_a_device_that_can_be_used() -> None:
    assert usable_device(None, [x(1)]) == CPU


@pytest.mark.parametrize(
    ("name", "tensors"), [(None, [x(1), x(1, device="meta")]), ("meta", [x(1)]), ("meta", [])]
)
def test_without_values_no_device_can_be_used(
    name: str | None, tensors: list[torch.Tensor]
) -> None:
    with pytest.raises(NotMeasuredError) as raised:
        usable_device(name, tensors)
    assert raised.value.reason == "the weights are on meta"


def test_fake_tensors_have_no_values_to_run_with() -> None:
    with FakeTensorMode():
        fake = x(1)
    for tensors in ([fake], [x(1), fake]):
        with pytest.raises(NotMeasuredError, match=r"^the tensors are fake$"):
            usable_device("cpu", tensors)


def test_within_a_fake_mode_every_tensor_becomes_fake() -> None:
    with FakeTensorMode(), pytest.raises(NotMeasuredError, match=r"^the tensors are fake$"):
        usable_device(None, [])
    assert usable_device(None, []) == CPU


@pytest.mark.parametrize("device", ["mps", "xpu"])
def test_a_device_that_is_not_there(device: str) -> None:
    if is_present(torch.device(device)):
        pytest.skip(f"this machine has `{device}`")
    profile = profile_model(mlp(), x(4, 8), device=device, metrics=("gflops", "latency"))
    assert profile.flops == 2 * 4 * (8 * 16 + 16 * 4)
    assert (profile.latency_ms, profile.environment) == (None, None)
    assert f"no device `{device}` here" in profile.not_measured["latency"]


def test_a_device_that_does_not_exist() -> None:
    with pytest.raises(SettingsError, match="device"):
        profile_model(mlp(), x(4, 8), device="gpu")


def test_auto_is_the_cpu_where_there_is_no_accelerator() -> None:
    if torch.accelerator.is_available():
        pytest.skip("this machine has an accelerator")
    profile = profile_model(mlp(), x(4, 8), device="auto", metrics=("latency",))
    assert profile.environment is not None
    assert profile.environment.device == "cpu"


class FakeCuda(FakeBackend):
    """Fake tensors that believe to lie on a GPU, so that torch runs as on a GPU."""

    def _fake(self, tensor: torch.Tensor) -> torch.Tensor:
        fake = super()._fake(tensor)
        with self._mode:
            return fake.to("cuda")


@pytest.mark.skipif(
    torch.version.cuda is None or torch.__version__ < "2.14",
    reason="needs a torch with CUDA, from 2.14 on: its fakes need no GPU",
)
@pytest.mark.parametrize("case", [c for c in CORPUS if c.counted_on == "meta"], ids=str)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_counts_of_a_model_on_a_fake_gpu(case: Case) -> None:
    model, *inputs = case.build()
    try:
        count = counted_in(FakeCuda(), model, tuple(inputs))
    except (AttributeError, RuntimeError) as error:
        pytest.skip(f"it needs a real GPU, or holds tensors on the CPU: {error}")
    assert (sum(count.forward), count.uncounted) == (case.flops, {})


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize(
    "case", [case for case in CORPUS if case not in (*LOW_BIT, *QUANTISED)], ids=str
)
def test_counts_of_a_model_on_a_gpu(case: Case) -> None:
    model, *inputs = case.build()
    model = model.cuda()
    there = torch.utils._pytree.tree_map_only(torch.Tensor, torch.Tensor.cuda, tuple(inputs))
    profile = profile_model(model, there)
    assert (profile.flops, profile.uncounted) == (case.flops, ())


@gpu
@pytest.mark.gpu
def test_latency_on_a_gpu() -> None:
    model = mlp()
    before = [(id(p), p.data_ptr()) for p in model.parameters()]
    profile = profile_model(model, x(4, 8), device="cuda", metrics=("gflops", "latency"))
    assert profile.latency_ms is not None
    assert profile.latency_ms > 0
    assert profile.environment is not None
    assert profile.environment.device == "cuda"
    assert profile.flops == 2 * 4 * (8 * 16 + 16 * 4)
    assert [(id(p), p.data_ptr()) for p in model.parameters()] == before
