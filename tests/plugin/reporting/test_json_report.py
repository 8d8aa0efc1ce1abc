"""The machine-readable report, `format: 1`: its keys and exact values."""

import json
from typing import Any

import pytest
import torch

from tests.plugin.project import REPORT, Project

TEST = """
from tests.plugin.variants import net

def test_net(flop_budget):
    flop_budget.named("a")(net({change!r}), torch.zeros(1, 8))
"""
FILE = "budgets/test_net/test_net.a.yaml"


@pytest.fixture
def grown(project: Project) -> Any:
    """The report of a run in which `second` was widened from 8 to 10."""
    project.write("test_net.py", TEST.format(change=""))
    project.update()
    project.write("test_net.py", TEST.format(change="widened"))
    return project.report()


def test_it_is_utf_8_and_ends_with_a_newline(project: Project) -> None:
    project.sized(3)
    project.report()
    assert (project.root / REPORT).read_text(encoding="utf-8").endswith("}\n")


def test_the_head(grown: Any) -> None:
    assert grown["format"] == 1
    assert grown["stale"] == []
    assert len(grown["budgets"]) == 1


def test_the_settings(grown: Any) -> None:
    settings = grown["settings"]
    assert settings["judge"] is True
    assert settings["update"] is False
    assert settings["directory"] == "budgets"
    assert settings["metrics"] == ["params", "gflops"]
    assert settings["engine"] == "dispatch"
    assert settings["device"] is None
    assert settings["threads"] == 1
    assert settings["time_limit"] == 10.0
    assert settings["fail_on"] == []
    assert settings["ignore_ops"] == []
    tolerance = settings["tolerance"]
    assert (tolerance["params"], tolerance["gflops"], tolerance["latency"]) == (0, 0, 0.25)


def test_a_budget(grown: Any) -> None:
    (budget,) = grown["budgets"]
    expected = {
        "test": "test_net.py::test_net",
        "name": "a",
        "file": FILE,
        "verdict": "exceeded",
        "failed": True,
        "model": "Net",
        "mode": "inference",
        "engine": "dispatch",
        "inputs": ["float32[1, 8]"],
        "params": 184,
        "trainable_params": 184,
        "buffers": 0,
        "flops": 368,
        "gflops": 3.68e-07,
        "latency_ms": None,
        "uncounted": [],
        "ignored": [],
        "unused": [],
        "data_dependent": False,
        "environment": None,
    }
    assert {key: budget[key] for key in expected} == expected
    assert budget["counted_on"] in ("meta", "fake", "real")


def test_its_metrics(grown: Any) -> None:
    assert grown["budgets"][0]["metrics"] == {
        "params": {
            "measured": 184,
            "baseline": 160,
            "budget": 160,
            "verdict": "exceeded",
            "reason": "",
        },
        "gflops": {
            "measured": 3.68e-07,
            "baseline": 3.2e-07,
            "budget": 3.2e-07,
            "verdict": "exceeded",
            "reason": "",
        },
    }


def test_its_layers(grown: Any) -> None:
    layers = grown["budgets"][0]["layers"]
    assert [layer["path"] for layer in layers] == ["", "first", "second", "third"]
    second = layers[2]
    expected = {
        "type": "Linear",
        "arguments": "in_features=8, out_features=10, bias=False",
        "params": 80,
        "own_params": 80,
        "trainable_params": 80,
        "calls": 1,
        "flops": 160,
        "own_flops": 160,
        "gflops": 1.6e-07,
        "latency_ms": None,
        "input_shapes": [[1, 8]],
        "output_shapes": [[1, 10]],
    }
    assert {key: second[key] for key in expected} == expected
    assert second["verdicts"]["params"] == {
        "measured": 80,
        "baseline": 64,
        "budget": 64,
        "verdict": "exceeded",
        "reason": "",
    }
    assert layers[1]["verdicts"]["gflops"]["verdict"] == "within"
    root = layers[0]
    assert (root["type"], root["params"], root["own_params"]) == ("Net", 184, 0)


