"""How noisy this machine is: the same model against itself, each time in a process of its own.

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
LEAST = Fraction(5, 100)  # a tolerance below this is never advised
ONE_RUN = (
    "import sys; from pytest_flopbudget.measure.timing.reference_model import main; main(sys.argv)"
)


@dataclass(frozen=True)
class OneRun:
    """What one process measured."""

    latency_ms: float
    rounds: int
    uncontended: int
    unreliable_reason: str

    @property
    def text(self) -> str:
        """The run on one line."""
        rounds = f"{self.uncontended} of {self.rounds} rounds uncontended"
        return f"{self.latency_ms:.3f} ms, {self.unreliable_reason or rounds}"


def run_selftest(
    runs: int,
    threads: int,
    *,
    one_run: Callable[[int], OneRun] | None = None,
    write: Callable[[str], object] = print,
) -> int:
    """Measure, tell each run as it comes, and then what follows; 1 if nothing does."""
    write(f"{runs} processes time the same small convolutional net, one after the other")
    found = []
    for number in range(1, runs + 1):
        found.append((one_run or in_process)(threads))
        write(f"  {number:>{len(str(runs))}}: {found[-1].text}")
    believed = [run.latency_ms for run in found if not run.unreliable_reason]
    for line in conclusion(believed, runs):
        write(line)
    return 0 if len(believed) > 1 else 1


def in_process(threads: int) -> OneRun:
    """Time the model in a process of its own."""
    command = [sys.executable, "-c", ONE_RUN, str(threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return OneRun(**json.loads(done.stdout))


def conclusion(times_ms: Sequence[float], runs: int) -> Iterator[str]:
    """Say what the times of all runs that can be believed mean for a tolerance."""
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
    """Return the tolerance in percent that noise of such a growth leaves room for."""
    return ceil(max(LEAST, MARGIN * growth) * 100)
