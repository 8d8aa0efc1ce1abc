"""The location of a baseline file: a function of the test, and always inside the budget folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_flopbudget.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LENGTH = 80  # of a piece of a name
MAX_NAME = 200  # of all its pieces; file systems take 255 bytes
UNSAFE = re.compile(r"[^A-Za-z0-9_.,=+@-]")
BASELINE = re.compile(r"([A-Za-z0-9_.,=+@\[\]-]+/)*[A-Za-z0-9_.,=+@\[\]-]+\.yaml")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows


@dataclass(frozen=True)
class TestId:
    """The parts of a node id: `tests/test_a.py`, (`TestX`, `test_y`), `small-8`."""

    __test__ = False  # to pytest: this is no test class

    file: str
    names: tuple[str, ...]
    parameters: str | None

    @classmethod
    def parse(cls, node_id: str) -> TestId:
        """Split a node id; a parameter id may contain anything, also `::` and brackets."""
        file, _, rest = node_id.partition("::")
        names, bracket, parameters = rest.partition("[")
        return cls(file, tuple(names.split("::")), parameters[:-1] if bracket else None)


def baseline_path(node_id: str, name: str | None = None, named: str | None = None) -> PurePosixPath:
    """Return the path of the baseline of a test, relative to the budget folder.

    Args:
        node_id: of the test, without an xdist `@group` suffix.
        name: the marker's `name`, which stands for file, class and test.
        named: the name given by `flop_budget.named`.
    """
    test = TestId.parse(node_id)
    folder: Iterable[str]
    if name is None:
        file = PurePosixPath(test.file)
        file = file if file.suffix == ".toml" or not file.name else file.with_suffix("")
        folder = [_safe(piece) for piece in file.parts]
        stem = ".".join(_safe(piece) for piece in test.names)
    else:
        folder, stem = [], _safe(name)
    if test.parameters is not None:
        stem += f"[{_safe(test.parameters)}]"
    if named is not None:
        stem += f".{_safe(named)}"
    return PurePosixPath(*folder, f"{_bounded(stem)}.yaml")


def is_baseline_path(path: str) -> bool:
    """Return whether a path is one that `baseline_path` may return."""
    return BASELINE.fullmatch(path) is not None and not {".", ".."} & set(path.split("/"))


def writable_file(directory: Path, path: PurePosixPath | str) -> Path:
    """Return the file to write a baseline into, after symbolic links, which stay in the folder.

    Reading follows them anywhere: there are trees that consist of nothing else.

    Raises:
        BaselineError: they lead out.
    """
    file = Path(os.path.realpath(directory / path))  # `resolve` raises where links go in circles
    if not file.is_relative_to(os.path.realpath(directory)):
        found = "a symbolic link out of it"
        raise BaselineError(
            f"{directory / path}: expected a file in `{directory}`, found {found}",
            "to write it elsewhere and accept it there: --flop-budget-propose DIR",
        )
    return file


def title_of(node_id: str, name: str | None) -> str:
    """Return the title of a budget: the test, and the name given by `flop_budget.named`."""
    return node_id if name is None else f"{node_id} ({name})"


def _safe(text: str) -> str:
    """Replace what not every file system takes; a hash keeps what was different different."""
    clean = UNSAFE.sub("_", text).rstrip(".") or "_"
    if clean == text and len(text) <= MAX_LENGTH and not RESERVED.fullmatch(text):
        return text
    return f"{clean[:MAX_LENGTH].rstrip('.')}-{_digest(text)}"


def _bounded(stem: str) -> str:
    """Keep a name of several safe pieces within what file systems take."""
    return stem if len(stem) <= MAX_NAME else f"{stem[:MAX_NAME].rstrip('.')}-{_digest(stem)}"


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
