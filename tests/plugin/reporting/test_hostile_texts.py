"""Texts of strangers - of files, names, classes - in the log and in reports: shown, and no more."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.plugin.project import Project, text_of
from tests.plugin.repository import commit, git
from tests.report.invariants import assert_only_read, is_command

if TYPE_CHECKING:
    from pathlib import Path

FILE = "test_sized/test_sized.yaml"
INJECTED = r"x\n::error::pwned\n##[error]pwned\n\e[31m"  # within double quotes of YAML
REPORTS = [f"--flop-budget-{name}=report.{name}" for name in ("json", "html", "markdown")]
NAMED = """
HOSTILE = {name!r}

class Parent(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.add_module(HOSTILE, type(HOSTILE.strip("\\udc80"), (nn.Linear,), {{}})(1, size))
        self.extra_repr = lambda: HOSTILE

    def forward(self, x, **more):
        return self._modules[HOSTILE](x)

def test_sized(flop_budget):
    model = type(HOSTILE.strip("\\udc80"), (Parent,), {{}})({size})
    flop_budget.named(HOSTILE)(model, torch.zeros(1, 1), more={{HOSTILE: 1}})
"""


def assert_harmless(result: pytest.RunResult) -> None:
    """Check all that a run wrote; what GitHub's own commands are is looked at elsewhere."""
    assert "INTERNALERROR" not in text_of(result)
    assert_only_read(text_of(result))
    assert_only_read("\n".join(result.errlines))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("inputs: ['float32[1, 1]']", f'inputs: ["{INJECTED}"]'),
        ("model: Linear", f'model: "{INJECTED}"'),
        ("mode: inference", f'mode: "{INJECTED}"'),
        ("test: test_sized.py::test_sized", f'test: "test_sized.py::{INJECTED}"'),
        ("  '': {type: Linear", f'  "{INJECTED}": {{type: "{INJECTED}"'),
        ("total: {params", f'total: {{"{INJECTED}": 1, params'),
        ("format: 1", f'format: 1\n"{INJECTED}": 1'),
        ("format: 1", f'format: "{INJECTED}"'),
        ("format: 1", f'format: 1\nignored: ["{INJECTED}"]'),
        ("format: 1", f"format: !{'x' * 9}::error::\n"),
    ],
)
def test_a_baseline_says_nothing_to_the_runner(project: Project, old: str, new: str) -> None:
    project.sized(100)
    project.update()
    project.edit(FILE, old, new)
    project.sized(110)
    assert_harmless(project.judge("--flop-budget-table=all", *REPORTS))
    assert_harmless(project.update())


def test_an_entry_of_a_baseline_says_nothing_to_the_runner(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\n")
    project.sized(100)
    project.update()
    text = project.budgets()[FILE]
    torch = next(line for line in text.splitlines() if line.startswith("    torch: "))
    project.edit(FILE, torch, f'    torch: "{INJECTED}"')
    result = project.judge("--flop-budget-fail-on=not_compared")
    assert "measured with torch" in text_of(result)
    assert_harmless(result)


@pytest.mark.parametrize(
    ("name", "distributed"),
    [
        ("::stop-commands::t", ()),
        ("##[error]t", ()),
        ("a\n::error::t", ()),
        ("\x1b[31m::", ()),
        ("\udc80", ()),
        ("a\udc80", ("-n2",)),
    ],
)
def test_a_name_says_nothing_to_the_runner(
    project: Project, name: str, distributed: tuple[str, ...]
) -> None:
    project.write("test_sized.py", NAMED.format(name=name, size=100))
    project.update().assert_outcomes(passed=1)
    project.write("test_sized.py", NAMED.format(name=name, size=110))
    result = project.judge("--flop-budget-table=all", *REPORTS, *distributed)
    result.assert_outcomes(failed=1)
    assert_harmless(result)
    (budget,) = json.loads((project.root / "report.json").read_text("utf-8"))["budgets"]
    assert budget["name"] == name
    before = project.budgets()
    assert_harmless(project.judge("--flop-budget-propose=out", *distributed))
    assert project.update(*distributed).ret == 0
    assert project.budgets() != before
    result = project.judge(*distributed)
    result.assert_outcomes(passed=1)
    assert "1 budget: 1 within" in text_of(result)


@pytest.mark.parametrize("name", ["::stop-commands::t", "##[error]t", "a\n::error::t"])
def test_on_github_there_are_no_commands_but_ours(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.root / "summary.md"))
    project.write("test_sized.py", NAMED.format(name=name, size=100))
    result = project.judge("--flop-budget-table=all", "--flop-budget-depth=9")
    (said,) = filter(is_command, result.outlines)
    assert said.startswith("::error file=test_sized.py,line=")


