"""Texts into the budget folder: a file is the old one or the new one, and one run writes at a time.

`tests/durability` kills runs at any moment; here is what can be said of single steps.
"""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from pytest_flopbudget.baseline.reader import read
from pytest_flopbudget.baseline.store import PREFIX, SUFFIX, locked, write
from pytest_flopbudget.baseline.writer import text_of
from tests.strategies import with_entry

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions and locks")


def test_a_written_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "tests" / "test_a" / "test_b[層].yaml"
    write(file, text_of(with_entry()))
    assert read(file, "b.yaml") == with_entry()
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_lines_end_alike_on_every_system(tmp_path: Path) -> None:
    write(tmp_path / "b.yaml", "a: 1\nb: é\n")
    assert (tmp_path / "b.yaml").read_bytes() == b"a: 1\nb: \xc3\xa9\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
def test_a_step_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    file = tmp_path / "b.yaml"
    write(file, "old\n")

    def fail(*_: object) -> NoReturn:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os if step == "fsync" else Path, step, fail)
        with pytest.raises(type(error)):
            write(file, "new\n")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"b.yaml": "old\n"}
    write(file, "new\n")
    assert file.read_text() == "new\n"


def test_the_text_is_on_the_disk_before_its_name_and_its_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    sync, replace = os.fsync, Path.replace

    def note_sync(handle: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def note_replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    write(tmp_path / "b.yaml", "new\n")
    assert steps == ["file", "rename", "folder"]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_an_update_keeps_the_permissions(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "b.yaml"
    file.touch()
    file.chmod(mode)
    write(file, "new\n")
    assert stat.S_IMODE(file.stat().st_mode) == mode


@posix
def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    write(tmp_path / "b.yaml", "new\n")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("other", "b.yaml")]
    assert modes[0] == modes[1]


def test_what_a_killed_run_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    left = tmp_path / "tests" / f"{PREFIX}abc{SUFFIX}"
    others = [tmp_path / "tests" / name for name in ("a.yaml", ".mine.tmp", f"{PREFIX}notes")]
    left.parent.mkdir()
    for file in (left, *others):
        file.write_text("format: 1\n")
    with locked(tmp_path):
        assert sorted(left.parent.iterdir()) == sorted(others)


def test_the_folder_is_made(tmp_path: Path) -> None:
    with locked(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_cannot_be_made_is_no_error_yet(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with locked(tmp_path / "a"), locked(tmp_path / "a" / "b"):
        pass


HOLD = """
import sys
from pathlib import Path
from pytest_flopbudget.baseline.store import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""
TRY = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDONLY)
try:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("waits")
else:
    print("goes on")
"""


@posix
def test_another_run_waits_until_this_one_has_written_or_died(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)

    def other() -> str:
        command = [sys.executable, "-c", TRY, str(link)]
        return subprocess.check_output(command, text=True).strip()

    with locked(tmp_path):
        assert other() == "waits"
    assert other() == "goes on"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        assert other() == "waits"
        holder.kill()
        holder.wait()
        assert other() == "goes on"
