"""The action on a runner: exit status, summary, annotations, outputs and artifacts.

Each run is a real pytest on a real merge commit, so there are few, and each shows several things.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from pytest_flopbudget.accept import accept
from tests.github.runner import ACTION, ROOT, Outcome, Runner
from tests.plugin.repository import commit, git
from tests.report.markdown.test_report import assert_whole

if TYPE_CHECKING:
    from collections.abc import Callable

ALONE = "-pno:xdist -pno:hypothesispytest -pno:anyio -pno:cacheprovider"
COMMAND = f"{shlex.quote(sys.executable)} -m pytest {ALONE}"
INI = "[pytest]\nflop_budget_metrics = params,gflops\n"
TESTS = """\
import pytest, torch
from torch import nn

def linear(size):
    return nn.Linear(1, size, bias=False), torch.zeros(1, 1)
"""
TEST = """
def test_{name}(flop_budget):
    flop_budget(*linear({size}))
"""
BASELINE = """\
format: 1
test: {test}
model: Linear
inputs: ['float32[1, 1]']
mode: inference
engine: dispatch
total: {{params: {size}, gflops: {gflops:.9f}}}
own:
  '': {{type: Linear, params: {size}, gflops: {gflops:.9f}}}
"""


class PullRequest:
    """A repository with a main branch, and a branch that is merged into it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repository"
        self.root.mkdir()
        git(self.root, "init", "--quiet", "--initial-branch=main")
        self.write("pytest.ini", INI)

    def write(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def models(self, **sizes: int) -> None:
        """Write a test for each model, of `size` params and twice as many FLOPs."""
        tests = (TEST.format(name=name, size=size) for name, size in sizes.items())
        self.write("test_shop.py", TESTS + "".join(tests))

    def budget(self, name: str, size: int, test: str | None = None) -> None:
        """Write a baseline, as an update would."""
        test = test or f"test_shop.py::test_{name}"
        text = BASELINE.format(test=test, size=size, gflops=2 * size / 10**9)
        self.write(f"budgets/test_shop/test_{name}.yaml", text)

    def branch(self) -> None:
        commit(self.root)
        git(self.root, "checkout", "--quiet", "-b", "change")

    def merged(self) -> str:
        """Merge as GitHub does, and return the merge commit."""
        commit(self.root)
        git(self.root, "checkout", "--quiet", "main")
        git(self.root, "merge", "--quiet", "--no-ff", "--message=merge", "change")
        return git(self.root, "rev-parse", "HEAD")


@pytest.fixture
def pull(tmp_path: Path) -> PullRequest:
    """A pull request against a main branch with two budgets."""
    pull = PullRequest(tmp_path)
    pull.models(detector=100, tagger=50)
    pull.budget("detector", 100)
    pull.budget("tagger", 50)
    pull.write("test_plain.py", "def test_plain(): pass\n")
    pull.branch()
    return pull


@pytest.fixture
def act(tmp_path: Path) -> Callable[..., Outcome]:
    """Run the action on the merge commit of a pull request, in a clone as a runner has it."""

    def run(pull: PullRequest, *, depth: int = 2, **inputs: str) -> Outcome:
        sha = pull.merged()
        clone = tmp_path / "workspace"
        git(tmp_path, "clone", "--quiet", f"--depth={depth}", f"file://{pull.root}", str(clone))
        event = {"pull_request": {"base": {"sha": "0" * 40}, "head": {"repo": {"fork": True}}}}
        runner = Runner(tmp_path, clone, **event)
        runner.environment |= {"GITHUB_SHA": sha, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
        return runner.run_action(ACTION, **{"command": COMMAND, **inputs})

    return run


def numbers(outcome: Outcome) -> tuple[str, ...]:
    return tuple(outcome.outputs[name] for name in ("verdict", "exceeded", "raised"))


def test_green(pull: PullRequest, act: Callable[..., Outcome]) -> None:
    outcome = act(pull)
    assert (outcome.status, *numbers(outcome)) == (0, "within", "0", "0")
    assert outcome.summary.startswith("### ✅ 2 compute budgets: 2 within\n")
    assert "raises no budget" in outcome.summary
    assert outcome.commands("error") == outcome.commands("warning") == []
    assert list(outcome.used) == ["Keep the reports"]
    kept = outcome.used["Keep the reports"]
    assert kept["path"].split() == [
        outcome.outputs["report-json"],
        outcome.outputs["report-markdown"],
        outcome.outputs["report-html"],
    ]
    assert all(Path(file).stat().st_size for file in kept["path"].split())
    assert (kept["name"], kept["retention-days"]) == ("flop-budget", "0")
    report = json.loads(Path(outcome.outputs["report-json"]).read_text(encoding="utf-8"))
    assert (report["base"]["ref"], report["base"]["raises"]) == ("HEAD^1", [])
    markdown = Path(outcome.outputs["report-markdown"]).read_text(encoding="utf-8")
    assert markdown == outcome.summary


def test_red_and_new(pull: PullRequest, act: Callable[..., Outcome]) -> None:
    pull.models(detector=110, tagger=50, segmenter=7)
    outcome = act(pull, artifact="costs")
    assert (outcome.status, *numbers(outcome)) == (1, "exceeded", "1", "0")
    assert outcome.summary.startswith(
        "### ❌ 3 compute budgets: 1 exceeded, 1 unbudgeted, 1 within\n"
    )
    first, second = outcome.commands("error")
    assert first.startswith("::error file=budgets/test_shop/test_detector.yaml,line=7,title=flop")
    assert second.startswith("::error file=test_shop.py,line=13,title=flop budget unbudgeted")
    assert list(outcome.used) == ["Keep the reports", "Keep the proposed baselines"]
    kept = outcome.used["Keep the proposed baselines"]
    assert kept["name"] == "costs-proposed"
    proposed = sorted(Path(kept["path"]).rglob("*.yaml"))
    assert {file.name for file in proposed} >= {"test_detector.yaml", "test_segmenter.yaml"}
    assert "params: 110" in next(f for f in proposed if "detector" in f.name).read_text()
    assert accept([Path(kept["path"])], pull.root / "budgets") == 0
    assert "params: 7" in (pull.root / "budgets/test_shop/test_segmenter.yaml").read_text()


def test_raised_added_and_deleted(pull: PullRequest, act: Callable[..., Outcome]) -> None:
    pull.models(detector=110, segmenter=7)
    pull.budget("detector", 110)
    pull.budget("segmenter", 7)
    (pull.root / "budgets" / "test_shop" / "test_tagger.yaml").unlink()
    outcome = act(pull)
    assert (outcome.status, *numbers(outcome)) == (0, "within", "0", "1")
    raised, deleted = sorted(outcome.commands("warning"), reverse=True)[::-1]
    assert "file=budgets/test_shop/test_detector.yaml,line=7," in raised
    assert "raises test_detector +10 params (+10.0 %25)" in raised
    assert deleted.endswith("::deletes test_tagger")
    assert ": raises 1 budget: test_detector +10 params (+10.0 %)" in outcome.summary
    assert ": deletes 1 budget: test_tagger" in outcome.summary


def test_a_shallow_clone_says_what_to_do(pull: PullRequest, act: Callable[..., Outcome]) -> None:
    pull.budget("detector", 110)
    outcome = act(pull, depth=1)
    assert (outcome.status, *numbers(outcome)) == (0, "improved", "0", "0")
    assert "`fetch-depth: 2`" in outcome.summary


def test_300_budgets(pull: PullRequest, act: Callable[..., Outcome]) -> None:
    test = """
@pytest.mark.parametrize("size", range(1, 301))
def test_many(flop_budget, size):
    flop_budget(*linear(size + 1))
"""
    pull.write("test_shop.py", TESTS + test)
    for size in range(1, 301):
        pull.budget(f"many[{size}]", size, f"test_shop.py::test_many[{size}]")
    outcome = act(pull, args="-q --tb=no -rN", base="none")
    assert (outcome.status, *numbers(outcome)) == (1, "exceeded", "300", "0")
    errors = outcome.commands("error")
    assert len(errors) == 10
    assert "test_many[1].yaml" in errors[0]
    assert errors[9] == "::error title=flop budgets::and 291 more budgets failed"
    markdown = Path(outcome.outputs["report-markdown"]).read_text(encoding="utf-8")
    assert len(markdown.encode()) < 65_536 < len(outcome.summary.encode()) < 2**20
    assert outcome.summary.count("| ❌ **exceeded** |") == 300
    assert "--flop-budget-base" not in outcome.log


HOSTILE = r"""
NAMES = [
    "</script><img src=x>", "`a`|b", "$(touch hacked)", "%0A::error::x", "\n::error::y",
    "\u202e", "@user #1", "; touch hacked", "' touch hacked '", "x" * 10000, "<!-- -->",
]

@pytest.mark.parametrize("name", NAMES, ids=NAMES)
def test_hostile(flop_budget, name):
    model = nn.Sequential()
    model.add_module(name.replace(".", ""), nn.Linear(1, 1))
    flop_budget.named(name)(model, torch.zeros(1, 1))
"""


def test_hostile_names_and_inputs(pull: PullRequest, act: Callable[..., Outcome]) -> None:
    pull.write("test_shop.py", TESTS + HOSTILE)
    args = "--tb=no -q '--junit-xml=$(touch hacked).xml'"
    outcome = act(pull, args=args, base="--output=hacked", artifact="$(touch hacked)")
    assert (outcome.status, outcome.outputs["verdict"]) == (1, "unbudgeted")
    assert list(pull.root.parent.rglob("hacked*")) == []
    errors = outcome.commands("error")
    assert len(errors) == 10
    assert all(error.startswith("::error file=test_shop.py,line=") for error in errors[:9])
    assert_whole(outcome.summary)
    assert outcome.summary.count("\n| ❌ **unbudgeted** |") == 11
    accepted = [line for line in outcome.summary.split("\n") if line.startswith("pytest ")]
    assert len(accepted) == 10  # one is too long to be shown
    assert {len(shlex.split(line)) for line in accepted} == {3}


@pytest.mark.parametrize(
    ("inputs", "status", "said"),
    [
        ({"args": "-k nothing"}, 5, "3 deselected"),
        ({"args": "test_plain.py"}, 1, "::error title=flop budgets::no budget was judged"),
        ({"command": "no-such-program"}, 127, "`no-such-program` cannot be run"),
    ],
)
def test_nothing_judged_is_red(
    pull: PullRequest, act: Callable[..., Outcome], inputs: dict[str, str], status: int, said: str
) -> None:
    outcome = act(pull, **inputs)
    assert (outcome.status, outcome.outputs["verdict"]) == (status, "error")
    assert said in outcome.log


def test_the_inputs_and_outputs_are_documented() -> None:
    guide = (ROOT / "docs" / "github.md").read_text(encoding="utf-8")
    action = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))
    named = [*action["inputs"], *action["outputs"]]
    assert [name for name in named if f"`{name}`" not in guide] == []


EMPTIES = """
from pathlib import Path

def pytest_unconfigure(config):
    Path(config.getoption("flop_budget_json")).write_text("")
"""


def test_a_report_that_is_none_is_an_error(pull: PullRequest, act: Callable[..., Outcome]) -> None:
    pull.write("conftest.py", EMPTIES)
    outcome = act(pull)
    assert (outcome.status, *numbers(outcome)) == (1, "error", "0", "0")
