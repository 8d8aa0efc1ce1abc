"""The environment of a measurement: the machine, the device and how torch uses them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from math import ceil
from pathlib import Path

import torch

from pytest_flopbudget.measure.hardware.cgroups import quota
from pytest_flopbudget.profile.environment import Environment
from pytest_flopbudget.real_files import read_text

CPU_INFO = Path("/proc/cpuinfo")


def environment_of(device: torch.device, *, threads: int) -> Environment:
    """Return the environment in which a model is run."""
    return Environment(
        device=device.type,
        hardware=cpu_model() if device.type in ("cpu", "meta") else accelerator_model(device),
        cores=usable_cores(),
        threads=threads,
        torch=torch_minor(),
        python=".".join(platform.python_version_tuple()[:2]),
    )


def torch_minor() -> str:
    """Return the minor version of torch: `2.13`."""
    return ".".join(torch.__version__.split(".")[:2])


def usable_cores() -> int:
    """Return how many cores this process may use, by its affinity and the quotas of its cgroups."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    limit = quota()
    return cores if limit is None else max(1, min(cores, ceil(limit)))


def cpu_model() -> str:
    """Return the name of the CPU, without trademarks and clock frequency."""
    name = _cpu_name() or platform.processor() or platform.machine()
    name = re.sub(
        r"\((R|TM)\)|\bCPU\b|\bProcessor\b|@.*|\b\d+-Core\b", " ", name, flags=re.IGNORECASE
    )
    return " ".join(name.replace(",", " ").split())


def accelerator_model(device: torch.device) -> str:
    """Return the name that its driver gives an accelerator, or its type."""
    module = torch.get_device_module(device)
    if hasattr(module, "get_device_name"):
        return str(module.get_device_name(device)).replace(",", " ")
    return device.type


def _cpu_name() -> str:
    if platform.system() == "Darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    try:
        lines = read_text(CPU_INFO).splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2] for line in lines if line.startswith("model name")), "")
