"""`--flop-budget-report-only`: true verdicts that fail nothing."""

import pytest

from tests.plugin.project import INI, Project, line_with, text_of

OPTION = "--flop-budget-report-only"
LAST = "report only: 1 budget exceeded, not failed"


@pytest.fixture
def grown(project: Project) -> Project:
    """A budget that is exceeded."""
    project.sized(100)
    project.update()
    project.sized(120)
    return project


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["alone", "-n2"])
def test_a_verdict_fails_nothing_and_is_reported(grown: Project, args: tuple[str, ...]) -> None:
    result = grown.judge(OPTION, *args)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
    assert line_with(result, "1 budget: ") == "1 budget: 1 exceeded"
    assert LAST in result.outlines
    said = text_of(result)
    assert "`Linear` exceeds its budget: params +20.0 %" in said
    assert "pytest --update-budgets test_sized.py::test_sized" in said


def test_the_header_and_the_last_line_say_so(grown: Project) -> None:
    result = grown.judge(OPTION)
    assert line_with(result, "judge params").startswith("flop-budget: report only, judge params")
    end = result.outlines.index(LAST)
    assert result.outlines[end + 1].startswith("=")
    grown.sized(100)
    assert "report only: none failed" in grown.judge(OPTION).outlines


@pytest.mark.parametrize(
    ("ini", "args", "passes"),
    [
        ("true", (), True),
        ("false", (), False),
        ("true", ("--no-flop-budget-report-only",), False),
        ("false", (OPTION,), True),
    ],
)
def test_the_ini_twin(grown: Project, ini: str, args: tuple[str, ...], passes: bool) -> None:
    grown.write("pytest.ini", f"{INI}flop_budget_report_only = {ini}\n")
    grown.judge(*args).assert_outcomes(**{"passed" if passes else "failed": 1})


def test_the_json_report_has_the_true_verdicts(grown: Project) -> None:
    report = grown.report(OPTION)
    assert report["settings"]["report_only"] is True
    assert report["budgets"][0]["failed"] is True
    assert report["fails_run"] is False
    assert grown.report()["fails_run"] is True


def test_annotations_are_warnings(grown: Project) -> None:
    result = grown.judge(OPTION, "--flop-budget-github=on")
    assert line_with(result, "::warning").startswith("::warning file=budgets/test_sized")
    assert "::error" not in text_of(result)


@pytest.mark.parametrize("option", ["stale", "skipped"])
def test_stale_and_skipped_do_not_fail_either(grown: Project, option: str) -> None:
    if option == "stale":
        grown.write("test_sized.py", "def test_other(): pass\n")
    else:
        grown.sized(100, marker="@pytest.mark.skip")
    fail_on = f"--flop-budget-fail-on={option}"
    assert grown.judge(fail_on).ret == pytest.ExitCode.TESTS_FAILED
    assert grown.judge(fail_on, OPTION).ret == pytest.ExitCode.OK


ERRORS = {
    "never called": "pass",
    "a model that raises": "flop_budget(nn.Linear(2, 2), torch.zeros(1, 1))",
    "other inputs": "flop_budget(nn.Linear(1, 100, bias=False), torch.zeros(2, 1))",
}


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS.keys())
def test_errors_fail_all_the_same(grown: Project, body: str) -> None:
    grown.write("test_sized.py", f"def test_sized(flop_budget):\n    {body}\n")
    grown.judge(OPTION).assert_outcomes(failed=1)


def test_under_an_update_a_ceiling_fails(grown: Project) -> None:
    grown.sized(120, marker="@pytest.mark.flop_budget(max_params=110)")
    grown.update(OPTION).assert_outcomes(failed=1)


def test_a_proposal_is_written(grown: Project) -> None:
    grown.judge(OPTION, "--flop-budget-propose=out").assert_outcomes(passed=1)
    assert (grown.root / "out/test_sized/test_sized.yaml").exists()
