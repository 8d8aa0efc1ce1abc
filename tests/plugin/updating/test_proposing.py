"""`--flop-budget-propose DIR` writes what an update would write, and judges as usual."""

import errno
import json
import sys
from pathlib import Path

import pytest

from tests.plugin.project import Project, failure_of, line_with, sentence, text_of

FILE = "test_sized/test_sized.yaml"
PROPOSE = "--flop-budget-propose=out"


@pytest.fixture
def sized(project: Project) -> Project:
    """A project with a baseline of 100 params."""
    project.sized(100)
    project.update().assert_outcomes(passed=1)
    return project


def proposed(project: Project, folder: str = "out") -> dict[str, str]:
    root = project.root / folder
    files = sorted(path for path in root.rglob("*.yaml") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in files}


def said(result: pytest.RunResult) -> list[str]:
    """Return the lines on what was proposed."""
    start = result.outlines.index(line_with(result, "proposed: "))
    end = next(i for i, line in enumerate(result.outlines) if i > start and "===" in line)
    return result.outlines[start:end]


def accept(project: Project, result: pytest.RunResult) -> None:
    """Type the command that a run prints."""
    assert project.pytester.run("sh", "-c", accepting(result)).ret == 0


def accepting(result: pytest.RunResult) -> str:
    """Return the command that a run prints, for this Python."""
    command = said(result)[-1].removeprefix("  to accept: python ")
    return f"{sys.executable} {command}"


def test_nothing_would_change(sized: Project) -> None:
    result = sized.judge(PROPOSE)
    result.assert_outcomes(passed=1)
    assert said(result) == ["proposed: 1 unchanged"]
    assert proposed(sized) == {}


@pytest.mark.parametrize(
    ("size", "outcome", "line"),
    [
        (150, "failed", f"  raised budgets/{FILE}: params +50.0 %, GFLOPs +50.0 %"),
        (99, "passed", f"  tightened budgets/{FILE}"),
    ],
)
def test_it_writes_what_an_update_would_and_judges_as_usual(
    sized: Project, size: int, outcome: str, line: str
) -> None:
    before = sized.budgets()
    sized.sized(size)
    usual = sized.judge()
    result = sized.judge(PROPOSE)
    result.assert_outcomes(**{outcome: 1})
    command = "python -m pytest_flopbudget accept out"
    assert said(result)[1:] == [line, f"  to accept: {command}"]
    if outcome == "failed":
        assert failure_of(result, "test_sized") == failure_of(usual, "test_sized")
    assert sized.budgets() == before
    found = proposed(sized)
    sized.update()
    assert found == {FILE: sized.budgets()[FILE]}


def test_a_test_without_a_baseline_is_proposed_one(project: Project) -> None:
    project.sized(100)
    result = project.judge(PROPOSE)
    result.assert_outcomes(failed=1)
    assert said(result)[:2] == ["proposed: 1 created", f"  created budgets/{FILE}"]
    assert not (project.root / "budgets").exists()
    accept(project, result)
    project.judge().assert_outcomes(passed=1)


def test_the_command_accepts_it(sized: Project) -> None:
    sized.sized(150)
    accept(sized, sized.judge(PROPOSE))
    sized.judge().assert_outcomes(passed=1)


def test_paths_are_quoted_for_the_shell(sized: Project) -> None:
    sized.sized(150)
    result = sized.judge("--flop-budget-propose=it's out/here", "--flop-budget-dir=new budgets")
    accept(sized, result)
    sized.judge("--flop-budget-dir=new budgets").assert_outcomes(passed=1)


