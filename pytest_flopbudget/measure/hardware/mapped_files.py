"""Memory that is a file's: what lies there was stored, and not computed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pytest_flopbudget.real_files import read_text

MAPS = Path("/proc/self/maps")  # of Linux: a line `start-end permissions offset device inode path`


def is_mapped_from_file(address: int, maps: Path = MAPS) -> bool:
    """Return whether an address lies in a file that this process maps and does not write into.

    Of a private mapping the file is not written. `False` where the system does not tell.
    """
    with suppress(OSError):
        for line in read_text(maps).splitlines():
            span, permissions, _, _, inode, *_ = line.split(maxsplit=5)
            start, end = (int(bound, 16) for bound in span.split("-"))
            if start <= address < end:
                return inode != "0" and not ("w" in permissions and "s" in permissions)
    return False
