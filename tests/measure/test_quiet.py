"""Turns between processes that time models, and what a thread waited for."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.measure import quiet as quiet_module
from pytest_flopbudget.measure.quiet import Queue, load, turn

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from pytest_flopbudget.measure.quiet import turn

with turn(folder=Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_a_free_turn_is_had(tmp_path: Path) -> None:
    with turn(folder=tmp_path) as had:
        assert had
    with turn(folder=tmp_path) as again:
        assert again


@pytest.fixture
def other(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that has its turn."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]  # this very interpreter
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    with process:
        yield process
        process.kill()


def test_only_one_process_has_its_turn(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with turn(0.05, folder=tmp_path) as had:
        assert not had
    assert other.poll() is None


def test_a_process_that_dies_gives_its_turn_back(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    other.kill()
    with turn(60, folder=tmp_path) as had:
        assert had


def test_where_nothing_can_be_locked_nobody_waits(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    with turn(folder=file) as had:
        assert had


# Waiting for a core.


def test_a_queue_tells_what_the_second_number_of_its_file_says(tmp_path: Path) -> None:
    file = tmp_path / "schedstat"
    file.write_text("123456789 987654 32\n")
    queue = Queue(file)
    assert queue.waited_ns() == 987654
    file.write_text("123456789 1000000 33\n")
    assert queue.waited_ns() == 1000000
    queue.close()
    queue.close()
    assert queue.waited_ns() == 0


def test_without_the_file_nothing_is_known(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "none")
    assert queue.waited_ns() == 0
    queue.close()


@pytest.mark.skipif(not quiet_module.SCHEDULED.exists(), reason="this system does not tell")
def test_this_thread_has_a_queue() -> None:
    queue = Queue()
    assert 0 <= queue.waited_ns() <= queue.waited_ns()
    queue.close()


def test_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 0, 0))
    assert load() == 1.5
    monkeypatch.delattr(os, "getloadavg")
    assert load() is None
