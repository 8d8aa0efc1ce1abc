"""Whether a test with a budget runs, is skipped, or fails because it measured nothing."""

import pytest

from tests.plugin.project import Project, failure_of, line_with, sentence, text_of

RECORDS_SET_UP = """
from pathlib import Path

@pytest.fixture
def model():
    Path("set-up").touch()
    return nn.Linear(2, 2)

def test_budget(model, flop_budget):
    flop_budget(model, torch.zeros(1, 2))

def test_other():
    pass
"""
SKIPPED = {"passed": 1, "skipped": 1}


@pytest.fixture
def records(project: Project) -> Project:
    project.write("test_a.py", RECORDS_SET_UP)
    return project


def test_without_the_option_no_fixture_is_set_up(records: Project) -> None:
    records.run().assert_outcomes(**SKIPPED)
    assert not (records.root / "set-up").exists()


def test_the_skip_says_how_to_run_it(records: Project) -> None:
    reason = line_with(records.run("-rs"), "SKIPPED")
    assert "`pytest --flop-budget`" in reason
    assert "`--update-budgets`" in reason


def test_with_the_option_it_runs(records: Project) -> None:
    records.update().assert_outcomes(passed=2)
    records.judge().assert_outcomes(passed=2)


def test_no_flop_budget_beats_addopts(records: Project) -> None:
    records.write("pytest.ini", "[pytest]\naddopts = --flop-budget\n")
    records.run().assert_outcomes(passed=1, failed=1)  # no baseline
    records.run("--no-flop-budget").assert_outcomes(**SKIPPED)


def test_no_flop_budget_does_not_stop_an_update(records: Project) -> None:
    records.write("pytest.ini", "[pytest]\naddopts = --no-flop-budget\n")
    records.update().assert_outcomes(passed=2)


def test_the_last_of_the_two_switches_wins(records: Project) -> None:
    records.run("--flop-budget", "--no-flop-budget").assert_outcomes(**SKIPPED)
    records.run("--no-flop-budget", "--flop-budget").assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize(
    ("expression", "outcomes"),
    [
        ("flop_budget", {"passed": 1, "deselected": 1}),
        ("not flop_budget", {"passed": 1, "deselected": 1}),
    ],
)
def test_m_selects_by_the_fixture(
    records: Project, expression: str, outcomes: dict[str, int]
) -> None:
    result = records.update("-m", expression)
    result.assert_outcomes(**outcomes)
    assert bool(records.budgets()) == (expression == "flop_budget")


def test_m_selects_also_without_the_option(records: Project) -> None:
    records.run("-m", "flop_budget").assert_outcomes(skipped=1, deselected=1)


def test_the_marker_is_known_to_strict_markers(project: Project) -> None:
    project.sized(3, marker="@pytest.mark.flop_budget(max_params=3)")
    project.update("--strict-markers").assert_outcomes(passed=1)


def test_never_calling_the_fixture_fails(project: Project) -> None:
    project.write("test_a.py", "def test_forgets(flop_budget):\n    pass\n")
    result = project.judge()
    result.assert_outcomes(failed=1)
    assert "never called it" in sentence(failure_of(result, "test_forgets"))
    project.update().assert_outcomes(failed=1)


def test_making_a_named_budget_is_no_call(project: Project) -> None:
    project.write("test_a.py", "def test_forgets(flop_budget):\n    flop_budget.named('x')\n")
    project.judge().assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("raise ValueError('its own')", "failed"),
        ("pytest.skip('its own')", "skipped"),
        ("pytest.xfail('its own')", "xfailed"),
    ],
)
def test_a_test_that_ends_before_it_calls_keeps_its_own_outcome(
    project: Project, body: str, outcome: str
) -> None:
    project.write("test_a.py", f"def test_ends(flop_budget):\n    {body}\n")
    result = project.judge("-rA")
    result.assert_outcomes(**{outcome: 1})
    assert "never called" not in text_of(result)
    assert "its own" in text_of(result)


def test_a_fixture_that_hands_it_on_counts(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        @pytest.fixture
        def judge(flop_budget):
            return lambda model: flop_budget(model, torch.zeros(1, 1))

        def test_through(judge):
            judge(nn.Linear(1, 1))
        """,
    )
    project.run().assert_outcomes(skipped=1)
    project.update().assert_outcomes(passed=1)
    assert list(project.budgets()) == ["test_a/test_through.yaml"]


def test_a_caught_error_of_the_model_is_no_measurement(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_catches(flop_budget):
            with pytest.raises(RuntimeError):
                flop_budget(nn.Linear(1, 1), torch.zeros(1, 2))
        """,
    )
    project.judge().assert_outcomes(failed=1)


def test_what_is_no_model_is_said_so(project: Project) -> None:
    project.write("test_a.py", "def test_x(flop_budget):\n    flop_budget(torch.relu)\n")
    result = project.judge()
    result.assert_outcomes(failed=1)
    said = sentence(failure_of(result, "test_x"))
    assert "expected a model, or a method of one, found the function `relu`" in said


def test_asking_for_it_by_name_and_never_calling_it_fails(project: Project) -> None:
    project.write("test_a.py", "def test_x(request):\n    request.getfixturevalue('flop_budget')\n")
    project.judge().assert_outcomes(failed=1)


TEARDOWNS = {
    "yield": "yield\n    {call}",
    "addfinalizer": "request.addfinalizer(lambda: {call})",
}


@pytest.mark.parametrize("teardown", TEARDOWNS.values(), ids=TEARDOWNS.keys())
def test_a_fixture_may_call_it_in_its_teardown(project: Project, teardown: str) -> None:
    source = "@pytest.fixture\ndef late(flop_budget, request):\n    {}\n\ndef test_a(late): pass\n"
    call = "flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))"
    project.write("test_a.py", source.format(teardown.format(call=call)))
    project.update().assert_outcomes(passed=1)
    project.judge().assert_outcomes(passed=1)
    assert list(project.budgets()) == ["test_a/test_a.yaml"]


@pytest.mark.parametrize("teardown", TEARDOWNS.values(), ids=TEARDOWNS.keys())
def test_never_calling_it_fails_after_the_teardown_that_might_have(
    project: Project, teardown: str
) -> None:
    source = "@pytest.fixture\ndef late(flop_budget, request):\n    {}\n\ndef test_a(late): pass\n"
    project.write("test_a.py", source.format(teardown.format(call="None")))
    result = project.judge()
    result.assert_outcomes(passed=1, errors=1)
    assert "never called it" in text_of(result)
    project.update().assert_outcomes(passed=1, errors=1)


def test_the_teardown_of_another_fixture_is_not_waited_for(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        @pytest.fixture
        def other():
            yield

        def test_a(other, flop_budget): pass
        """,
    )
    project.judge().assert_outcomes(failed=1)


@pytest.mark.parametrize("end", ["pytest.skip('mine')", "assert False"])
def test_a_test_that_ends_early_is_not_said_to_have_forgotten_it(
    project: Project, end: str
) -> None:
    project.write(
        "test_a.py",
        f"@pytest.fixture\ndef late(flop_budget): yield\n\ndef test_a(late): {end}\n",
    )
    assert "never called" not in text_of(project.judge())
