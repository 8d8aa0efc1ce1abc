"""The folder of the locks in one that others may write into: nobody else can have planted it."""

from __future__ import annotations

import os
from stat import S_IMODE
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.measure.timing.exclusive import exclusive_timing
from pytest_flopbudget.measure.timing.turns.lock_folder import lock_folder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs users with numbers")


def test_it_belongs_to_this_user_alone(tmp_path: Path) -> None:
    folder = lock_folder(tmp_path)
    assert folder == tmp_path / f"pytest-flopbudget-{os.getuid()}"
    assert S_IMODE(folder.stat().st_mode) == 0o700
    assert lock_folder(tmp_path) == folder


def test_one_that_others_may_enter_is_closed(tmp_path: Path) -> None:
    lock_folder(tmp_path).chmod(0o777)
    assert S_IMODE(lock_folder(tmp_path).stat().st_mode) == 0o700


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / f"pytest-flopbudget-{os.getuid()}").symlink_to(target)
    with pytest.raises(PermissionError, match="is no folder of this user"):
        lock_folder(tmp_path)
    with exclusive_timing(folder=tmp_path) as is_exclusive:
        assert is_exclusive
    assert list(target.iterdir()) == []


def test_a_file_in_its_place_is_none(tmp_path: Path) -> None:
    (tmp_path / f"pytest-flopbudget-{os.getuid()}").touch()
    with pytest.raises(PermissionError, match="is no folder of this user"):
        lock_folder(tmp_path)


def test_the_folder_of_another_user_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = os.getuid() + 1
    (tmp_path / f"pytest-flopbudget-{number}").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: number)
    with pytest.raises(PermissionError, match="is no folder of this user"):
        lock_folder(tmp_path)


def test_without_numbers_of_users_the_folder_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "getuid")
    assert lock_folder(tmp_path) == tmp_path / "pytest-flopbudget"
