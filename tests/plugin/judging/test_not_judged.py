"""Tests with a budget that did not run are counted: a skip is no green."""

import pytest

from tests.plugin.project import Project, line_with, text_of

CALL = "flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))"
GOOD = f"def test_good(flop_budget):\n    {CALL}\n"
TOLD = "1 budget: 1 within; 1 test not judged (skipped: {})"

SKIPS = {
    "mark": (
        f"@pytest.mark.skip(reason='no weights')\ndef test_a(flop_budget): {CALL}",
        "no weights",
    ),
    "skipif": (
        f"@pytest.mark.skipif(True, reason='no weights')\ndef test_a(flop_budget): {CALL}",
        "no weights",
    ),
    "in the test": ("def test_a(flop_budget):\n    pytest.skip('no weights')", "no weights"),
    "in a fixture": (
        "@pytest.fixture\ndef model(): pytest.skip('no weights')\n\n"
        f"def test_a(model, flop_budget): {CALL}",
        "no weights",
    ),
    "xfail that is not run": (
        f"@pytest.mark.xfail(run=False, reason='slow')\ndef test_a(flop_budget): {CALL}",
        "[NOTRUN] slow",
    ),
    "xfail before the budget": (
        "@pytest.mark.xfail(reason='broken')\ndef test_a(flop_budget):\n    assert False",
        "broken",
    ),
}


@pytest.fixture
def both(project: Project) -> Project:
    """A project of two budgets."""
    project.write("test_a.py", f"def test_a(flop_budget): {CALL}\n\n{GOOD}")
    project.update().assert_outcomes(passed=2)
    return project


@pytest.mark.parametrize(("test", "reason"), SKIPS.values(), ids=SKIPS.keys())
@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["alone", "-n2"])
def test_a_skipped_test_is_not_judged(
    both: Project, test: str, reason: str, args: tuple[str, ...]
) -> None:
    both.write("test_a.py", f"{test}\n\n{GOOD}")
    result = both.judge(*args)
    assert result.ret == pytest.ExitCode.OK
    assert line_with(result, "1 budget: ") == TOLD.format(reason)


@pytest.mark.parametrize(
    "head", ["pytest.skip('no weights', allow_module_level=True)", "pytest.importorskip('no_such')"]
)
@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["alone", "-n2"])
def test_each_baseline_of_a_module_that_skips_itself_is_not_judged(
    both: Project, head: str, args: tuple[str, ...]
) -> None:
    both.write("test_b.py", GOOD)
    both.update()
    both.write("test_a.py", f"{head}\n{GOOD}")
    said = text_of(both.judge(*args))
    assert "1 budget: 1 within; 2 tests not judged (skipped: " in said
    assert "stale" not in said


def test_a_package_that_skips_itself_is_not_judged(project: Project) -> None:
    project.write("unit/test_a.py", GOOD)
    project.update()
    project.write("unit/conftest.py", "collect_ignore = []")
    project.write("unit/__init__.py", "pytest.skip('no weights', allow_module_level=True)")
    assert "1 test not judged (skipped: no weights)" in text_of(project.judge())


def test_a_budget_that_was_judged_before_a_late_skip_counts(project: Project) -> None:
    project.write("test_a.py", f"def test_a(flop_budget):\n    {CALL}\n    pytest.skip('late')\n")
    said = text_of(project.judge())
    assert "not judged" not in said
    assert "1 budget: 1 unbudgeted" in said


def test_an_expected_failure_is_reported_with_its_true_verdicts(project: Project) -> None:
    project.sized(4)
    project.update()
    project.sized(5, marker="@pytest.mark.xfail")
    result = project.judge()
    result.assert_outcomes(xfailed=1)
    assert line_with(result, "1 budget: ") == "1 budget: 1 exceeded"


def test_what_was_not_asked_for_is_not_counted(both: Project) -> None:
    both.write("test_a.py", f"@pytest.mark.skip\ndef test_a(flop_budget): {CALL}\n\n{GOOD}")
    assert "not judged" not in text_of(both.judge("-k", "good"))
    assert "not judged" not in text_of(both.judge("test_a.py::test_good"))


def test_several_reasons_are_all_told(both: Project) -> None:
    both.write(
        "test_a.py",
        "".join(
            f"@pytest.mark.skip(reason='no {name}')\ndef test_{name}(flop_budget): {CALL}\n\n"
            for name in ("GPU", "weights")
        ),
    )
    said = text_of(both.judge())
    assert "0 budgets: none judged; 2 tests not judged (skipped: no GPU; no weights)" in said


@pytest.mark.parametrize("option", ["skipped", "stale,skipped"])
def test_it_fails_the_run_if_asked_for(both: Project, option: str) -> None:
    both.write("test_a.py", f"@pytest.mark.skip\ndef test_a(flop_budget): {CALL}\n\n{GOOD}")
    assert both.judge().ret == pytest.ExitCode.OK
    result = both.judge(f"--flop-budget-fail-on={option}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "  the skipped ones fail this run, as `--flop-budget-fail-on` asks" in result.outlines
    both.write("test_a.py", GOOD)
    (both.root / "budgets/test_a/test_a.yaml").unlink()
    assert both.judge(f"--flop-budget-fail-on={option}").ret == pytest.ExitCode.OK


def test_every_report_says_so(both: Project) -> None:
    both.write(
        "test_a.py", f"@pytest.mark.skip(reason='*no* GPU')\ndef test_a(flop_budget): {CALL}"
    )
    report = both.report("--flop-budget-markdown=r.md", "--flop-budget-html=r.html")
    assert report["not_judged"] == [
        {"test": "test_a.py::test_a", "file": "budgets/test_a/test_a.yaml", "reason": "*no* GPU"}
    ]
    markdown = (both.root / "r.md").read_text(encoding="utf-8")
    assert "compute budgets: none judged; 1 test not judged\n" in markdown
    assert "not judged: test_a.py::test_a (*no* GPU)" in markdown
    assert "test_a.py::test_a: *no* GPU" in (both.root / "r.html").read_text(encoding="utf-8")
