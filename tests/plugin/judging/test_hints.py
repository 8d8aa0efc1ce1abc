"""What is to be typed really helps: with the options of this run, and for nothing else."""

import shlex
from pathlib import Path

import pytest

from tests.plugin.project import Project, failure_of, sentence, text_of

GATE = "test_sized.py::test_sized"


def hint_of(result: pytest.RunResult, test: str = "test_sized") -> list[str]:
    """Return the command of the last line of a failure, without `pytest`."""
    words = shlex.split(failure_of(result, test)[-1])
    assert words[0] == "pytest"
    return words[1:]


@pytest.mark.parametrize(
    "options",
    [
        ["--flop-budget-dir", "other place"],
        ["--flop-budget-engine=thop"],
        ["--flop-budget-metrics", "params"],
        ["--flop-budget-dir=other", "--flop-budget-metrics=gflops"],
    ],
)
def test_following_the_hint_makes_the_same_run_green(project: Project, options: list[str]) -> None:
    project.sized(10)
    project.update(*options)
    project.sized(11)
    hint = hint_of(project.judge(*options))
    project.run(*hint).assert_outcomes(passed=1)
    project.judge(*options).assert_outcomes(passed=1)


def test_an_engine_that_is_not_that_of_the_baseline(project: Project) -> None:
    project.sized(10)
    project.update()
    options = ["--flop-budget-engine=thop"]
    (hint,) = [li for li in failure_of(project.judge(*options), "test_sized") if "hint:" in li]
    project.run(*shlex.split(hint.partition("pytest ")[2])).assert_outcomes(passed=1)
    project.judge(*options).assert_outcomes(passed=1)


def test_from_a_folder_below_the_rootdir(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.sized(10, file="tests/test_sized.py")
    monkeypatch.chdir(project.root / "tests")
    hint = hint_of(project.judge())
    assert hint[-1] == GATE
    project.run(*hint).assert_outcomes(passed=1)
    assert Path.cwd().name == "tests"
    assert list(project.budgets()) == ["tests/test_sized/test_sized.yaml"]


def test_keeping_an_improvement_accepts_no_growth(project: Project) -> None:
    for name in ("a", "b"):
        project.sized(10, file=f"test_{name}.py")
    project.update()
    project.sized(9, file="test_a.py")
    project.sized(11, file="test_b.py")
    result = project.judge()
    assert "to keep what improved: pytest --update-budgets test_a.py::test_sized" in text_of(result)


def test_an_invalid_baseline_says_how_to_mend_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.sized(10)
    project.update()
    (project.root / "below").mkdir()
    monkeypatch.chdir(project.root / "below")
    file = project.root / "budgets/test_sized/test_sized.yaml"
    file.write_text("- no mapping\n")
    result = project.judge("../test_sized.py")
    assert "budgets/test_sized/test_sized.yaml:1: expected a mapping, found" in text_of(result)
    (hint,) = [line for line in failure_of(result, "test_sized") if "hint:" in line]
    remove, update = hint.partition("rm ")[2].split(" && ")
    assert Path(remove).resolve() == file
    file.unlink()
    project.run(*shlex.split(update)[1:]).assert_outcomes(passed=1)


NAMED = """
@pytest.mark.flop_budget(name="same")
def test_{name}(flop_budget):
    flop_budget(nn.Linear(1, {size}, bias=False), torch.zeros(1, 1))
"""


@pytest.mark.parametrize("run", ["judge", "update"])
def test_two_tests_of_one_name_that_run_one_at_a_time(project: Project, run: str) -> None:
    for name, size in {"a": 1, "b": 2}.items():
        project.write(f"test_{name}.py", NAMED.format(name=name, size=size))
    project.update("test_a.py::test_a")
    before = project.budgets()
    said = sentence(failure_of(getattr(project, run)("test_b.py::test_b"), "test_b"))
    assert said.startswith("two tests claim the baseline `same.yaml`: `test_a.py::test_a`")
    assert project.budgets() == before


def test_a_named_budget_whose_test_was_renamed(project: Project) -> None:
    project.write("test_a.py", NAMED.format(name="old", size=1))
    project.update()
    project.write("test_a.py", NAMED.format(name="new", size=1))
    project.judge().assert_outcomes(passed=1)
    project.update().assert_outcomes(passed=1)
    assert "test: test_a.py::test_new" in project.budgets()["same.yaml"]


def test_a_report_that_cannot_be_written_is_a_usage_error(project: Project) -> None:
    project.sized(1)
    result = project.update("--flop-budget-json=.")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "`--flop-budget-json`: expected a file, found the directory" in result.stderr.str()


@pytest.mark.parametrize("run", ["judge", "update"])
def test_a_glob_without_a_match_fails(project: Project, run: str) -> None:
    project.sized(1)
    project.update()
    project.sized(1, marker="@pytest.mark.flop_budget(layers=['9.*'])")
    getattr(project, run)().assert_outcomes(failed=1)


def test_an_empty_name_is_refused(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_a(flop_budget):
            flop_budget.named("")(nn.Linear(1, 1), torch.zeros(1, 1))
        """,
    )
    said = failure_of(project.update(), "test_a")
    assert sentence(said) == "`named`: expected a name that is not empty, found none"


def test_a_baseline_of_another_version_is_not_to_be_removed(project: Project) -> None:
    project.sized(10)
    project.update()
    project.edit("test_sized/test_sized.yaml", "format: 1", "format: 2")
    said = failure_of(project.judge(), "test_sized")
    assert "expected format 1, which this version reads, found `2`" in sentence(said)
    (hint,) = [line for line in said if "hint:" in line]
    assert hint == (
        "hint: another version of this plugin wrote it: pip install --upgrade pytest-flopbudget"
    )


def test_a_class_is_no_model_yet(project: Project) -> None:
    project.write("test_a.py", "def test_a(flop_budget): flop_budget(nn.Linear, torch.zeros(1, 1))")
    assert failure_of(project.judge(), "test_a") == [
        "expected a model, found the class `Linear`",
        "",
        "hint: call it: `Linear()`",
    ]


@pytest.mark.parametrize("typed", ["", " "])
def test_a_base_that_is_none(project: Project, typed: str) -> None:
    result = project.judge(f"--flop-budget-base={typed}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    expected = "`--flop-budget-base`: expected a commit such as `main`, found none"
    assert expected in result.stderr.str()


def test_the_home_of_the_user(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    home = project.root / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    project.sized(10)
    project.update("--flop-budget-dir=~/budgets")
    options = ("--flop-budget-dir=~/budgets", "--flop-budget-propose=~/proposed")
    project.sized(11)
    project.judge(*options, "--flop-budget-json=~/report.json")
    found = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert {"budgets/test_sized/test_sized.yaml", "report.json"} <= found
    assert "proposed/test_sized/test_sized.yaml" in found
    assert not (project.root / "~").exists()
