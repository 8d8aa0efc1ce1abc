"""The history of baselines: what each commit that changed a file made of its totals.

Git's own storage is read and nothing else: no checkout, hook, pager, external diff or text
conversion. Merges count by their first parent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_flopbudget.base_commit.git import MAX_BYTES, MAX_SUM, Git, contents_of
from pytest_flopbudget.baseline.reader import parse_totals
from pytest_flopbudget.errors import BaseError, BaselineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path


Totals = tuple[str, dict[str, int]]  # of a baseline: its test, and what it has in all
FORMAT = "%x01%H%x1f%cs%x1f%s"
LOG = (
    *("log", "--follow", "--topo-order", "--first-parent", "--diff-merges=first-parent"),
    *("--no-ext-diff", "--no-textconv", "--no-color", "--no-show-signature", "--raw"),
    *("--no-abbrev", "-z", f"--format={FORMAT}"),
)


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A file as one commit left it: its totals, or why they cannot be read."""

    commit: str  # the full hash
    date: str  # year-month-day
    subject: str
    test: str
    total: dict[str, int] | None  # by the field of a profile
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class FileHistory:
    """The revisions of one baseline file, the oldest first."""

    file: str  # as it is shown
    revisions: tuple[Revision, ...]


@dataclass(frozen=True)
class _Change:
    """One line of the log: a commit, and the blob that it left at the path of the file."""

    commit: str
    date: str
    subject: str
    oid: str
    path: str


def read_histories(
    files: Sequence[Path], folder: Path, max_commits: int
) -> tuple[list[FileHistory], bool]:
    """Return the history of each file, and whether the clone is shallow.

    Raises:
        BaseError: there is no git, or no repository.
    """
    git = Git(folder)
    is_shallow = git.run("rev-parse", "--is-shallow-repository").strip() == b"true"
    try:
        git.run("rev-parse", "--verify", "--quiet", "HEAD")
    except BaseError:
        raise BaseError("the repository has no commit yet") from None
    logs = {file: list(_log(git, file, folder, max_commits)) for file in files}
    contents = _read_blobs(git, {change.oid for log in logs.values() for change in log})
    parsed: dict[str, Totals | str] = {}
    histories = []
    for file, log in logs.items():
        revisions = [_revision(change, contents, parsed) for change in reversed(log)]
        shown = file.relative_to(folder).as_posix()
        histories.append(FileHistory(file=shown, revisions=tuple(revisions)))
    return histories, is_shallow


def _log(git: Git, file: Path, folder: Path, max_commits: int) -> Iterator[_Change]:
    """Yield the commits that changed a file, the newest first, also under its former names."""
    path = f":(literal){file.relative_to(folder).as_posix()}"
    text = git.run(*LOG, f"--max-count={max_commits}", "--", path)
    for entry in text.decode(errors="replace").split("\x01")[1:]:
        head, _, raw = entry.partition("\0")
        commit, date, subject = head.split("\x1f", 2)
        fields = raw.strip("\n\0").split("\0")
        if len(fields) > 1 and fields[0].startswith(":"):
            oid = fields[0].split()[3]
            if oid.strip("0"):
                yield _Change(commit, date, subject.rstrip("\n"), oid, fields[-1])


def _read_blobs(git: Git, oids: Iterable[str]) -> dict[str, bytes | str]:
    """Return the content of each blob, or why it is not read."""
    ordered = sorted(oids)
    asked = "".join(f"{oid}\n" for oid in ordered)
    checked = git.run("cat-file", "--batch-check", stdin=asked).decode().splitlines()
    found: dict[str, bytes | str] = {}
    readable, added = [], 0
    for oid, line in zip(ordered, checked, strict=True):
        size = int(line.split()[2]) if " blob " in line else None
        if size is None:
            found[oid] = "its content is not in this clone"
        elif size > MAX_BYTES or added + size > MAX_SUM:
            found[oid] = f"expected at most {MAX_BYTES} bytes, found {size}"
        else:
            added += size
            readable.append(oid)
    batch = git.run("cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in readable))
    return found | dict(zip(readable, contents_of(batch), strict=True))


def _revision(
    change: _Change, contents: dict[str, bytes | str], parsed: dict[str, Totals | str]
) -> Revision:
    if change.oid not in parsed:
        content = contents[change.oid]
        place = f"{change.commit[:10]}:{change.path}"
        try:
            parsed[change.oid] = (
                content if isinstance(content, str) else parse_totals(content, place)
            )
        except BaselineError as error:
            parsed[change.oid] = error.sentence
    found = parsed[change.oid]
    return Revision(
        commit=change.commit,
        date=change.date,
        subject=change.subject,
        test="" if isinstance(found, str) else found[0],
        total=None if isinstance(found, str) else found[1],
        error=found if isinstance(found, str) else "",
    )
