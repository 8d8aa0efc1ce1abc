"""Several machines propose for one baseline: what is merged, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.baseline.proposals.manifest import origin_of
from pytest_flopbudget.baseline.proposals.merging import OLDER, Proposal, merged
from pytest_flopbudget.errors import BaselineError
from tests.strategies import NET, as_read, baseline, entry

if TYPE_CHECKING:
    from pytest_flopbudget.baseline.record import Baseline, EnvironmentEntry

GROWN = {**NET, "head": ("Linear", 900, 90_000_000)}
SMALL = {**NET, "head": ("Linear", 600, 60_000_000)}
BEFORE = baseline(environments={"a": entry(10), "b": entry(20), "c": entry(30)})


def proposed(old: Baseline | None, new: Baseline, file: str = "out/net.yaml") -> Proposal:
    return Proposal(file=file, baseline=as_read(new), origin=origin_of(old, new))


def grown(environments: dict[str, EnvironmentEntry], **more: object) -> Baseline:
    return baseline(GROWN, environments=environments, **more)


def on(key: str, ms: float, old: Baseline | None = BEFORE) -> Proposal:
    """Return what the machine `key` proposes for the grown model, which takes `ms` there."""
    entries = {} if old is None else old.environments
    new = grown(dict(sorted({**entries, key: entry(ms, flops=120_000_000)}.items())))
    return proposed(old, new, f"{key}/net.yaml")


def times(record: Baseline) -> dict[str, float]:
    return {key: one.figures["latency_ms"] for key, one in record.environments.items()}


def test_one_proposal_is_taken_as_it_is() -> None:
    new = on("a", 11)
    assert merged(BEFORE, [new]) == new.baseline


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_each_machine_brings_its_entry(order: tuple[str, str]) -> None:
    both = merged(BEFORE, [on(key, {"a": 11, "b": 22}[key]) for key in order])
    assert both.total == grown({}).total
    assert times(both) == {"a": 11, "b": 22, "c": 30}
    assert list(both.environments) == ["a", "b", "c"]


def test_two_machines_create_a_baseline() -> None:
    both = merged(None, [on("b", 22, None), on("a", 11, None)])
    assert list(both.environments) == ["a", "b"]


def test_of_two_machines_of_one_kind_the_last_one_counts() -> None:
    assert times(merged(BEFORE, [on("a", 11), on("a", 12)]))["a"] == 12


def test_one_may_be_accepted_after_the_other() -> None:
    first, second = on("a", 11), on("b", 22)
    both = merged(merged(BEFORE, [first]), [second])
    assert both == merged(BEFORE, [first, second])
    assert merged(both, [first]) == merged(both, [second]) == both
    created = merged(merged(None, [on("a", 11, None)]), [on("b", 22, None)])
    assert times(created) == {"a": 11, "b": 22}


def test_what_other_machines_changed_meanwhile_stays() -> None:
    entries = {**BEFORE.environments, "b": entry(25), "d": entry(40)}
    now = replace(BEFORE, environments=entries)
    assert times(merged(now, [on("a", 11)])) == {"a": 11, "b": 25, "c": 30, "d": 40}


def test_an_entry_that_is_gone_is_added_again() -> None:
    now = replace(BEFORE, environments={"b": entry(20)})
    assert times(merged(now, [on("a", 11)])) == {"a": 11, "b": 20}


def test_entries_of_other_inputs_are_dropped_as_the_machine_did() -> None:
    new = grown({"a": entry(11)}, inputs=("float32[2, 3, 8, 8]",))
    other = grown({"b": entry(22)}, inputs=("float32[2, 3, 8, 8]",))
    both = [proposed(BEFORE, new), proposed(BEFORE, other)]
    assert times(merged(BEFORE, both)) == {"a": 11, "b": 22}
    assert times(merged(merged(BEFORE, both[:1]), both[1:])) == {"a": 11, "b": 22}


@pytest.mark.parametrize(
    "now",
    [
        None,
        baseline(SMALL, environments=BEFORE.environments),
        replace(BEFORE, inputs=("float32[1]",)),
        replace(BEFORE, environments={**BEFORE.environments, "a": entry(12)}),
        replace(BEFORE, ignored=("shop::warp",)),
    ],
    ids=["gone", "other costs", "other inputs", "this machine's entry", "ignored"],
)
def test_a_baseline_that_is_another_now_is_not_replaced(now: Baseline | None) -> None:
    with pytest.raises(BaselineError, match=f"^a/net.yaml: {OLDER}$"):
        merged(now, [on("a", 11)])


def test_a_baseline_that_another_made_is_not_replaced() -> None:
    with pytest.raises(BaselineError, match=OLDER):
        merged(BEFORE, [on("a", 11, None)])


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (baseline(SMALL), "`total`"),
        (baseline({**GROWN, "stem": ("Conv1d", *GROWN["stem"][1:])}), "`own`"),
        (baseline(dict(reversed(GROWN.items()))), "`own`"),
        (grown({}, data_dependent=True), "head"),
        (grown({}, test="b.py::test_b"), "head"),
    ],
)
def test_machines_that_disagree_are_both_named(other: Baseline, what: str) -> None:
    with pytest.raises(BaselineError) as raised:
        merged(BEFORE, [on("a", 11), proposed(BEFORE, other, "b/net.yaml")])
    assert raised.value.sentence == (
        f"a/net.yaml and b/net.yaml: two machines propose another {what}"
    )
