"""One process times at a time, and what the system tells of noise."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pytest_flopbudget.measure.timing.exclusive import exclusive_timing
from pytest_flopbudget.measure.timing.noise import load_average, waited_ns

HOLD = """
import sys, time
from pathlib import Path
from pytest_flopbudget.measure.timing.exclusive import exclusive_timing

with exclusive_timing(folder=Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_exclusive_from_the_start(tmp_path: Path) -> None:
    with exclusive_timing(folder=tmp_path) as is_exclusive:
        assert is_exclusive
    with exclusive_timing(folder=tmp_path) as again:
        assert again


@pytest.fixture
def other(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that times a model."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]  # this very interpreter
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    with process:
        yield process
        process.kill()


def test_two_processes_do_not_time_at_once(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with exclusive_timing(0.05, folder=tmp_path) as is_exclusive:
        assert not is_exclusive
    assert other.poll() is None


def test_a_process_that_dies_lets_the_next_one_in(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    other.kill()
    with exclusive_timing(60, folder=tmp_path) as is_exclusive:
        assert is_exclusive


def test_where_nothing_can_be_locked_nobody_waits(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    with exclusive_timing(folder=file) as is_exclusive:
        assert is_exclusive


# Waiting for a core.


@pytest.fixture
def process(tmp_path: Path) -> Path:
    """What Linux tells of a process whose main thread waited for 5 ns, and another one for 70."""
    for place, waited in {"thread-self": 5, "self/task/1": 5, "self/task/2": 70}.items():
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "schedstat").write_text(f"123456789 {waited} 32\n")
    (tmp_path / "self/task/3").mkdir()  # which ends at this moment
    return tmp_path


@pytest.mark.parametrize(("every_thread", "waited"), [(False, 5), (True, 75)])
def test_how_long_threads_waited_for_a_core(
    process: Path, waited: int, *, every_thread: bool
) -> None:
    assert waited_ns(every_thread=every_thread, process=process) == waited


@pytest.mark.parametrize("every_thread", [False, True])
def test_where_the_system_does_not_tell_nothing_is_known(
    tmp_path: Path, *, every_thread: bool
) -> None:
    assert waited_ns(every_thread=every_thread, process=tmp_path) == 0


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="needs Linux")
def test_this_system_tells() -> None:
    own = waited_ns(every_thread=False)
    assert 0 <= own <= waited_ns(every_thread=False)
    assert own <= waited_ns(every_thread=True)


def test_without_a_folder_for_temporary_files_nobody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", missing)
    with exclusive_timing() as is_exclusive:
        assert is_exclusive


def test_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 0, 0))
    assert load_average() == 1.5
    monkeypatch.delattr(os, "getloadavg")
    assert load_average() is None
