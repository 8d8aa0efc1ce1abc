"""The files of a folder as a commit has them, read from git's own storage: nothing is checked out.

Only commands that read are used, and a commit's name is resolved once, where git takes it for
nothing else.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from shutil import which
from typing import TYPE_CHECKING

from pytest_flopbudget.errors import BaseError
from pytest_flopbudget.escaping import named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 60  # that a command may take
MAX_BYTES = 64 * 2**20  # of a file
FILES = ("100644", "100755")  # the modes of regular files: no links, no submodules
OFFLINE = {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
FETCH = "in a workflow, give `actions/checkout` the input `fetch-depth: 2` (0 for more than that)"


@dataclass(frozen=True)
class CommittedFiles:
    """The files of a folder as one commit has them."""

    commit: str  # its full hash
    files: dict[str, bytes]  # by the path in the folder, with slashes


def read_commit(ref: str, folder: Path, suffix: str) -> CommittedFiles:
    """Read the files below a folder whose names end in `suffix`, as the commit `ref` has them.

    Raises:
        BaseError: there is no git, no repository or no such commit.
    """
    here = folder
    while not here.is_dir():
        here = here.parent
    git = _Git(here)
    git.run("rev-parse", "--git-dir")
    try:
        name = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except BaseError:
        raise BaseError(f"the commit `{named(ref)}` is not in this clone", FETCH) from None
    commit = name.decode().strip()
    inside = folder.relative_to(here).as_posix()
    prefix = "" if inside == "." else f"{inside}/"
    listing = git.run("ls-tree", "-r", "-z", "-l", commit, "--", *filter(None, [prefix]))
    blobs = dict(_blobs(listing, prefix, suffix))
    contents = git.run("cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in blobs.values()))
    return CommittedFiles(commit, dict(zip(blobs, _contents(contents), strict=True)))


class _Git:
    """Runs git in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = which("git")

    def run(self, *arguments: str, stdin: str = "") -> bytes:
        """Return what a command writes.

        Raises:
            BaseError: it fails; the message is git's own.
        """
        if self._program is None:
            raise BaseError("`git` is not installed")
        try:
            done = subprocess.run(  # noqa: S603 - a fixed program; a ref stands behind `--end-of-options`
                [self._program, "-C", str(self._folder), *arguments],
                input=stdin.encode(),
                capture_output=True,
                env={**os.environ, **OFFLINE},
                timeout=SECONDS,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise BaseError(f"`git {arguments[0]}` cannot be run: {named(str(error))}") from None
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip().partition("\n")[0]
            raise BaseError(f"`git {arguments[0]}` failed: {named(reason)}")
        return done.stdout


def _blobs(listing: bytes, prefix: str, suffix: str) -> Iterator[tuple[str, str]]:
    """Yield path and object id of each regular file of bounded size that ends in `suffix`."""
    for entry in filter(None, listing.split(b"\0")):
        head, _, raw = entry.partition(b"\t")
        mode, _, oid, size = head.decode().split()
        path = os.fsdecode(raw)
        if mode in FILES and path.endswith(suffix) and int(size) <= MAX_BYTES:
            yield path.removeprefix(prefix), oid


def _contents(batch: bytes) -> Iterator[bytes]:
    """Yield the contents that `cat-file --batch` writes: a line with the size, content, newline."""
    start = 0
    while start < len(batch):
        end = batch.index(b"\n", start)
        size = int(batch[start:end].split()[2])
        yield batch[end + 1 : end + 1 + size]
        start = end + size + 2