def test_a_test_id_is_written_out(project: Project) -> None:
    escaping = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support"
    project.write("pytest.ini", f"[pytest]\nflop_budget_metrics = params\n{escaping} = true\n")
    project.write(
        "test_a.py",
        """
        @pytest.mark.parametrize("size", [1], ids=["a\\udc80"])
        def test_a(flop_budget, size):
            flop_budget(nn.Linear(1, size), torch.zeros(1, 1))
        """,
    )
    result = project.update("-pno:cacheprovider", *REPORTS)  # which cannot store such an id
    assert result.ret == 0
    assert_harmless(result)
    (budget,) = json.loads((project.root / "report.json").read_text("utf-8"))["budgets"]
    assert budget["test"] == r"test_a.py::test_a[a\udc80]"
    assert_harmless(project.judge("-pno:cacheprovider"))


def test_a_note_on_an_error_says_nothing_to_the_runner(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_a(flop_budget):
            flop_budget(type("##[error]a", (nn.Linear,), {})(1, 1), torch.zeros(3, 3))
        """,
    )
    result = project.judge()
    assert r"(\x23#[error]a), on inputs 3x3" in text_of(result)
    assert [line for line in result.outlines if is_command(line) and "in layer" in line] == []


def test_an_error_that_follows_a_budget_says_nothing_to_the_runner(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_a(flop_budget):
            flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
            pytest.fail("x\\n::error::pwned\\n\\x1b[31m", pytrace=False)
        """,
    )
    result = project.judge("--flop-budget-propose=out")
    assert "then the test went on" in text_of(result)
    assert_harmless(result)


@pytest.mark.parametrize(
    "options",
    [
        ["--flop-budget-metrics=\n::error::x"],
        ["--flop-budget-base=\n::error::x"],
        ["--flop-budget-device=##[error]x"],
        ["--flop-budget-dir=a\n::error::x"],
        ["--flop-budget-json=a\n::error::x/b\0"],
    ],
)
def test_an_option_says_nothing_to_the_runner(project: Project, options: list[str]) -> None:
    project.sized(1)
    assert_harmless(project.judge(*options))


def test_a_printed_profile_says_nothing_to_the_runner(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        import pytest_flopbudget

        def test_a(capsys):
            model = type("::error::a", (nn.Linear,), {})(1, 1)
            print(pytest_flopbudget.profile_model(model, torch.zeros(1, 1)))
        """,
    )
    result = project.judge("-rP", "-s")
    assert r"\x3a:error::a: 1 layer" in text_of(result)
    assert_harmless(result)


def not_utf8(folder: Path) -> Path:
    """Return a file whose name is none in UTF-8, or skip where the file system refuses it."""
    file = folder / os.fsdecode(b"gone-\xff.yaml")
    try:
        file.touch()
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    return file


def test_a_file_name_that_is_not_utf8_is_written_out(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.root / "summary.md"))
    project.sized(100)
    project.update()
    text = project.budgets()[FILE]
    file = not_utf8(project.root / "budgets")
    file.write_text(text.replace("test_sized.py::test_sized", "test_none.py::test_none"))
    git(project.root, "init", "--quiet")
    commit(project.root)
    result = project.judge("--flop-budget-base=HEAD", *REPORTS)  # it is stale
    assert r"  gone-\udcff.yaml" in result.outlines
    file.unlink()
    result = project.judge("--flop-budget-base=HEAD", *REPORTS)  # it is deleted
    assert r"deletes 1 budget: gone-\udcff" in text_of(result)
    assert "INTERNALERROR" not in text_of(result)
    (increase,) = json.loads((project.root / "report.json").read_text("utf-8"))["base"]["raises"]
    assert increase["file"] == file.name
    for report in ("report.html", "report.markdown", "summary.md"):
        assert (project.root / report).read_text("utf-8")
