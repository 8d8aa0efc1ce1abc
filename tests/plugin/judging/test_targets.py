"""Methods and functions in the place of a model: names of baselines, and another target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.plugin.project import failure_of, sentence

if TYPE_CHECKING:
    from tests.plugin.project import Project

MODEL = """
class Net(nn.Linear):
    def __init__(self):
        super().__init__(2, 3, bias=False)
    def encode(self, x):
        return self(x)
    def twice(self, x):
        return self(x), self(x)

net = Net()
def run(x): return net(x)
"""
FILE = "test_net/test_net.yaml"


def declare(project: Project, call: str) -> None:
    test = f"\ndef test_net(flop_budget):\n    flop_budget({call})\n"
    project.write("test_net.py", MODEL + test)


def test_a_method_and_a_function_are_named_in_the_baseline(project: Project) -> None:
    declare(project, "net.encode, torch.zeros(1, 2)")
    project.update().assert_outcomes(passed=1)
    assert "model: Net.encode\n" in project.budgets()[FILE]
    project.judge().assert_outcomes(passed=1)
    declare(project, "run, torch.zeros(1, 2), modules={'net': net}")
    project.update().assert_outcomes(passed=1)
    text = project.budgets()[FILE]
    assert "model: run\n" in text
    assert "  net: {type: Net, params: 6, gflops: 0.000000012}" in text
    project.judge().assert_outcomes(passed=1)


def test_another_target_is_an_error_as_another_mode_is(project: Project) -> None:
    declare(project, "net, torch.zeros(1, 2)")
    project.update()
    for call, name in (("net.encode", "Net.encode"), ("run", "run")):
        modules = ", modules=net" if call == "run" else ""
        declare(project, f"{call}, torch.zeros(1, 2){modules}")
        said = sentence(failure_of(project.judge(), "test_net"))
        assert f"made with target `Net`, this run has `{name}`" in said
    declare(project, "net.encode, torch.zeros(1, 2)")
    project.update()
    for call, name in (("net.twice", "Net.twice"), ("net", "Net")):
        declare(project, f"{call}, torch.zeros(1, 2)")
        said = sentence(failure_of(project.judge(), "test_net"))
        assert f"made with target `Net.encode`, this run has `{name}`" in said


def test_a_model_of_another_name_is_the_same_target(project: Project) -> None:
    declare(project, "net.encode, torch.zeros(1, 2)")
    project.update()
    project.write(
        "test_net.py",
        (project.root / "test_net.py").read_text("utf-8").replace("Net(", "Web("),
    )
    project.judge().assert_outcomes(passed=1)
