"""A time limit by pytest-timeout does not run while a test waits for another process."""

from tests.plugin.project import Project

# What pytest-timeout has of hooks, and a timer that a test can read.
TIMEOUT = """
import pytest
from types import SimpleNamespace
from pytest_flopbudget.settings.measuring import Delay

class Hooks:
    @pytest.hookspec(firstresult=True)
    def pytest_timeout_set_timer(item, settings): ...
    @pytest.hookspec(firstresult=True)
    def pytest_timeout_cancel_timer(item): ...

def pytest_addhooks(pluginmanager):
    pluginmanager.add_hookspecs(Hooks)

LOG = []

@pytest.hookimpl(trylast=True)
def pytest_timeout_set_timer(item, settings):
    LOG.append("set")
    return True

@pytest.hookimpl(trylast=True)
def pytest_timeout_cancel_timer(item):
    LOG.append("cancelled")
    return True

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    hook = item.config.hook
    hook.pytest_timeout_set_timer(item=item, settings=SimpleNamespace(method="thread"))
    result = yield
    hook.pytest_timeout_cancel_timer(item=item)
    return result

@pytest.fixture
def waits(monkeypatch):
    from contextlib import contextmanager
    from pytest_flopbudget.measure.timing import latency

    @contextmanager
    def others(*, progress):
        progress(Delay("waiting for another process"))
        LOG.append("waited")
        yield True

    monkeypatch.setattr(latency, "exclusive_timing", others)

def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line("timer: " + " ".join(LOG))
"""


def test_the_timer_stands_still_while_a_test_waits(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\n")
    project.write("conftest.py", TIMEOUT)
    project.write(
        "test_a.py",
        """
        def test_a(flop_budget, waits):
            flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
        """,
    )
    result = project.update("-pno:timeout")  # which has these hooks itself
    result.assert_outcomes(passed=1)
    assert "timer: set cancelled waited set cancelled" in result.outlines


def test_without_pytest_timeout_there_is_no_timer(project: Project) -> None:
    project.sized(1)
    project.update().assert_outcomes(passed=1)
