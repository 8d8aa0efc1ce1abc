"""What a latency depends on: the name of the CPU, the cores that may be used, the key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_flopbudget import Environment
from pytest_flopbudget.measure import environment as module
from pytest_flopbudget.measure.environment import cpu_model, environment_of, usable_cores

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("brief_timing")


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz", "Intel Xeon Platinum 8370C"),
        ("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz", "Intel Core i7-8650U"),
        ("Intel(R) Xeon(R) 6960P", "Intel Xeon 6960P"),
        ("13th Gen Intel(R) Core(TM) i9-13900K", "13th Gen Intel Core i9-13900K"),
        ("AMD EPYC 7763 64-Core Processor", "AMD EPYC 7763"),
        ("AMD Ryzen 9 5950X 16-Core Processor", "AMD Ryzen 9 5950X"),
        ("AMD Ryzen Threadripper PRO 5995WX 64-Cores", "AMD Ryzen Threadripper PRO 5995WX 64-Cores"),
        ("Apple M2 Pro", "Apple M2 Pro"),
        ("Neoverse-N1", "Neoverse-N1"),
        ("Some, CPU", "Some"),
        ("  spaced   out  ", "spaced out"),
    ],
)  # fmt: skip
def test_the_name_of_a_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, raw: str, clean: str
) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nmodel name\t: {raw}\nflags\t\t: fpu\nmodel name\t: no\n")
    monkeypatch.setattr(module, "CPU_INFO", info)
    monkeypatch.setattr(module.platform, "system", lambda: "Linux")
    assert cpu_model() == clean


@pytest.mark.parametrize("content", [None, "processor\t: 0\nCPU part\t: 0xd0c\n"])
def test_a_cpu_without_a_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    info = tmp_path / "cpuinfo"
    if content is not None:
        info.write_text(content)
    monkeypatch.setattr(module, "CPU_INFO", info)
    monkeypatch.setattr(module.platform, "system", lambda: "Linux")
    monkeypatch.setattr(module.platform, "processor", lambda: "")
    monkeypatch.setattr(module.platform, "machine", lambda: "aarch64")
    assert cpu_model() == "aarch64"


@pytest.mark.parametrize(
    ("affinity", "quota", "cores"),
    [
        (8, None, 8),
        (8, "max 100000", 8),
        (8, "200000 100000", 2),
        (8, "150000 100000", 2),  # one and a half
        (8, "50000 100000", 1),  # a half
        (2, "800000 100000", 2),
        (1, "max 100000", 1),
        (8, "", 8),
        (8, "nonsense", 8),
    ],
)
def test_usable_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, affinity: int, quota: str | None, cores: int
) -> None:
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(f"{quota}\n")
    monkeypatch.setattr(module, "QUOTA", file)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    assert usable_cores() == cores


def test_usable_cores_without_affinity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    monkeypatch.setattr(module, "QUOTA", tmp_path / "none")
    assert usable_cores() == 1


def of(**changes: object) -> Environment:
    plain: dict[str, object] = {
        "device": "cpu", "hardware": "Intel Xeon 6960P", "cores": 2, "threads": 1,
        "dtype": "float32", "compiled": False, "torch": "2.13",
    }  # fmt: skip
    return Environment(**{**plain, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({}, "cpu, Intel Xeon 6960P, 2 cores, 1 thread, float32"),
        ({"cores": 1, "threads": 2}, "cpu, Intel Xeon 6960P, 1 core, 2 threads, float32"),
        ({"compiled": True}, "cpu, Intel Xeon 6960P, 2 cores, 1 thread, float32, compiled"),
        ({"torch": "2.6"}, "cpu, Intel Xeon 6960P, 2 cores, 1 thread, float32"),
    ],
)
def test_the_key_of_an_environment(changes: dict[str, object], key: str) -> None:
    assert of(**changes).key == key


def test_this_environment() -> None:
    here = environment_of(torch.device("cpu"), torch.bfloat16, threads=3, compiled=True)
    assert (here.device, here.threads, here.dtype, here.compiled) == ("cpu", 3, "bfloat16", True)
    assert here.hardware
    assert "," not in here.hardware
    assert here.cores >= 1
    assert torch.__version__.startswith(here.torch)
    assert here.torch.count(".") == 1


def test_an_accelerator_is_named_by_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        @staticmethod
        def get_device_name(device: torch.device) -> str:
            return f"NVIDIA H100, {device.index}"

    monkeypatch.setattr(torch, "get_device_module", lambda _: Driver)
    assert module.accelerator_model(torch.device("cuda:1")) == "NVIDIA H100  1"


def test_an_accelerator_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_device_module", lambda _: object)
    assert module.accelerator_model(torch.device("mps")) == "mps"
