"""What several files of tests share."""

import gc
from contextlib import nullcontext

import pytest


@pytest.fixture
def exclusive_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no other process that times a model."""
    free = nullcontext(enter_result=True)
    monkeypatch.setattr(
        "pytest_flopbudget.measure.timing.latency.exclusive_timing", lambda **_: free
    )


@pytest.fixture
def brief_timing(monkeypatch: pytest.MonkeyPatch, exclusive_at_once: None) -> None:
    """Time one call of a warm-up, one round, and one for the layers."""
    collect = gc.collect
    young_only = lambda *generation: collect(*generation or (0,))  # noqa: E731 - all: 0.1 s each
    monkeypatch.setattr("pytest_flopbudget.measure.timing.stable_process.gc.collect", young_only)
    monkeypatch.setattr("pytest_flopbudget.measure.timing.sampling.DECIDED_BY", 0.0)
    monkeypatch.setattr("pytest_flopbudget.measure.timing.warm_up.MOST_WARM_UP", 1)
    monkeypatch.setattr("pytest_flopbudget.measure.timing.latency.LAYER_ROUNDS", 1)
    monkeypatch.setattr("pytest_flopbudget.measure.timing.latency.LAYERS_FOR", 0.0)
