"""Measures how noisy this machine is: one model, timed again and again, each time in a new process.

Runs of one process agree better with each other than with those of the next one, whose memory lies
elsewhere. A gate compares runs of different processes, so these are what is measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MARGIN = 2  # what a minute shows of the noise is not all of it
MIN_TOLERANCE = Fraction(5, 100)  # none below this is ever advised
ONE_RUN = (
    "import sys; from pytest_flopbudget.measure.timing.reference_model import main; main(sys.argv)"
)


@dataclass(frozen=True)
class OneRun:
    """The latency that one process measured, and how reliable it is."""

    latency_ms: float
    rounds: int
    uncontended: int
    unreliable_reason: str

    @property
    def text(self) -> str:
        """The run, as one line."""
        rounds = f"{self.uncontended} of {self.rounds} rounds uncontended"
        return f"{self.latency_ms:.3f} ms, {self.unreliable_reason or rounds}"


def run_selftest(
    runs: int,
    threads: int,
    *,
    one_run: Callable[[int], OneRun] | None = None,
    write: Callable[[str], object] = print,
) -> int:
    """Time the model in each process, and write what tolerance follows; return 1 if none does."""
    write(f"{runs} processes time the same small convolutional net, one after the other")
    found = []
    for number in range(1, runs + 1):
        found.append((one_run or in_process)(threads))
        write(f"  {number:>{len(str(runs))}}: {found[-1].text}")
    reliable = [run.latency_ms for run in found if not run.unreliable_reason]
    for line in conclusion_lines(reliable, runs):
        write(line)
    return 0 if len(reliable) > 1 else 1


def in_process(threads: int) -> OneRun:
    """Time the model in a process of its own."""
    command = [sys.executable, "-c", ONE_RUN, str(threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return OneRun(**json.loads(done.stdout))


def conclusion_lines(times_ms: Sequence[float], runs: int) -> Iterator[str]:
    """Yield the tolerance that follows from the times of the reliable runs, in lines of text."""
    if len(times_ms) < runs:
        yield f"{runs - len(times_ms)} of {runs} runs could not be told from noise"
    if len(times_ms) <= 1:
        yield "nothing can be gated here by its latency: try it where less is going on"
        return
    growth = Fraction(max(times_ms)) / Fraction(min(times_ms)) - 1
    tolerance = affordable(growth)
    yield f"from {min(times_ms):.3f} to {max(times_ms):.3f} ms: {100 * float(growth):.1f} % apart"
    yield f"this machine affords a tolerance of {tolerance} %:"
    yield f"  pytest --flop-budget --flop-budget-tolerance=latency={tolerance}%"


def affordable(growth: Fraction) -> int:
    """Return the smallest tolerance in percent that is safe from noise of such a growth."""
    return ceil(max(MIN_TOLERANCE, MARGIN * growth) * 100)
