"""The folder of the locks: one that no other user of the machine can have planted."""

from __future__ import annotations

import os
from contextlib import suppress
from stat import S_ISDIR
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OWNER_ALONE = 0o700


def lock_folder(parent: Path) -> Path:
    """Return this user's own folder in one that all users may share; it is made if it is not there.

    Raises:
        OSError: what stands in its place is a link, or belongs to somebody else.
    """
    own_id = os.getuid() if hasattr(os, "getuid") else None  # elsewhere each user has a `parent`
    folder = parent / f"pytest-flopbudget-{'' if own_id is None else own_id}".rstrip("-")
    with suppress(FileExistsError):
        folder.mkdir(mode=OWNER_ALONE)
    status = folder.lstat()
    if own_id is not None and (not S_ISDIR(status.st_mode) or status.st_uid != own_id):
        raise PermissionError(f"{folder} is no folder of this user")
    if own_id is not None and status.st_mode & ~OWNER_ALONE & 0o777:
        folder.chmod(OWNER_ALONE)
    return folder
