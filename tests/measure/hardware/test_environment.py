"""What a latency depends on: the name of the CPU, the cores that may be used, the key."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_flopbudget import Environment
from pytest_flopbudget.measure.hardware import cgroups as cgroup_module
from pytest_flopbudget.measure.hardware import environment as module
from pytest_flopbudget.measure.hardware.environment import cpu_model, environment_of, usable_cores

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


@pytest.fixture
def cgroups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that stands for all mounted control groups, and has none yet."""
    monkeypatch.setattr(cgroup_module, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(cgroup_module, "ROOT", tmp_path / "mounts")
    (tmp_path / "groups").write_text("0::/\n")
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = root / "mounts" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("affinity", "content", "cores"),
    [
        (8, None, 8),
        (8, "max 100000", 8),
        (8, "200000 100000", 2),
        (8, "150000 100000", 2),  # one and a half
        (8, "200001 100000", 3),
        (8, "50000 100000", 1),  # a half
        (2, "800000 100000", 2),
        (1, "max 100000", 1),
        (8, "", 8),
        (8, "nonsense", 8),
        (8, "0 0", 8),
    ],
)
def test_usable_cores(
    monkeypatch: pytest.MonkeyPatch, cgroups: Path, affinity: int, content: str | None, cores: int
) -> None:
    if content is not None:
        write(cgroups, {"cpu.max": content})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    assert usable_cores() == cores


V1 = "5:memory:/other\n4:cpu,cpuacct:/docker/box\n1:name=systemd:/docker/box\n"
GROUPS = {
    "version 2, the group itself": ("0::/a/b\n", {"a/b/cpu.max": "200000 100000"}, 2),
    "version 2, one around it": ("0::/a/b\n", {"a/cpu.max": "300000 100000"}, 3),
    "version 2, the tightest": (
        "0::/a/b\n",
        {"a/b/cpu.max": "400000 100000", "a/cpu.max": "200000 100000", "cpu.max": "max 100000"},
        2,
    ),
    "version 2, another one": ("0::/a/b\n", {"c/cpu.max": "100000 100000"}, None),
    "version 2, named as on the host": ("0::/host/x\n", {"cpu.max": "200000 100000"}, 2),
    "version 2, outside of its namespace": ("0::/../a\n", {"a/cpu.max": "200000 100000"}, 2),
    "version 1": (
        V1,
        {
            "cpu,cpuacct/docker/box/cpu.cfs_quota_us": "150000",
            "cpu,cpuacct/docker/box/cpu.cfs_period_us": "50000",
        },
        3,
    ),
    "version 1, mounted as `cpu`, one around it": (
        V1,
        {"cpu/docker/cpu.cfs_quota_us": "200000", "cpu/docker/cpu.cfs_period_us": "100000"},
        2,
    ),
    "version 1, without a limit": (
        V1,
        {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        None,
    ),
    "version 1, not of another controller": (
        V1,
        {"memory/other/cpu.cfs_quota_us": "1", "memory/other/cpu.cfs_period_us": "1"},
        None,
    ),
    "both": (
        f"{V1}0::/\n",
        {
            "cpu/cpu.cfs_quota_us": "200000",
            "cpu/cpu.cfs_period_us": "100000",
            "cpu.max": "max 100000",
        },
        2,
    ),
    "a name with a colon": ("0::/a:b\n", {"a:b/cpu.max": "200000 100000"}, 2),
}


@pytest.mark.parametrize("case", GROUPS)
def test_the_quota_of_nested_groups(cgroups: Path, case: str) -> None:
    groups, files, cores = GROUPS[case]
    (cgroups / "groups").write_text(groups)
    write(cgroups, files)
    assert cgroup_module.quota() == cores


def test_no_groups_are_no_quota(cgroups: Path) -> None:
    write(cgroups, {"cpu.max": "100000 100000"})
    (cgroups / "groups").unlink()
    assert cgroup_module.quota() is None


def test_usable_cores_without_affinity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    monkeypatch.setattr(cgroup_module, "GROUPS", tmp_path / "none")
    assert usable_cores() == 1


def of(**changes: object) -> Environment:
    plain: dict[str, object] = {
        "device": "cpu", "hardware": "Intel Xeon 6960P", "cores": 2, "threads": 1,
        "torch": "2.13", "python": "3.13",
    }  # fmt: skip
    return Environment(**{**plain, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({}, "cpu, Intel Xeon 6960P, 2 cores, 1 thread"),
        ({"cores": 1, "threads": 2}, "cpu, Intel Xeon 6960P, 1 core, 2 threads"),
        ({"python": "3.10"}, "cpu, Intel Xeon 6960P, 2 cores, 1 thread"),
        ({"torch": "2.6"}, "cpu, Intel Xeon 6960P, 2 cores, 1 thread"),
    ],
)
def test_the_key_of_an_environment(changes: dict[str, object], key: str) -> None:
    assert of(**changes).key == key


def test_this_environment() -> None:
    here = environment_of(torch.device("cpu"), threads=3)
    assert (here.device, here.threads) == ("cpu", 3)
    assert here.hardware
    assert "," not in here.hardware
    assert here.cores >= 1
    assert torch.__version__.startswith(here.torch)
    assert here.torch.count(".") == 1
    assert here.python == "{}.{}".format(*sys.version_info)


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
