"""A model whose state changed is judged all the same, and the change is said first."""

import pytest

from tests.plugin.project import Project, failure_of, line_with, sentence, text_of

FILE = "test_a/test_a.yaml"
TEST = """
def test_a(flop_budget):
    flop_budget(nn.Linear(1, {size}, bias=False){to}, torch.zeros(1, 1){to})
"""
DOUBLE = "state: float32 -> float64"


@pytest.fixture
def stored(project: Project) -> Project:
    project.write("test_a.py", TEST.format(size=3, to=""))
    project.update()
    return project


def test_it_stands_in_the_head_of_the_file(stored: Project) -> None:
    head = stored.budgets()[FILE].partition("total:")[0]
    assert head.endswith("engine: dispatch\nstate: [float32]\n")


def test_a_green_run_names_it(stored: Project) -> None:
    stored.write("test_a.py", TEST.format(size=3, to=".double()"))
    result = stored.judge()
    result.assert_outcomes(passed=1)
    assert f"{DOUBLE} in test_a" in result.outlines


def test_a_failure_begins_with_it(stored: Project) -> None:
    stored.write("test_a.py", TEST.format(size=4, to=".double()"))
    said = sentence(failure_of(stored.judge(), "test_a"))
    assert said.startswith(f"{DOUBLE}; `Linear` exceeds its budget: params +33.3 %")


def test_it_fails_if_asked_for(stored: Project) -> None:
    stored.write("test_a.py", TEST.format(size=3, to=".double()"))
    result = stored.judge("--flop-budget-fail-on=state")
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_a")
    assert sentence(said) == f"{DOUBLE}; `Linear` exceeds no budget"
    assert f"  baseline: budgets/{FILE}:9" in said
    assert said[-1] == "        pytest --update-budgets test_a.py::test_a"
    stored.update()
    stored.judge("--flop-budget-fail-on=state").assert_outcomes(passed=1)


def test_an_update_says_it(stored: Project) -> None:
    stored.write("test_a.py", TEST.format(size=3, to=".double()"))
    assert line_with(stored.update(), "  changed") == f"  changed budgets/{FILE}: {DOUBLE}"
    stored.write("test_a.py", TEST.format(size=4, to=""))
    raised = line_with(stored.update(), "  raised")
    assert raised.startswith(f"  raised budgets/{FILE}: state: float64 -> float32; params")


def test_a_file_without_it_takes_it_at_the_next_update(stored: Project) -> None:
    stored.edit(FILE, "state: [float32]\n", "")
    assert "state:" not in text_of(stored.judge("--flop-budget-fail-on=state"))
    assert "state:" not in text_of(stored.update())
    assert "state: [float32]\n" in stored.budgets()[FILE]


def test_json_has_it(stored: Project) -> None:
    [budget] = stored.report()["budgets"]
    assert (budget["state"], budget["state_change"]) == (["float32"], None)
    stored.write("test_a.py", TEST.format(size=3, to=".double()"))
    [budget] = stored.report()["budgets"]
    assert (budget["state"], budget["state_change"]) == (["float64"], "float32 -> float64")
    assert not budget["failed"]


def test_a_latency_is_compared_with_that_of_the_other_state(stored: Project) -> None:
    option = "--flop-budget-metrics=latency"
    stored.update(option)
    stored.write("test_a.py", TEST.format(size=3, to=".double()"))
    stored.machine.mark_ms = 2.0
    result = stored.judge(option)
    result.assert_outcomes(failed=1)
    said = sentence(failure_of(result, "test_a"))
    assert said.startswith(f"{DOUBLE}; `Linear` exceeds its budget: latency +100.0 %")


def test_a_pull_request_sees_it(stored: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.write("test_a.py", TEST.format(size=3, to=".double()"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(stored.root))
    result = stored.judge("--flop-budget-github=on", "--flop-budget-markdown=r.md")
    place = "file=test_a.py,line=5,title=flop budget within%3A test_a"
    assert line_with(result, "::warning") == f"::warning {place}::{DOUBLE}"
    assert f"{DOUBLE} in test_a" in (stored.root / "r.md").read_text(encoding="utf-8")
