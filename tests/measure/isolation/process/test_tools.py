"""Tools that slow a model down are named, each while it is at work and not before or after."""

from __future__ import annotations

import sys
import tracemalloc
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from pytest_flopbudget.measure.isolation.process.tools import tools_at_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Functions(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class Operators(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


@contextmanager
def allocations_traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@contextmanager
def hook_of_all_modules(register: str) -> Iterator[None]:
    handle = getattr(torch.nn.modules.module, register)(lambda *_: None)
    yield
    handle.remove()


@contextmanager
def stepped() -> Iterator[None]:
    before = sys.gettrace()
    namespace: dict[str, Any] = {"__name__": "pydevd"}
    exec("def trace(*_): return None", namespace)  # noqa: S102
    sys.settrace(namespace["trace"])
    yield
    sys.settrace(before)


HOOKS = (
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
)
TOOLS: dict[str, list[Callable[[], AbstractContextManager[Any]]]] = {
    "`tracemalloc`": [allocations_traced],
    "`torch.profiler`": [torch.autograd.profiler.profile, torch.profiler.profile],
    "the mode `Functions`": [Functions],
    "the mode `Operators`": [Operators],
    "a hook of all modules": [lambda name=name: hook_of_all_modules(name) for name in HOOKS],
    "a debugger, `pydevd`,": [stepped],
}
CASES = [(name, tool) for name, tools in TOOLS.items() for tool in tools]


@pytest.mark.parametrize(("name", "tool"), CASES, ids=[name for name, _ in CASES])
def test_a_tool_is_named_while_it_is_at_work(
    name: str, tool: Callable[[], AbstractContextManager[Any]]
) -> None:
    assert list(tools_at_work(training=True)) == []
    with tool():
        found = list(tools_at_work(training=False))
    assert found == [name]
    assert list(tools_at_work(training=True)) == []


def test_the_detection_of_anomalies_costs_a_backward_pass() -> None:
    with torch.autograd.set_detect_anomaly(True):
        assert list(tools_at_work(training=True)) == ["the detection of anomalies"]
        assert list(tools_at_work(training=False)) == []


def test_a_default_device_is_no_tool() -> None:
    with torch.device("cpu"):
        assert list(tools_at_work(training=True)) == []


def test_the_wrapper_of_pytest_memray_is_seen_below() -> None:
    """It leaves no other trace that Python could see."""
    namespace: dict[str, Any] = {"__name__": "pytest_memray.plugin"}
    exec("def wrapper(function): return function()", namespace)  # noqa: S102
    found = namespace["wrapper"](lambda: list(tools_at_work(training=False)))
    assert found == ["`pytest-memray`"]
    assert list(tools_at_work(training=False)) == []
