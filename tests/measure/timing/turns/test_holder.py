"""The holder of the lock: its name in a file, and what Linux tells of its process."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_flopbudget.measure.timing.turns.holder import MOST_BYTES, Holder

HERE = Holder.here()


def test_this_process_and_its_test() -> None:
    here = Holder.here()
    assert here.pid == os.getpid()
    assert here.test.endswith("test_holder.py::test_this_process_and_its_test")
    assert here.text == f"process {os.getpid()} (`{here.test}`)"


def test_outside_of_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert Holder.here().text == f"process {os.getpid()}"


def test_nothing_in_a_name_moves_a_cursor() -> None:
    assert "\x1b" not in replace(HERE, test="test_a[\x1b[31m]").text


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "holder"
    HERE.write(file)
    assert Holder.read(file) == HERE
    other = replace(HERE, pid=5)
    other.write(file)
    assert Holder.read(file) == other
    HERE.remove(file)
    assert Holder.read(file) == other
    other.remove(file)
    assert not file.exists()


NONSENSE = ["", "[", "[]", "{}", '{"pid": "x", "place": "", "test": ""}', "\udcff", "7", "null"]


@pytest.mark.parametrize("text", [*NONSENSE, " " * (MOST_BYTES + 1)], ids=repr)
def test_a_file_that_names_nobody(tmp_path: Path, text: str) -> None:
    file = tmp_path / "holder"
    file.write_text(text, encoding="utf-8", errors="surrogateescape")
    assert Holder.read(file) is None


def test_where_no_file_can_be_written_nobody_is_named(tmp_path: Path) -> None:
    file = tmp_path / "missing" / "holder"
    HERE.write(file)
    HERE.remove(file)
    assert Holder.read(file) is None


def test_no_link_is_followed(tmp_path: Path) -> None:
    file, target = tmp_path / "holder", tmp_path / "target"
    file.symlink_to(target)
    HERE.write(file)
    assert not target.exists()
    assert not file.is_symlink()


@pytest.fixture
def processes(tmp_path: Path) -> Path:
    """What Linux tells of processes: one in each state, by a number of its own."""
    (tmp_path / "self").mkdir()
    for pid, state in enumerate("RSDTtZ", start=1):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (py) T (thon) {state} 1 2 3")
    (tmp_path / "8").mkdir()
    (tmp_path / "8" / "stat").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("pid", "idle"),
    [(1, False), (2, False), (3, False), (4, True), (5, False), (6, False), (7, True), (8, False)],
)
def test_which_process_does_not_run(processes: Path, pid: int, *, idle: bool) -> None:
    """One that is stopped, and one that is not there; a debugger may stop one for a moment."""
    assert replace(HERE, pid=pid).is_idle(processes) is idle


def test_of_another_machine_or_container_nothing_is_known(processes: Path) -> None:
    assert not replace(HERE, pid=7, place="elsewhere").is_idle(processes)


def test_where_the_system_does_not_tell_every_process_runs(tmp_path: Path) -> None:
    assert not replace(HERE, pid=7).is_idle(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
def test_this_process_runs() -> None:
    assert not HERE.is_idle()
