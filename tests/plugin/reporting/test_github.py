"""In GitHub Actions a run annotates the diff, and adds its report to the summary of the step."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project, text_of
from tests.plugin.repository import commit, git

MANY = """
@pytest.mark.parametrize("size", range(1, {count} + 1))
def test_many(flop_budget, size):
    flop_budget(nn.Linear(1, {base} + {grows} * size), torch.zeros(1, 1))
"""

TABLES = """
def test_long(flop_budget):
    flop_budget(nn.Sequential(*[nn.Linear(1, 1) for _ in range(30)]), torch.zeros(1, 1))

def test_short(flop_budget):
    flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
"""
HOSTILE = """
NAMES = ["%0A::error::x", "\\n::error::y", "</script>", "`|`", "\\u202e", "x" * 10000, "@user #1"]

@pytest.mark.parametrize("name", NAMES, ids=NAMES)
def test_hostile(flop_budget, name):
    model = nn.Module()
    model.add_module(name.replace(".", ""), nn.Linear(1, 1))
    model.forward = lambda x: next(model.children())(x)
    flop_budget.named(name)(model, torch.zeros(1, 1))
"""


@pytest.fixture
def runner(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project in the workspace of a runner."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.root))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.root / "summary.md"))
    return project


def commands(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith(("::error", "::warning"))]


def summary(project: Project) -> str:
    return (project.root / "summary.md").read_text(encoding="utf-8")


def grown(project: Project) -> None:
    project.sized(100)
    project.update()
    (project.root / "summary.md").unlink(missing_ok=True)
    project.sized(110)


def test_a_failure_stands_on_the_line_of_the_budget(runner: Project) -> None:
    grown(runner)
    (said,) = commands(runner.judge())
    assert said == (
        "::error file=budgets/test_sized/test_sized.yaml,line=10,"
        "title=flop budget exceeded%3A test_sized::"
        "`Linear` exceeds its budget: params +10.0 %25, GFLOPs +10.0 %25, "
        "mostly `(model)` (Linear)%0A"
        "if the change is meant, accept it and commit:%0A"
        "  pytest --update-budgets test_sized.py::test_sized"
    )


def test_without_a_baseline_it_stands_on_the_test(runner: Project) -> None:
    runner.sized(1)
    (said,) = commands(runner.judge())
    lines = (runner.root / "test_sized.py").read_text(encoding="utf-8").splitlines()
    line = 1 + lines.index("def test_sized(flop_budget):")
    assert said.startswith(f"::error file=test_sized.py,line={line},title=flop budget unbudgeted")


def test_an_error_stands_on_the_test(runner: Project) -> None:
    runner.write("test_a.py", "def test_a(flop_budget):\n    flop_budget(None)\n")
    (said,) = commands(runner.judge())
    assert said.startswith("::error file=test_a.py,line=4,title=flop budget%3A error::")


def test_files_are_relative_to_the_workspace(
    runner: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown(runner)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(runner.root.parent))
    assert f"::error file={runner.root.name}/budgets/" in commands(runner.judge())[0]
    monkeypatch.setenv("GITHUB_WORKSPACE", str(runner.root / "elsewhere"))
    assert commands(runner.judge())[0].startswith("::error title=")


@pytest.mark.parametrize("distributed", [(), ("-n2",)])
def test_the_worst_nine_and_how_many_more(runner: Project, distributed: tuple[str, ...]) -> None:
    runner.write("test_a.py", MANY.format(count=12, base=100, grows=0))
    runner.update()
    runner.write("test_a.py", MANY.format(count=12, base=100, grows=1))
    said = commands(runner.judge(*distributed))
    assert len(said) == 10
    assert ["+12.0 %25" in said[0], "+4.0 %25" in said[8]] == [True, True]
    assert said[9] == "::error title=flop budgets::and 3 more budgets failed"


def test_nine_are_all(runner: Project) -> None:
    runner.write("test_a.py", MANY.format(count=9, base=1, grows=0))
    said = commands(runner.judge())
    assert len(said) == 9
    assert "more" not in said[8]


def test_it_is_silent_where_another_plugin_annotates(runner: Project) -> None:
    grown(runner)
    runner.write("pytest_github_actions_annotate_failures.py", "")
    runner.pytester.syspathinsert()
    result = runner.judge("-p", "pytest_github_actions_annotate_failures")
    assert commands(result) == []
    assert summary(runner).startswith("### ❌ 1 compute budget: 1 exceeded\n")


def test_a_raised_budget_is_a_warning_on_its_line(runner: Project) -> None:
    runner.sized(100)
    runner.update()
    git(runner.root, "init", "--quiet")
    commit(runner.root)
    runner.sized(110)
    runner.update()
    result = runner.judge("--flop-budget-base=HEAD")
    assert result.ret == pytest.ExitCode.OK
    assert commands(result) == [
        "::warning file=budgets/test_sized/test_sized.yaml,line=10,"
        "title=flop budget%3A 2 changes against HEAD::"
        "raises test_sized +10 params (+10.0 %25)%0A"
        "raises test_sized +0.000000020 GFLOPs (+10.0 %25)"
    ]


@pytest.mark.parametrize(("size", "head"), [(100, "✅"), (110, "❌")])
def test_the_summary_is_appended(runner: Project, size: int, head: str) -> None:
    grown(runner)
    runner.sized(size)
    (runner.root / "summary.md").write_text("before\n")
    runner.judge()
    assert summary(runner).startswith(f"before\n### {head} 1 compute budget")


def test_a_collection_adds_nothing(runner: Project) -> None:
    runner.sized(1)
    runner.judge("--collect-only")
    assert not (runner.root / "summary.md").exists()


def test_a_full_summary_is_left_alone(runner: Project) -> None:
    runner.sized(1)
    runner.update()
    before = "x" * (2**20 - 1000)
    (runner.root / "summary.md").write_text(before)
    result = runner.judge()
    assert result.ret == pytest.ExitCode.OK
    assert summary(runner) == before
    assert "the summary of this step is full" in text_of(result)


def test_a_summary_that_cannot_be_written_decides_nothing(
    runner: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.sized(1)
    runner.update()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(runner.root / "nowhere" / "summary.md"))
    result = runner.judge()
    assert result.ret == pytest.ExitCode.OK
    assert "the summary of this step cannot be written: No such file" in text_of(result)


def test_long_tables_are_folded(runner: Project) -> None:
    runner.write("test_a.py", TABLES)
    lines = runner.judge().outlines
    assert [line for line in lines if line.startswith(("::group", "::endgroup"))] == [
        "::group::test_a.py::test_long",
        "::endgroup::",
    ]


@pytest.mark.parametrize(
    ("given", "actions", "speaks"),
    [
        ("auto", "true", True),
        ("auto", "false", False),
        ("off", "true", False),
        ("on", "false", True),
    ],
)
def test_it_can_be_switched(
    runner: Project, monkeypatch: pytest.MonkeyPatch, given: str, actions: str, speaks: bool
) -> None:
    grown(runner)
    monkeypatch.setenv("GITHUB_ACTIONS", actions)
    assert bool(commands(runner.judge(f"--flop-budget-github={given}"))) is speaks
    assert (runner.root / "summary.md").exists() is speaks


def test_elsewhere_it_says_nothing(project: Project) -> None:
    grown(project)
    assert commands(project.judge()) == []


def test_hostile_names_make_no_command_of_their_own(runner: Project) -> None:
    runner.write("test_a.py", HOSTILE)
    result = runner.judge("--flop-budget-table=all")
    section = text_of(result).partition("= flop budgets =")[2].splitlines()
    said = [line for line in section if line.startswith("::")]
    assert len(said) == 7
    assert all(line.startswith("::error file=test_a.py,line=") for line in said)
    assert all(line.isprintable() for line in section)