@pytest.mark.parametrize(
    ("size", "verdict", "failed"),
    [(100, "within", False), (99, "improved", False), (101, "exceeded", True)],
)
def test_verdicts(project: Project, size: int, verdict: str, failed: bool) -> None:
    project.sized(100)
    project.update()
    project.sized(size)
    (budget,) = project.report()["budgets"]
    assert (budget["verdict"], budget["failed"]) == (verdict, failed)
    assert budget["metrics"]["params"]["measured"] == size


def test_without_a_baseline(project: Project) -> None:
    project.sized(100)
    (budget,) = project.report()["budgets"]
    assert (budget["verdict"], budget["failed"]) == ("unbudgeted", True)
    params = budget["metrics"]["params"]
    assert (params["measured"], params["baseline"], params["budget"]) == (100, None, None)


def test_a_verdict_of_two_words_has_an_underscore(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nflop_budget_time_limit = 0.05\n")
    project.sized(100)
    project.update("--flop-budget-metrics=params,gflops,traffic")
    (budget,) = project.report()["budgets"]
    latency = budget["metrics"]["latency"]
    assert (latency["verdict"], latency["reason"]) == (
        "not_compared",
        "no entry for this environment",
    )
    assert latency["measured"] > 0
    assert latency["baseline"] is None
    assert budget["verdict"] == "within"
    environment = budget["environment"]
    assert environment["device"] == "cpu"
    assert environment["threads"] == 1
    assert environment["threads"] == 1
    assert environment["torch"] == ".".join(torch.__version__.split(".")[:2])
    assert budget["rounds"] >= 1


def test_budgets_are_sorted_by_file(project: Project) -> None:
    for name in ("b", "a", "c"):
        project.sized(1, file=f"test_{name}.py")
    files = [budget["file"] for budget in project.report()["budgets"]]
    assert files == [f"budgets/test_{name}/test_sized.yaml" for name in "abc"]


def test_an_update_reports_as_well(project: Project) -> None:
    project.sized(100)
    project.update(f"--flop-budget-json=sub/{REPORT}").assert_outcomes(passed=1)
    report = json.loads((project.root / "sub" / REPORT).read_text())
    assert report["settings"]["update"] is True
    assert report["budgets"][0]["metrics"]["params"]["measured"] == 100


def test_a_budget_whose_test_fails_for_another_reason_is_in_it(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_a(flop_budget):
            flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
            assert False
        """,
    )
    assert len(project.report()["budgets"]) == 1


def test_a_budget_that_could_not_be_compared_is_an_error_in_it(project: Project) -> None:
    project.sized(100)
    project.update()
    project.sized(100, marker="@pytest.mark.flop_budget(mode='training')")
    report = project.report()
    (error,) = report["errors"]
    assert report["budgets"] == []
    assert (error["test"], error["name"]) == ("test_sized.py::test_sized", None)
    assert "made with mode `inference`, this run has `training`" in error["error"]


def test_a_model_that_raises_is_an_error_in_it(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_a(flop_budget):
            flop_budget.named("part")(nn.Linear(1, 1), torch.zeros(1, 2))
        """,
    )
    (error,) = project.report()["errors"]
    assert (error["test"], error["name"]) == ("test_a.py::test_a", "part")
    assert error["error"].startswith("RuntimeError: ")


def test_nothing_is_written_while_the_budgets_are_off(project: Project) -> None:
    project.sized(100)
    project.run(f"--flop-budget-json={REPORT}")
    assert not (project.root / REPORT).exists()


def test_a_run_without_budgets_writes_an_empty_report(project: Project) -> None:
    project.write("test_a.py", "def test_a():\n    pass\n")
    assert project.report()["budgets"] == []


def test_no_figure_is_a_text(grown: Any) -> None:
    """A reader must not have to parse fractions."""

    def texts(value: Any, key: str = "") -> list[str]:
        if isinstance(value, dict):
            return [text for k, v in value.items() for text in texts(v, k)]
        if isinstance(value, list):
            return [text for v in value for text in texts(v, key)]
        is_number = isinstance(value, str) and value[:1].isdigit() and key != "torch"
        return [f"{key}: {value}"] if is_number else []

    assert texts(grown["settings"]) == texts(grown["budgets"]) == []
    assert set(grown["environment"]) == {
        "python", "platform", "pytest-flopbudget", "pytest", "torch",
    }  # fmt: skip
