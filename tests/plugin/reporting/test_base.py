"""`--flop-budget-base REF` says what a branch raises, and never decides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plugin.project import REPORT, Project, text_of
from tests.plugin.repository import commit, git

FILE = "test_sized/test_sized.yaml"


@pytest.fixture
def branch(project: Project) -> Project:
    """A branch on which the model and its budget went from 100 to 110."""
    project.sized(100)
    project.update()
    git(project.root, "init", "--quiet", "--initial-branch=main")
    commit(project.root)
    project.sized(110)
    project.update()
    commit(project.root)
    return project


def said(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("against ")]


def base(project: Project, ref: str = "HEAD^") -> Any:
    project.judge(f"--flop-budget-base={ref}", f"--flop-budget-json={REPORT}")
    return json.loads((project.root / REPORT).read_text(encoding="utf-8"))["base"]


def test_it_is_said_and_the_run_is_green(branch: Project) -> None:
    result = branch.judge("--flop-budget-base=HEAD^", "--flop-budget-markdown=report.md")
    assert result.ret == pytest.ExitCode.OK
    parent = git(branch.root, "rev-parse", "HEAD^")[:10]
    (line,) = said(result)
    assert line == (
        f"against `HEAD^` ({parent}): raises 1 budget: "
        "test_sized +10 params (+10.0 %), +0.000000020 GFLOPs (+10.0 %)"
    )
    assert f"\n{line}\n" in (branch.root / "report.md").read_text(encoding="utf-8")


def test_the_report_has_exact_values_and_lines(branch: Project) -> None:
    found = base(branch)
    assert (found["ref"], found["errors"]) == ("HEAD^", [])
    assert found["commit"] == git(branch.root, "rev-parse", "HEAD^")
    assert found["raises"][0] == {
        "file": FILE,
        "kind": "raised",
        "metric": "params",
        "where": "",
        "in_layer": False,
        "before": 100,
        "after": 110,
        "line": 10,
    }
    assert (found["raises"][1]["before"], found["raises"][1]["after"]) == (2e-7, 2.2e-7)


def test_without_the_option_there_is_nothing(branch: Project) -> None:
    assert branch.report()["base"] is None
    assert said(branch.judge()) == []


def test_it_sees_what_an_update_in_this_run_wrote(branch: Project) -> None:
    branch.sized(120)
    (line,) = said(branch.update("--flop-budget-base=HEAD"))
    assert "test_sized +10 params (+9.1 %)" in line


def test_a_red_run_stays_red(branch: Project) -> None:
    branch.sized(120)
    assert branch.judge("--flop-budget-base=HEAD").ret == pytest.ExitCode.TESTS_FAILED
    assert base(branch, "HEAD")["raises"] == []


def test_nothing_is_checked_out_or_written(branch: Project) -> None:
    branch.judge("--flop-budget-base=HEAD^")
    assert git(branch.root, "status", "--porcelain", "--untracked-files=no") == ""
    assert "params: 110" in branch.budgets()[FILE]


def test_a_deleted_budget_folder(branch: Project) -> None:
    (branch.root / "budgets" / FILE).unlink()
    (branch.root / "budgets" / FILE).parent.rmdir()
    (branch.root / "budgets").rmdir()
    found = [(change["kind"], change["file"]) for change in base(branch)["raises"]]
    assert found == [("deleted", FILE)]


def test_a_folder_with_odd_characters_below_the_root_of_the_repository(
    project: Project,
) -> None:
    folder = project.root / "-pa ck\nage*'é"
    folder.mkdir()
    (project.root / "pytest.ini").rename(folder / "pytest.ini")
    inner = Project.__new__(Project)
    inner.pytester, inner.root = project.pytester, folder
    git(project.root, "init", "--quiet")
    typed = ("--rootdir=.", "--flop-budget-dir=b\t\"u\\d'[*]-")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        inner.sized(100)
        inner.update(*typed)
        commit(project.root)
        inner.sized(101)
        inner.update(*typed)
        (line,) = said(inner.judge(*typed, "--flop-budget-base=HEAD"))
    assert "raises 1 budget: test_sized +1 params" in line


def test_files_that_are_no_baselines_are_left_alone(branch: Project) -> None:
    budgets = branch.root / "budgets"
    (budgets / "link.yaml").symlink_to(FILE)
    (budgets / "notes.txt").write_text("notes")
    (budgets / "broken.yaml").write_text("format: 2\n")
    commit(branch.root)
    (budgets / "broken.yaml").unlink()
    found = base(branch, "HEAD")
    head = git(branch.root, "rev-parse", "HEAD")[:10]
    assert found["errors"][0].startswith(f"{head}:broken.yaml:1: ")
    link = f"{head}:link.yaml: expected a file, found a symbolic link"
    assert found["errors"][1:] == [link]
    assert found["raises"] == []


def test_a_file_that_is_too_large_is_named(
    branch: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_flopbudget.base_commit.git.MAX_BYTES", 10)
    (error,) = base(branch)["errors"]
    assert ": expected at most 10 bytes, found " in error


def test_a_file_that_is_broken_now_is_not_deleted(branch: Project) -> None:
    (branch.root / "budgets" / FILE).write_text("format: 2\n")
    found = base(branch)
    assert found["raises"] == []
    assert found["errors"][0].startswith(f"budgets/{FILE}:1: ")


@pytest.mark.parametrize(
    "ref",
    ["nothing", "HEAD~9", "--upload-pack=touch hacked", "--output=hacked", "-h", "a\nb", "HEAD:x"],
)
def test_a_commit_that_is_not_there(branch: Project, ref: str) -> None:
    result = branch.judge(f"--flop-budget-base={ref}")
    assert result.ret == pytest.ExitCode.OK
    (line,) = said(result)
    assert "is not in this clone - hint: in a workflow, give `actions/checkout`" in line
    assert "`fetch-depth: 2`" in line
    assert not (branch.root / "hacked").exists()


def test_a_shallow_clone(branch: Project) -> None:
    clone = branch.root / "clone"
    git(branch.root, "clone", "--quiet", "--depth=1", f"file://{branch.root}", str(clone))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(clone)
        result = branch.judge("--rootdir=.", "--flop-budget-base=HEAD^")
    assert result.ret == pytest.ExitCode.OK
    assert "fetch-depth: 2" in said(result)[0]


def test_without_a_repository(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.root.parent))
    project.sized(1)
    project.update()
    result = project.judge("--flop-budget-base=HEAD")
    assert result.ret == pytest.ExitCode.OK
    assert "not a git repository" in said(result)[0]


def test_without_git(branch: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = branch.judge("--flop-budget-base=HEAD^")
    assert result.ret == pytest.ExitCode.OK
    assert said(result) == ["against `HEAD^`: not compared: `git` is not installed"]
    assert "=== 1 passed" in text_of(result)


def test_what_the_other_branch_did_since_is_not_blamed_on_this_one(branch: Project) -> None:
    """The branch has 110; the main branch went from 100 down to 90 meanwhile."""
    start = git(branch.root, "rev-parse", "HEAD^")
    git(branch.root, "checkout", "--quiet", "-b", "other", "HEAD^")
    branch.sized(90)
    branch.update()
    commit(branch.root)
    git(branch.root, "checkout", "--quiet", "main")
    found = base(branch, "other")
    assert found["commit"] == start
    assert {change["before"] for change in found["raises"] if change["metric"] == "params"} == {100}


def test_commits_without_a_common_one(branch: Project) -> None:
    git(branch.root, "checkout", "--quiet", "--orphan", "other")
    commit(branch.root)
    (line,) = said(branch.judge("--flop-budget-base=main"))
    assert "`main` and `HEAD` have no common commit in this clone - hint: " in line
    assert "`fetch-depth: 2`" in line


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"])
def test_in_a_hook_of_another_work_tree(
    branch: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(branch.root.parent / "elsewhere"))
    (line,) = said(branch.judge("--flop-budget-base=HEAD^"))
    assert "raises 1 budget: test_sized +10 params" in line


def test_a_repository_of_somebody_else(branch: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    (line,) = said(branch.judge("--flop-budget-base=HEAD^"))
    assert "dubious ownership" in line
    assert "hint: git config --global --add safe.directory" in line


def test_one_large_file_under_many_names_is_read_once(
    branch: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (branch.root / "budgets" / FILE).read_text("utf-8")
    for number in range(20):
        (branch.root / "budgets" / f"copy{number}.yaml").write_text(text, encoding="utf-8")
    commit(branch.root)
    assert base(branch, "HEAD")["raises"] == []
    monkeypatch.setattr("pytest_flopbudget.base_commit.git.MAX_SUM", 20 * len(text))
    (line,) = said(branch.judge("--flop-budget-base=HEAD"))
    assert f"the budgets of `HEAD` have more than {20 * len(text):,} bytes" in line
