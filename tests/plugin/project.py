"""A user's project in a temporary folder: write tests and models, run pytest, read what it did."""

from __future__ import annotations

import importlib
import json
from itertools import takewhile
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

INI = "[pytest]\nflop_budget_metrics = params,gflops\n"  # exact: latency has tests of its own
IMPORTS = "import pytest, torch\nfrom torch import nn\n\n"
REPORT = "report.json"
UNUSED = ("-pno:randomly", "-pno:hypothesispytest", "-pno:anyio")  # plugins that take their time


class Machine:
    """A clock that goes on by 1 ms at each mark, two of which make a call, and a queue."""

    def __init__(self) -> None:
        self.now = 0
        self.mark_ms = 1.0
        self.wait_ms = 0.0  # in each call
        self._waited = 0.0

    def now_ns(self) -> int:
        return self.now

    def mark(self) -> int:
        self.now += round(self.mark_ms * 1e6)
        return self.now

    def settle(self) -> None:
        pass

    def between_ns(self, start: int, end: int) -> int:
        return end - start

    def waited_ns(self, **_threads: bool) -> int:
        self._waited += self.wait_ms * 1e6
        return round(self._waited)


class Project:
    """A folder with a `pytest.ini` that judges params and GFLOPs only."""

    def __init__(self, pytester: pytest.Pytester, machine: Machine) -> None:
        self.pytester = pytester
        self.machine = machine
        self.root = pytester.path
        self.write("pytest.ini", INI)

    def write(self, file: str, text: str) -> Path:
        """Write a file; a Python file gets the imports that nearly all of them need."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        head = IMPORTS if path.suffix == ".py" else ""
        path.write_text(head + dedent(text), encoding="utf-8")
        return path

    def sized(self, size: int, *, marker: str = "", file: str = "test_sized.py") -> None:
        """Write a test of a model with `size` params and 2 * `size` FLOPs, one layer, no bias."""
        self.write(file, _SIZED.format(size=size, marker=marker))

    def run(self, *args: str) -> pytest.RunResult:
        """Run pytest in this process; workers of xdist are processes of their own."""
        importlib.invalidate_caches()
        parallel = any(arg.startswith(("-n", "--tx")) for arg in args)
        without = UNUSED if parallel else (*UNUSED, "-pno:xdist")
        return self.pytester.runpytest_inprocess(*without, *args)

    def judge(self, *args: str) -> pytest.RunResult:
        return self.run("--flop-budget", *args)

    def update(self, *args: str) -> pytest.RunResult:
        return self.run("--update-budgets", *args)

    def report(self, *args: str) -> Any:
        """Judge, and read the JSON report."""
        self.judge(f"--flop-budget-json={REPORT}", *args)
        return json.loads((self.root / REPORT).read_text(encoding="utf-8"))

    def budgets(self, directory: str = "budgets") -> dict[str, str]:
        """Read every file of the budget folder."""
        folder = self.root / directory
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files}

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace what stands exactly once in a baseline."""
        path = self.root / "budgets" / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, text
        path.write_text(text.replace(old, new), encoding="utf-8")


_SIZED = """
{marker}
def test_sized(flop_budget):
    flop_budget(nn.Linear(1, {size}, bias=False), torch.zeros(1, 1))
"""


def text_of(result: pytest.RunResult) -> str:
    """Return what pytest wrote to its standard output."""
    return "\n".join(result.outlines)


def failure_of(result: pytest.RunResult, test: str) -> list[str]:
    """Cut out what one failing or erroring test says, without the line that names it."""
    heads = [i for i, line in enumerate(result.outlines) if line.startswith("___")]
    start = next(i for i in heads if result.outlines[i].strip("_ ").split()[-1] == test)
    rest = result.outlines[start + 1 :]
    end = next(i for i, line in enumerate(rest) if line.startswith(("___", "===")))
    return rest[:end]


def sentence(said: list[str]) -> str:
    """Join the lines of the first paragraph of a failure: what is wrong, in one sentence."""
    return " ".join(takewhile(bool, said))


def line_with(result: pytest.RunResult, text: str) -> str:
    """Return the only line of the output that contains a text."""
    found = [line for line in result.outlines if text in line]
    assert len(found) == 1, found
    return found[0]
