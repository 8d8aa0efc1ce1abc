"""The share of the machine's cores that the control groups of this process leave it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_flopbudget.real_files import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUPS = Path("/proc/self/cgroup")  # of this process, a line for each hierarchy
ROOT = Path("/sys/fs/cgroup")


def quota() -> Fraction | None:
    """Return how many cores the time of this process amounts to at most; `None` is no limit.

    A group is limited by all groups around it: the smallest quota counts.
    """
    return min((found for group in _groups() if (found := _quota(group)) is not None), default=None)


def _groups() -> Iterator[Path]:
    """Yield the folders of the groups that this process is in, and of those around them.

    In a container the names may be those of the host, of which nothing is mounted here but the
    innermost group, as the root.
    """
    try:
        lines = read_text(GROUPS).splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        names = [name for name in PurePosixPath(path).parts if name not in ("/", "..")]
        for mount in {ROOT / controllers, ROOT / "cpu"} if controllers else {ROOT}:
            for depth in range(len(names), -1, -1):
                yield mount.joinpath(*names[:depth])


def _quota(group: Path) -> Fraction | None:
    """Read the quota of one group: version 2 has one file, version 1 two."""
    for names in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):
        try:
            words = " ".join(read_text(group / name) for name in names).split()
            time, period = map(int, words)
        except (OSError, ValueError):  # there is none, or it is `max`
            continue
        if time > 0 and period > 0:  # in version 1, -1 is no limit
            return Fraction(time, period)
    return None
