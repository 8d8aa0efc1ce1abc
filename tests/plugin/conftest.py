"""Fixtures for tests that run pytest as a user does."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
import torch
from torch import nn

import pytest_flopbudget
from pytest_flopbudget import profile_model
from tests.plugin.project import Machine, Project

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def _loaded() -> None:
    """Import all that a run imports: pytester forgets what was imported first inside of it."""
    for module in walk_packages(pytest_flopbudget.__path__, "pytest_flopbudget."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    metrics = ("params", "gflops", "latency")
    for settings in ({"mode": "inference"}, {"mode": "training"}, {"engine": "thop"}):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pytest_flopbudget.measure.timing.sampling.DECIDED_BY", 0.0)
            profile_model(nn.Linear(1, 1), torch.zeros(1, 1), metrics=metrics, **settings)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Let every call of a model take 2 ms, and wait for nothing, in runs within this process."""
    fake = Machine()
    free = nullcontext(enter_result=True)
    monkeypatch.setattr(
        "pytest_flopbudget.measure.timing.latency.exclusive_timing", lambda **_: free
    )
    monkeypatch.setattr("pytest_flopbudget.measure.device_run.clock_of", lambda _: fake)
    monkeypatch.setattr("pytest_flopbudget.measure.timing.stopwatch.waited_ns", fake.waited_ns)
    return fake


@pytest.fixture
def project(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, machine: Machine, _loaded: None
) -> Project:
    """A user's project: 80 columns, no colour, and no bytecode, since files change quickly."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(ROOT)  # for the bundled models
    return Project(pytester, machine)