def test_it_is_relative_to_where_pytest_was_started(
    sized: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    sized.sized(150)
    (sized.root / "sub").mkdir()
    monkeypatch.chdir(sized.root / "sub")
    result = sized.judge(PROPOSE, "..")
    assert (
        said(result)[-1] == "  to accept: python -m pytest_flopbudget accept out --into ../budgets"
    )
    assert list(proposed(sized, "sub/out")) == [FILE]


def test_a_proposal_of_before_that_is_none_any_more_goes(sized: Project) -> None:
    sized.sized(150)
    sized.judge(PROPOSE)
    sized.sized(100)
    sized.judge(PROPOSE)
    assert proposed(sized) == {}


def test_workers_of_xdist_propose_together(sized: Project) -> None:
    sized.sized(150)
    sized.sized(10, file="test_other.py")
    result = sized.judge(PROPOSE, "-n2")
    result.assert_outcomes(failed=2)
    assert said(result)[0] == "proposed: 1 created, 1 raised"
    assert list(proposed(sized)) == ["test_other/test_sized.yaml", FILE]


BODY = """
@pytest.fixture
def around():
    yield
    {teardown}

{mark}
def test_sized(flop_budget, around):
    judge = lambda: flop_budget(nn.Linear(1, 150, bias=False), torch.zeros(1, 1))
    {body}
"""


def write(
    project: Project, body: str = "judge()", *, mark: str = "", teardown: str = "pass"
) -> None:
    project.write("test_sized.py", BODY.format(body=body, mark=mark, teardown=teardown))


NOT_ACCEPTABLE = {
    "fails after": ({"body": "judge()\n    assert False, 'mine'"}, {"failed": 1}),
    "skips after": ({"body": "judge()\n    pytest.skip()"}, {"failed": 1}),
    "fails in teardown": ({"teardown": "assert False, 'mine'"}, {"failed": 1, "errors": 1}),
    "expected to fail": ({"mark": "@pytest.mark.xfail"}, {"xfailed": 1}),
    "over a ceiling": ({"mark": "@pytest.mark.flop_budget(max_params=149)"}, {"failed": 1}),
}


@pytest.mark.parametrize("case", NOT_ACCEPTABLE)
def test_what_an_update_would_not_write_is_not_proposed(sized: Project, case: str) -> None:
    arguments, outcomes = NOT_ACCEPTABLE[case]
    write(sized, **arguments)
    result = sized.judge(PROPOSE)
    result.assert_outcomes(**outcomes)
    assert said(result) == ["proposed: none"]
    assert proposed(sized) == {}


def test_a_test_that_fails_before_it_measures_proposes_nothing(sized: Project) -> None:
    write(sized, "assert False\n    judge()")
    sized.judge(PROPOSE).assert_outcomes(failed=1)
    assert proposed(sized) == {}


def test_a_later_failure_of_the_test_spoils_all_its_budgets(sized: Project) -> None:
    write(sized, "judge()\n    flop_budget.named('b')(nn.Linear(1, 1), torch.zeros(3, 3))")
    result = sized.judge(PROPOSE)
    result.assert_outcomes(failed=1)
    assert said(result) == ["proposed: none"]


def test_an_uncounted_operator_is_not_proposed(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        class Outside(nn.Module):
            def forward(self, rows):
                return torch.from_numpy(rows.numpy() * 2) + 1

        def test_a(flop_budget):
            flop_budget(Outside(), torch.zeros(3))
        """,
    )
    result = project.judge(PROPOSE)
    result.assert_outcomes(failed=1)
    assert proposed(project) == {}


def test_the_failure_of_the_budget_goes_before_what_follows_it(sized: Project) -> None:
    write(sized, "judge()\n    assert False, 'mine'")
    usual = failure_of(sized.judge(), "test_sized")
    said = failure_of(sized.judge(PROPOSE), "test_sized")
    assert sentence(usual).startswith("`Linear` exceeds its budget")
    assert said[: len(usual)] == usual
    assert said[len(usual) :][:2] == ["", "then the test went on, and raised `AssertionError: mine"]


CALLED_BY_A_FIXTURE = """
@pytest.fixture
def early(flop_budget):
    {early}
    yield
    {late}

def test_sized(flop_budget, early):
    {call}
"""
JUDGE = "flop_budget(nn.Linear(1, 150, bias=False), torch.zeros(1, 1))"
OTHER = "flop_budget.named('b')(nn.Linear(1, 1), torch.zeros(1, 1))"


def test_a_failure_in_setup_is_put_off_to_the_end_of_the_call(sized: Project) -> None:
    source = CALLED_BY_A_FIXTURE.format(early=JUDGE, late="pass", call=OTHER)
    sized.write("test_sized.py", source)
    sized.judge().assert_outcomes(errors=1)
    sized.judge(PROPOSE).assert_outcomes(failed=1)
    assert set(proposed(sized)) == {FILE, FILE.replace(".yaml", ".b.yaml")}


def test_a_failure_in_setup_wins_over_a_skip(sized: Project) -> None:
    source = CALLED_BY_A_FIXTURE.format(early=JUDGE, late="pass", call="pytest.skip('mine')")
    sized.write("test_sized.py", source)
    result = sized.judge(PROPOSE)
    result.assert_outcomes(failed=1)
    assert "then the test went on, and was skipped: mine" in text_of(result)
    assert proposed(sized) == {}


def test_a_failure_in_teardown_is_proposed(sized: Project) -> None:
    source = CALLED_BY_A_FIXTURE.format(early="pass", late=JUDGE, call="pass")
    sized.write("test_sized.py", source)
    sized.judge(PROPOSE).assert_outcomes(passed=1, errors=1)
    assert list(proposed(sized)) == [FILE]


def test_all_budgets_of_a_test_are_proposed(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_a(flop_budget):
            flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
            flop_budget.named("b")(nn.Linear(1, 2), torch.zeros(1, 1))
        """,
    )
    project.judge(PROPOSE).assert_outcomes(failed=1)
    found = proposed(project)
    project.update()
    assert found == project.budgets()
    assert len(found) == 2


def test_an_improvement_that_fails_is_proposed(sized: Project) -> None:
    sized.sized(99)
    sized.judge(PROPOSE, "--flop-budget-fail-on=improved").assert_outcomes(failed=1)
    assert list(proposed(sized)) == [FILE]


@pytest.mark.parametrize(
    ("folder", "options", "message"),
    [
        ("pytest.ini", ["--flop-budget"], "expected a directory, found the file `pytest.ini`"),
        (
            "budgets",
            ["--flop-budget"],
            "expected a directory outside of the baselines, found `budgets`",
        ),
        (
            "./budgets/../budgets/new",
            ["--flop-budget"],
            "expected a directory outside of the baselines, found `./budgets/../budgets/new`",
        ),
        ("out", ["--update-budgets"], "expected `--flop-budget`, found `--update-budgets`"),
        ("out", [], "expected `--flop-budget` or `--update-budgets` as well, found none"),
    ],
)
def test_a_wrong_use_is_a_usage_error(
    sized: Project, folder: str, options: list[str], message: str
) -> None:
    result = sized.run(f"--flop-budget-propose={folder}", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"`--flop-budget-propose`: {message}" in result.stderr.str()
    assert not (sized.root / "out").exists()


@pytest.mark.skipif(not hasattr(Path, "symlink_to"), reason="needs symbolic links")
def test_a_link_does_not_lead_out_of_the_folder(sized: Project) -> None:
    sized.sized(150)
    (sized.root / "elsewhere").mkdir()
    (sized.root / "out").mkdir()
    (sized.root / "out" / "test_sized").symlink_to(sized.root / "elsewhere")
    result = sized.judge(PROPOSE)
    assert "found a symbolic link out of it" in text_of(result)
    assert proposed(sized, "elsewhere") == {}


def test_a_folder_that_cannot_be_written_is_named(
    sized: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    sized.sized(150)
    with monkeypatch.context() as patch:
        patch.setattr("pytest_flopbudget.baseline.store.tempfile.mkstemp", refuse)
        result = sized.judge(PROPOSE)
    for file in (FILE, "proposal.json"):
        assert f"out/{file}: cannot be written: Read-only file system" in result.outlines
    assert said(result) == ["proposed: none", *said(result)[1:]]


def test_a_folder_says_what_its_proposals_began_from(sized: Project) -> None:
    sized.judge(PROPOSE)
    manifest = sized.root / "out" / "proposal.json"
    assert json.loads(manifest.read_text()) == {"format": 1, "baselines": {}}
    sized.sized(150)
    sized.sized(10, file="test_other.py")
    sized.judge(PROPOSE)
    found = json.loads(manifest.read_text())["baselines"]
    assert list(found) == ["test_other/test_sized.yaml", FILE]
    assert found["test_other/test_sized.yaml"]["costs"] is None
    assert len(found[FILE]["costs"]) == 64
    sized.sized(100)
    sized.judge(PROPOSE, "test_sized.py")
    assert list(json.loads(manifest.read_text())["baselines"]) == ["test_other/test_sized.yaml"]


def test_a_proposal_for_an_older_baseline_is_refused(sized: Project) -> None:
    sized.sized(150)
    result = sized.judge(PROPOSE)
    sized.sized(120)
    sized.update()
    before = sized.budgets()
    command = accepting(result)
    done = sized.pytester.run("sh", "-c", command)
    assert done.ret == 1
    assert done.outlines == [
        f"refused out/{FILE}: made for an older baseline: run the job again",
        "nothing was accepted",
    ]
    assert sized.budgets() == before
