"""What the README shows is what happens: its files are run, its outputs compared."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (file|output): (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
BLOCKS = {name: text for _, name, text in BLOCK.findall(README)}
FILES = {name: text for kind, name, text in BLOCK.findall(README) if kind == "file"}


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    for name, text in FILES.items():
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    pytester.makeini("[pytest]\npythonpath = .\nflop_budget_metrics = params,gflops\n")
    return pytester


def widen(project: pytest.Pytester) -> None:
    models = project.path / "shop" / "models.py"
    models.write_text(models.read_text(encoding="utf-8").replace("width=64", "width=80"))


def test_the_first_update_writes_the_baseline(project: pytest.Pytester) -> None:
    assert project.runpytest_subprocess("--update-budgets").ret == 0
    baseline = project.path / "budgets" / "tests" / "test_detector" / "test_detector.yaml"
    assert baseline.read_text(encoding="utf-8") == BLOCKS["baseline"]


def test_the_failure_is_what_a_wider_model_gives(project: pytest.Pytester) -> None:
    project.runpytest_subprocess("--update-budgets")
    widen(project)
    result = project.runpytest_subprocess("--flop-budget")
    result.assert_outcomes(failed=1)
    assert BLOCKS["failure"].rstrip() in result.stdout.str()


def test_the_failure_that_only_traffic_sees(project: pytest.Pytester) -> None:
    metrics = "--flop-budget-metrics=params,gflops,traffic"
    project.runpytest_subprocess("--update-budgets", metrics)
    models = project.path / "shop" / "models.py"
    source = models.read_text(encoding="utf-8")
    assert source.count("self.head(features)") == 1
    upcast = source.replace("self.head(features)", "self.head(features.double().float())")
    models.write_text(upcast, encoding="utf-8")
    result = project.runpytest_subprocess("--flop-budget", metrics)
    result.assert_outcomes(failed=1)
    assert BLOCKS["traffic"].rstrip() in result.stdout.str()


def test_the_hint_accepts_it(project: pytest.Pytester) -> None:
    project.runpytest_subprocess("--update-budgets")
    widen(project)
    hint = BLOCKS["failure"].splitlines()[-1].split()
    assert hint[0] == "pytest"
    assert project.runpytest_subprocess(*hint[1:]).ret == 0
    assert project.runpytest_subprocess("--flop-budget").ret == 0


def test_the_table(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--update-budgets", "--flop-budget-table", "all")
    assert BLOCKS["table"].rstrip() in result.stdout.str()


def test_every_option_is_documented(pytester: pytest.Pytester) -> None:
    options = re.findall(
        r"^  (--[\w-]*budget[\w-]*)", pytester.runpytest("--help").stdout.str(), re.MULTILINE
    )
    assert len(options) > 10
    assert [option for option in options if f"`{option}" not in README] == []
