"""`--flop-budget-html FILE`: the page is written, and it tells what the run came to."""

import json
import re
from typing import Any

import pytest

from tests.plugin.project import Project, text_of

PAGE = "reports/page.html"
OPTION = f"--flop-budget-html={PAGE}"
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>')


def data_of(project: Project) -> Any:
    (data,) = DATA.findall((project.root / PAGE).read_text(encoding="utf-8"))
    return json.loads(data)


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_it_tells_of_every_budget(project: Project, workers: tuple[str, ...]) -> None:
    for name in "abc":
        project.sized(100, file=f"test_{name}.py")
    project.update("test_a.py")
    project.sized(125, file="test_a.py")
    project.judge(OPTION, *workers)
    budgets = data_of(project)["budgets"]
    assert [(one["testFile"], one["verdict"]) for one in budgets] == [
        ("test_a.py", "exceeded"),
        ("test_b.py", "unbudgeted"),
        ("test_c.py", "unbudgeted"),
    ]
    assert budgets[0]["sentence"].startswith("`Linear` exceeds its budget: params +25.0 %")
    assert budgets[0]["hint"][-1] == "  pytest --update-budgets test_a.py::test_sized"
    layers = budgets[0]["layers"]
    assert layers["metrics"]["params"] == {"own": [125], "before": {"0": 100}}


def test_a_broken_test_is_an_error_in_it(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_a(flop_budget):
            flop_budget.named("part")(nn.Linear(1, 1), torch.zeros(1, 2))
        """,
    )
    project.judge(OPTION)
    (error,) = data_of(project)["errors"]
    assert (error["title"], error["testFile"]) == ("test_a (part)", "test_a.py")
    assert error["error"].startswith("RuntimeError: ")


def test_an_update_tells_what_was_before(project: Project) -> None:
    project.sized(100)
    project.update()
    project.sized(125)
    project.update(OPTION)
    (budget,) = data_of(project)["budgets"]
    assert budget["layers"]["metrics"]["params"]["before"] == {"0": 100}


def test_it_stands_beside_the_json(project: Project) -> None:
    project.sized(100)
    project.judge(OPTION, "--flop-budget-json=report.json")
    assert (project.root / PAGE).exists()
    assert (project.root / "report.json").exists()


def test_a_page_that_cannot_be_written_fails_the_run(project: Project) -> None:
    project.sized(100)
    project.update()
    project.write("reports", "a file where a folder should be")
    result = project.judge(OPTION)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "page.html: cannot be written: " in text_of(result)


@pytest.mark.parametrize("name", ["</script><b>", "`a|b`", "a\u202eb", "%0A::error::"])
def test_a_hostile_id_stays_data(project: Project, name: str) -> None:
    project.write(
        "test_a.py",
        f"""
        @pytest.mark.parametrize("size", [1], ids=[{name!r}])
        def test_a(flop_budget, size):
            flop_budget(nn.Linear(1, size), torch.zeros(1, 1))
        """,
    )
    project.judge(OPTION)
    (budget,) = data_of(project)["budgets"]
    test = f"test_a.py::test_a[{name.encode('unicode_escape').decode()}]"  # as pytest writes it
    assert budget["test"] == test
    assert budget["hint"][-1] == f"  pytest --update-budgets '{test}'"
