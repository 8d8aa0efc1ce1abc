"""`--flop-budget-markdown FILE` writes what a reviewer is to read."""

import pytest

from tests.plugin.project import Project

FILE = "reports/budgets.md"


def test_it_is_written_where_it_is_asked_for(project: Project) -> None:
    project.sized(100)
    project.update()
    project.sized(110)
    result = project.judge(f"--flop-budget-markdown={FILE}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = (project.root / FILE).read_text(encoding="utf-8")
    assert text.startswith("### ❌ 1 compute budget: 1 exceeded\n")
    assert "| ❌ **exceeded** | `test_sized.py::test_sized` | 100 → 110<br>**+10.0 %** |" in text
    assert "\n```sh\npytest --update-budgets test_sized.py::test_sized\n```\n" in text


def test_an_update_shows_what_it_changed(project: Project) -> None:
    project.sized(100)
    project.update()
    project.sized(110)
    project.update(f"--flop-budget-markdown={FILE}")
    text = (project.root / FILE).read_text(encoding="utf-8")
    assert "| within | `test_sized.py::test_sized` | 100 → 110<br>+10.0 % |" in text
    assert "(model)  Linear     +10  +10.0 %  +0.000000020  +10.0 %" in text
    assert "```sh" not in text


def test_it_cannot_be_a_directory(project: Project) -> None:
    result = project.judge("--flop-budget-markdown=.")
    assert "`--flop-budget-markdown`: expected a file, found the directory" in result.stderr.str()
