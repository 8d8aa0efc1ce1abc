"""Traffic through pytest: what only bytes see is red with default settings, and names the layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.project import failure_of, line_with, sentence, text_of

if TYPE_CHECKING:
    from tests.plugin.project import Project

LAYERS = 32
TEST = """
import torch
from torch import nn
from torch.nn import functional as F

DTYPE = torch.{dtype}

class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(32, 96, bias=False, dtype=DTYPE)
        self.out = nn.Linear(32, 32, bias=False, dtype=DTYPE)

    def forward(self, x):
        q, k, v = self.qkv(x).view(1, 64, 3, 4, 8).permute(2, 0, 3, 1, 4)
        {attention}
        return self.out(y.transpose(1, 2).reshape(1, 64, 32))

class Block(nn.Module):
    def __init__(self, changed):
        super().__init__()
        self.changed = changed
        self.norm = nn.RMSNorm(32, dtype=DTYPE)
        self.attention = Attention()

    def forward(self, x):
        x = x.to(DTYPE)
        x = x + self.attention(self.norm(x))
        {every}
        if self.changed:
            {one}
        return x

def test_blocks(flop_budget):
    model = nn.Sequential(*(Block(i == 5) for i in range({layers})))
    flop_budget(model, torch.zeros(1, 64, 32))
"""
PLAIN = {
    "dtype": "float32",
    "attention": "y = F.scaled_dot_product_attention(q, k, v)",
    "every": "",
    "one": "pass",
}
EAGER = "y = (q @ k.transpose(2, 3) * 8 ** -0.5).softmax(-1) @ v"
MASK = (
    "y = F.scaled_dot_product_attention(q, k, v, torch.zeros(1, 4, 64, 64, dtype=DTYPE)"
    ".masked_fill(torch.ones(64, 64, dtype=torch.bool).triu(1), -1e9))"
)
CHANGES = {
    "float64": ({"dtype": "float64"}, "0"),  # which casts the input as well
    "upcast-and-back": ({"every": "x = x.double().to(DTYPE)"}, "0"),
    "three-clones": ({"every": "x = x.clone().clone().clone()"}, "0"),
    "one-clone-in-one-layer": ({"one": "x = x.clone()"}, "5"),
    "a-mask-for-each-head": ({"attention": MASK}, "0.attention"),
    "eager-attention": ({"attention": EAGER}, "0.attention"),
}


def write(project: Project, **changes: str) -> None:
    source = TEST.format(**{**PLAIN, **changes}, layers=LAYERS)
    project.write("test_blocks.py", source)
    project.write("pytest.ini", "[pytest]\nflop_budget_time_limit = 0.01\n")


@pytest.mark.parametrize(("changes", "layer"), CHANGES.values(), ids=CHANGES)
def test_what_flops_do_not_see_is_red(
    project: Project, changes: dict[str, str], layer: str
) -> None:
    write(project)
    project.update("--flop-budget-metrics=params,gflops,traffic").assert_outcomes(passed=1)
    write(project, **changes)
    result = project.judge("--flop-budget-metrics=params,gflops,traffic")
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_blocks")
    assert "traffic +" in sentence(said)
    assert f"`{layer}`" in sentence(said)
    assert "params +" not in sentence(said)


def test_one_clone_in_one_of_32_layers_is_told_by_its_layer(project: Project) -> None:
    write(project)
    project.update("--flop-budget-metrics=traffic")
    write(project, one="x = x.clone()")
    said = failure_of(project.judge("--flop-budget-metrics=traffic"), "test_blocks")
    # A residual reads 2 x 8,192 bytes and writes as many; a clone reads them and writes them.
    assert sentence(said).startswith("`5` (Block) of `Sequential` exceeds its budget: traffic +66")
    assert "  5  Block  +0.01638  100 %  0.02458 -> 0.04096" in said


def test_metrics_are_judged_by_default(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nflop_budget_time_limit = 0.01\n")
    project.sized(100)
    project.update().assert_outcomes(passed=1)
    (budget,) = project.report()["budgets"]
    assert budget["metrics"]["traffic"]["verdict"] == "within"
    assert budget["metrics"].keys() == {"params", "gflops", "traffic", "latency"}


def test_a_baseline_without_traffic_says_how_to_add_it(project: Project) -> None:
    project.sized(100)
    project.update("--flop-budget-metrics=params,gflops")
    result = project.judge("--flop-budget-metrics=params,gflops,traffic")
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_sized")
    assert sentence(said).startswith("the baseline of `Linear` has no traffic: `budgets/")
    assert said[-1].strip().startswith("pytest --update-budgets")
    project.update("--flop-budget-metrics=params,gflops,traffic").assert_outcomes(passed=1)
    project.judge("--flop-budget-metrics=params,gflops,traffic").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("size", "verdict"), [(1000, "within"), (1009, "within"), (1011, "exceeded"), (989, "improved")]
)
def test_a_hundredth_is_tolerated_in_both_directions(
    project: Project, size: int, verdict: str
) -> None:
    project.sized(1000)  # 4 x (1,000 + 1,000 + 1) bytes
    project.update("--flop-budget-metrics=traffic")
    project.sized(size)
    (budget,) = project.report("--flop-budget-metrics=traffic")["budgets"]
    assert budget["metrics"]["traffic"]["verdict"] == verdict


def test_operators_and_weights_are_judged_on_request(project: Project) -> None:
    write(project)
    every = "--flop-budget-metrics=params,gflops,traffic,operators,weights"
    project.update(every).assert_outcomes(passed=1)
    # For each layer a norm, two products, an attention and a sum.
    assert f"operators: {5 * LAYERS}, weights_mb: {(4 * 1024 + 32) * 4 * LAYERS / 1e6:g}" in next(
        iter(project.budgets().values())
    )
    write(project, dtype="bfloat16")
    for metric in ("weights", "traffic"):
        (budget,) = project.report(f"--flop-budget-metrics={metric}")["budgets"]
        assert budget["metrics"][metric]["verdict"] == "improved"
    write(project, one="x = x.clone()")
    said = failure_of(project.judge(every), "test_blocks")
    assert "operators +0.6 %" in sentence(said)


def test_thop_counts_no_traffic(project: Project) -> None:
    pytest.importorskip("thop")
    project.sized(10, marker='@pytest.mark.flop_budget(engine="thop")')
    project.update("--flop-budget-metrics=params,gflops,traffic").assert_outcomes(passed=1)
    result = project.judge("--flop-budget-metrics=params,gflops,traffic")
    result.assert_outcomes(passed=1)
    assert "the engine `thop` counts layers, and sees no operator" in text_of(result)
    assert line_with(result, "1 budget:") == "1 budget: 1 within"
