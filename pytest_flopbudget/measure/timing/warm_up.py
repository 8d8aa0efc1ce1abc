"""The warm-up: calls that are run before the first one is timed, and thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_flopbudget.measure.timing.stopwatch import Stopwatch

LEAST_WARM_UP, MOST_WARM_UP = 3, 20  # calls
WARM = 0.05  # a call that is faster than all before it by no more than this share is no faster
WARM_UP_SHARE = 0.1  # of the time limit


def warm_up(stopwatch: Stopwatch) -> None:
    """Run calls that are thrown away until three in a row were no faster than those before."""
    best_ns, calls, since = float("inf"), 0, 0
    while not calls or (
        since < LEAST_WARM_UP and calls < MOST_WARM_UP and stopwatch.spent < WARM_UP_SHARE
    ):
        time_ns = stopwatch.round().total_ns
        calls, since = calls + 1, 0 if time_ns < best_ns * (1 - WARM) else since + 1
        best_ns = min(best_ns, time_ns)
