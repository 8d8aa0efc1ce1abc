"""The manifest of a folder of proposals, `proposal.json`: what each of its baselines began from.

It has hashes, so that whoever accepts a proposal later, or beside that of another machine, notices
that the baseline is another one by then.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pytest_flopbudget import serialization
from pytest_flopbudget.baseline import store
from pytest_flopbudget.baseline.reader import text_in
from pytest_flopbudget.errors import BaselineError
from pytest_flopbudget.real_files import is_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.baseline.update import BaselineChange

NAME = "proposal.json"
FORMAT = 1
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What one proposal is, and what it began from: hashes, `None` of what was not there."""

    proposed: str  # the proposal itself
    costs: str | None  # head, total and own
    environments: dict[str, str | None]  # the entries that the machine measured, by environment


def origin_of(old: Baseline | None, new: Baseline) -> Origin:
    """Return the origin of a proposal that replaces a baseline, if there was one."""
    before = {} if old is None else old.environments
    return Origin(
        proposed=hash_of(new),
        costs=None if old is None else costs_hash(old),
        environments={
            key: hash_of(before[key]) if key in before else None
            for key, entry in new.environments.items()
            if before.get(key) != entry
        },
    )


def costs_hash(baseline: Baseline) -> str:
    """Return the hash of all that is the same in every environment: head, total and own."""
    return hash_of(replace(baseline, environments={}))


def hash_of(record: object) -> str:
    """Return the hash of a record, of which a field that is empty is no part."""
    fields = {key: value for key, value in serialization.encode(record).items() if value}
    return sha256(serialization.dumps(fields).encode()).hexdigest()


def read_manifest(folder: Path, shown: str) -> dict[str, Origin]:
    """Read the origins of the proposals in a folder, by their paths in it.

    Raises:
        BaselineError: there is no manifest, or it is not valid.
    """
    if is_link(folder / NAME):
        raise BaselineError(f"{shown}/{NAME}: expected a file, found a symbolic link")
    text = text_in(folder / NAME, f"{shown}/{NAME}")
    if text is None:
        expected = f"expected a folder that `--flop-budget-propose` wrote, found no `{NAME}`"
        raise BaselineError(f"{shown}: {expected}")
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise BaselineError(f"{shown}/{NAME}: expected format {FORMAT}, as this version writes")
        return {file: _origin(value) for file, value in content["baselines"].items()}
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        raise BaselineError(f"{shown}/{NAME}: expected what a run writes there") from None


def note_proposals(folder: Path, changes: Iterable[BaselineChange]) -> None:
    """Write the manifest of a folder, where other proposals of earlier runs may lie as well."""
    try:
        origins = read_manifest(folder, str(folder))
    except BaselineError:  # none yet; what nobody can read is of no use to anybody
        origins = {}
    origins |= {change.path: origin_of(change.old, change.new) for change in changes}
    there = {file: origin for file, origin in origins.items() if (folder / file).is_file()}
    store.write(folder / NAME, _text(dict(sorted(there.items()))))


def _text(origins: Mapping[str, Origin]) -> str:
    content = {"format": FORMAT, "baselines": serialization.encode(origins)}
    return json.dumps(content, indent=1) + "\n"


def _origin(value: Mapping[str, Any]) -> Origin:
    """Check and return one origin.

    Raises:
        ValueError: it is not of this form.
    """
    origin = Origin(**value)
    costs, entries = origin.costs, origin.environments.values()
    if not all(one is None or HASH.fullmatch(one) for one in (origin.proposed, costs, *entries)):
        raise ValueError("expected hashes")
    return origin
