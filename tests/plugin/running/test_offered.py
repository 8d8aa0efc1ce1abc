"""Tests to which an autouse fixture offers `flop_budget`: with and without a budget."""

import pytest

from tests.plugin.project import Project, failure_of, sentence, text_of

CASE = """
import unittest

class TestNet(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _budget(self, flop_budget):
        self.flop_budget = flop_budget

    def test_budget(self):
        self.flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))

    {marker}
    def test_other(self):
        pass
"""


@pytest.fixture
def case(project: Project) -> Project:
    project.write("test_a.py", CASE.format(marker=""))
    return project


def test_in_a_plain_run_only_what_calls_it_is_skipped(case: Project) -> None:
    result = case.run("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    assert "`pytest --flop-budget`" in text_of(result)


def test_it_may_leave_the_fixture_uncalled(case: Project) -> None:
    case.update().assert_outcomes(passed=2)
    case.judge().assert_outcomes(passed=2)
    assert list(case.budgets()) == ["test_a/TestNet.test_budget.yaml"]


def test_a_baseline_that_it_uses_no_more_is_stale(case: Project) -> None:
    case.update()
    source = (case.root / "test_a.py").read_text(encoding="utf-8")
    call = "self.flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))"
    (case.root / "test_a.py").write_text(source.replace(call, "pass"), encoding="utf-8")
    said = text_of(case.judge())
    assert "1 stale baseline, not used in this run by the test:" in said
    assert "not judged" not in said


def test_it_does_not_carry_the_marker(case: Project) -> None:
    case.judge("-m", "flop_budget").assert_outcomes(deselected=2)


def test_a_marker_of_its_own_asks_for_a_call(case: Project) -> None:
    case.write("test_a.py", CASE.format(marker="@pytest.mark.flop_budget"))
    result = case.judge()
    result.assert_outcomes(failed=2)  # the other one has no baseline
    assert "never called it" in sentence(failure_of(result, "TestNet.test_other"))
    case.run().assert_outcomes(passed=1, skipped=1)


def test_a_skipped_test_that_was_offered_it_is_no_budget(case: Project) -> None:
    case.write("test_a.py", CASE.format(marker="@unittest.skip('mine')"))
    assert "not judged" not in text_of(case.update())


@pytest.mark.parametrize(
    "asks",
    [
        "def test_a(judge): pass",
        "@pytest.mark.usefixtures('flop_budget')\ndef test_a(): pass",
        "@pytest.mark.usefixtures('judge')\ndef test_a(): pass",
        "@pytest.mark.usefixtures('judge')\nclass TestA:\n    def test_a(self): pass",
    ],
)
def test_who_names_it_or_what_names_it_asks(project: Project, asks: str) -> None:
    project.write(
        "test_a.py", f"@pytest.fixture\ndef judge(flop_budget): return flop_budget\n\n{asks}\n"
    )
    project.run().assert_outcomes(skipped=1)
    result = project.judge()
    result.assert_outcomes(failed=1)
    assert "never called it" in text_of(result)


def test_an_override_that_asks_no_more_is_not_reached(project: Project) -> None:
    project.write("conftest.py", "@pytest.fixture\ndef net(flop_budget): return 1\n")
    project.write("test_a.py", "@pytest.fixture\ndef net(): return 2\n\ndef test_a(net): pass\n")
    project.judge().assert_outcomes(passed=1)
    project.write(
        "test_a.py", "@pytest.fixture\ndef net(net): return net\n\ndef test_a(net): pass\n"
    )
    project.judge().assert_outcomes(failed=1)


def test_the_ini_value_usefixtures_offers_it(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nusefixtures = flop_budget\n")
    project.write("test_a.py", "def test_a(): pass\n")
    project.run().assert_outcomes(passed=1)
    project.judge().assert_outcomes(passed=1)


def test_named_skips_in_a_plain_run_as_well(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_a(request):
            request.getfixturevalue("flop_budget").named("x")(nn.Linear(1, 1), torch.zeros(1, 1))
        """,
    )
    project.run().assert_outcomes(skipped=1)
    project.judge().assert_outcomes(failed=1)


def test_what_is_obtained_by_name_and_never_called_fails(project: Project) -> None:
    project.write("test_a.py", "def test_a(request): request.getfixturevalue('flop_budget')\n")
    result = project.judge()
    result.assert_outcomes(failed=1)
    assert "never called it" in sentence(failure_of(result, "test_a"))
