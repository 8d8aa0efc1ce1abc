"""The files of a folder as a branch found them, from git's own storage: nothing is checked out.

A branch began at the merge base of its last commit and another one: what the other one did since is
none of its changes. Only commands that read are used, and a commit's name is resolved once, where
git takes it for nothing else.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from shutil import which
from typing import TYPE_CHECKING, NamedTuple

from pytest_flopbudget.errors import BaseError
from pytest_flopbudget.escaping import named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 60  # that a command may take
MAX_BYTES = 8 * 2**20  # of a file, as of one that is read from the folder
MAX_SUM = 256 * 2**20  # bytes of all of them
FILES = ("100644", "100755")  # the modes of regular files
LINK = "120000"
OF_A_HOOK = frozenset(  # what git tells its hooks of the repository that they run in
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"}
)
OFFLINE = {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
FETCH = "in a workflow, give `actions/checkout` the input `fetch-depth: 2` (0 for more than that)"


@dataclass(frozen=True)
class CommittedFiles:
    """The files of a folder as one commit has them."""

    commit: str  # its full hash
    files: dict[str, bytes]  # by the path in the folder, with slashes
    unread: dict[str, str]  # the same of other files, with the reason


def read_merge_base(ref: str, folder: Path, suffix: str) -> CommittedFiles:
    """Read the files below a folder whose names end in `suffix` at the merge base with `ref`.

    Raises:
        BaseError: there is no git, no repository, no such commit or no merge base with it.
    """
    here = folder
    while not here.is_dir():
        here = here.parent
    git = Git(here)
    git.run("rev-parse", "--git-dir")
    try:
        name = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except BaseError:
        raise BaseError(f"the commit `{named(ref)}` is not in this clone", FETCH) from None
    try:
        commit = git.run("merge-base", "HEAD", name.decode().strip()).decode().strip()
    except BaseError:
        sentence = f"`{named(ref)}` and `HEAD` have no common commit in this clone"
        raise BaseError(sentence, FETCH) from None
    inside = folder.relative_to(here).as_posix()
    prefix = "" if inside == "." else f"{inside}/"
    listing = git.run("ls-tree", "-r", "-z", "-l", commit, "--", *filter(None, [prefix]))
    found = list(_blobs(listing, prefix, suffix))
    unread = {blob.path: reason for blob in found if (reason := _reason_not_to_read(blob))}
    blobs = [blob for blob in found if blob.path not in unread]
    sizes = {blob.oid: blob.size for blob in blobs}
    if sum(blob.size for blob in blobs) > MAX_SUM:
        raise BaseError(f"the budgets of `{named(ref)}` have more than {MAX_SUM:,} bytes")
    batch = git.run("cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in sizes))
    content = dict(zip(sizes, contents_of(batch), strict=True))
    return CommittedFiles(commit, {blob.path: content[blob.oid] for blob in blobs}, unread)


class Git:
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
                env={k: v for k, v in os.environ.items() if k not in OF_A_HOOK} | OFFLINE,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise BaseError(f"`git {arguments[0]}` cannot be run: {named(str(error))}") from None
        if done.returncode:
            reason, *more = done.stderr.decode(errors="replace").strip().splitlines() or [""]
            remedy = next((line.strip() for line in more if "safe.directory" in line), "")
            raise BaseError(f"`git {arguments[0]}` failed: {named(reason)}", named(remedy))
        return done.stdout


class _Blob(NamedTuple):
    """A file or a symbolic link in a commit."""

    mode: str
    path: str  # in the folder
    oid: str
    size: int


def _blobs(listing: bytes, prefix: str, suffix: str) -> Iterator[_Blob]:
    """Yield each file and each link whose name ends in `suffix`."""
    for entry in filter(None, listing.split(b"\0")):
        head, _, raw = entry.partition(b"\t")
        mode, _, oid, size = head.decode().split()
        path = os.fsdecode(raw)
        if mode in (*FILES, LINK) and path.endswith(suffix):
            yield _Blob(mode, path.removeprefix(prefix), oid, int(size))


def _reason_not_to_read(blob: _Blob) -> str:
    if blob.mode == LINK:
        return "expected a file, found a symbolic link"
    if blob.size > MAX_BYTES:
        return f"expected at most {MAX_BYTES} bytes, found {blob.size}"
    return ""


def contents_of(batch: bytes) -> Iterator[bytes]:
    """Yield the contents that `cat-file --batch` writes: a line with the size, content, newline."""
    start = 0
    while start < len(batch):
        end = batch.index(b"\n", start)
        size = int(batch[start:end].split()[2])
        yield batch[end + 1 : end + 1 + size]
        start = end + size + 2
