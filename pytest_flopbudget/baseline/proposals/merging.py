"""Merges what several machines propose for one baseline, if nobody changed it in between."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.proposals.manifest import Origin, costs_hash, hash_of
from pytest_flopbudget.baseline.record import Baseline
from pytest_flopbudget.baseline.update import differences
from pytest_flopbudget.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_flopbudget.baseline.record import EnvironmentEntry

OLDER = "made for an older baseline: run the job again"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A baseline that one machine proposes, and what it began from."""

    file: str  # as it is shown
    baseline: Baseline
    origin: Origin

    @property
    def measured(self) -> dict[str, EnvironmentEntry]:
        """The entries of the environments that the machine measured in."""
        entries = self.baseline.environments
        return {key: entries[key] for key in self.origin.environments if key in entries}


def merged(current: Baseline | None, proposals: Sequence[Proposal]) -> Baseline:
    """Return a baseline with the costs that all propose, and the entries that each measured.

    Entries of other environments stay. Of two for one environment the last one counts.

    Raises:
        BaselineError: the proposals disagree, or one began from another baseline.
    """
    first = proposals[0]
    for other in proposals[1:]:
        if what := _disagreement(first.baseline, other.baseline):
            raise BaselineError(
                f"{first.file} and {other.file}: two machines propose another {what}",
                "the same code gives the same everywhere: run both jobs on one commit",
            )
    for proposal in proposals:
        if not _is_for(current, proposal):
            raise BaselineError(f"{proposal.file}: {OLDER}")
    new = first.baseline
    started_anew = current is None or differences(current, new)
    stored = {} if current is None or started_anew else current.environments
    entries = dict(stored)
    for proposal in proposals:
        entries |= proposal.measured
    if entries.keys() != stored.keys():  # by name, as an update adds one
        entries = dict(sorted(entries.items()))
    return replace(new, environments=entries)


def _disagreement(one: Baseline, other: Baseline) -> str:
    """Return in what two baselines differ that must be the same on every machine, if they do."""
    if one.total != other.total:
        return "`total`"
    if one.own != other.own or list(one.own) != list(other.own):
        return "`own`"
    return "" if costs_hash(one) == costs_hash(other) else "head"


def _is_for(current: Baseline | None, proposal: Proposal) -> bool:
    """Return whether a baseline is what a proposal began from, or what it would make of it.

    Entries of environments that the machine did not measure in may have changed.
    """
    origin = proposal.origin
    if current is None:
        return origin.costs is None
    if costs_hash(current) not in (origin.costs, costs_hash(proposal.baseline)):
        return False
    for key, measured in proposal.measured.items():
        entry = current.environments.get(key)
        if entry not in (None, measured) and hash_of(entry) != origin.environments[key]:
            return False
    return True
