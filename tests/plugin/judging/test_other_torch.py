"""Traffic and operators under another minor version of torch than that of the baseline."""

import re

import pytest
import torch

from tests.plugin.project import Project, failure_of, sentence, text_of

FILE = "test_sized/test_sized.yaml"
TRAFFIC = "--flop-budget-metrics=traffic"
NOW = ".".join(torch.__version__.split(".")[:2])
LINE = f"torch: '{NOW}'   # the minor version that counted traffic and operators\n"


@pytest.fixture
def stored(project: Project) -> Project:
    """A baseline of 4 x (1 + 1000 + 1000) bytes, counted by another torch."""
    project.sized(1000)
    project.update(TRAFFIC)
    project.edit(FILE, f"torch: '{NOW}'", "torch: '1.0'")
    return project


def test_the_version_stands_in_the_head_of_what_depends_on_it(project: Project) -> None:
    project.sized(1000)
    project.update(TRAFFIC)
    assert LINE in project.budgets()[FILE]
    before = project.budgets()
    project.update("--flop-budget-metrics=params")
    assert LINE in project.budgets()[FILE]
    project.update(TRAFFIC)
    assert project.budgets() == {FILE: project.budgets()[FILE]}
    assert before[FILE].partition("total:")[0] == project.budgets()[FILE].partition("total:")[0]


def test_params_and_flops_do_not_depend_on_it(project: Project) -> None:
    project.sized(1000)
    project.update()
    assert not re.search(r"^torch:", project.budgets()[FILE], re.MULTILINE)


# 4 x (1 + 2 n) bytes: at most 5 % above 4 x 2001 are 4 x 2101
@pytest.mark.parametrize(("size", "outcome"), [(1050, "passed"), (1051, "failed")])
def test_it_is_judged_at_5_percent_at_least(stored: Project, size: int, outcome: str) -> None:
    stored.sized(size)
    stored.judge(TRAFFIC).assert_outcomes(**{outcome: 1})


@pytest.mark.parametrize(("size", "outcome"), [(1100, "passed"), (1101, "failed")])
def test_a_larger_tolerance_stays(stored: Project, size: int, outcome: str) -> None:
    stored.sized(size)
    option = "--flop-budget-tolerance=traffic=10%"
    stored.judge(TRAFFIC, option).assert_outcomes(**{outcome: 1})


def test_a_failure_says_it_first(stored: Project) -> None:
    stored.sized(1200)
    said = sentence(failure_of(stored.judge(TRAFFIC), "test_sized"))
    assert said.startswith(f"measured by torch 1.0, now {NOW}; `Linear` exceeds its budget:")


def test_a_failure_of_what_does_not_depend_on_it_says_nothing(stored: Project) -> None:
    stored.update("--flop-budget-metrics=params")
    stored.sized(1001)
    assert "measured by torch" not in text_of(stored.judge("--flop-budget-metrics=params"))


def test_an_update_takes_the_new_version(stored: Project) -> None:
    stored.update(TRAFFIC)
    assert LINE in stored.budgets()[FILE]
