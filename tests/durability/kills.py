"""Kills of such runs, and what each of them left."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.durability.runs import BUDGETS, Runs

if TYPE_CHECKING:
    from types import FrameType


@dataclass
class Tally:
    """What was seen of all kills."""

    places: Counter[str] = field(default_factory=Counter)  # where they hit
    looked_at: int = 0  # files
    torn: int = 0  # files that were neither old nor new
    left: int = 0  # temporary files after a kill
    broken: int = 0  # runs after a kill that did not end well


class Kills:
    """Kills one run after another, each of which updates the state that the last one left."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.tally = Tally()
        self._state = 0
        self._settle(0)

    def from_outside(self, renames: int, delay_s: float) -> None:
        """Kill a run at some moment after so many renames."""
        process = self.runs.start(1 - self._state)
        while self.runs.renamed < renames:
            time.sleep(0)
        end = time.perf_counter() + delay_s
        while time.perf_counter() < end:
            pass
        os.kill(process, signal.SIGKILL)
        self._look(process)

    def before_line(self, number: int) -> None:
        """Have a run kill itself before it runs so many lines of what writes a file."""
        self._look(self.runs.start(1 - self._state, lambda: self._trace(number)))

    def _trace(self, left: int) -> None:
        code = self.runs.write.__code__

        def trace(frame: FrameType, event: str, _: object) -> object:
            nonlocal left
            if frame.f_code is not code:
                return None
            if event == "line":
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)

    def _look(self, process: int) -> None:
        """See what a killed run left, and let the next one put it in order."""
        _, status = os.waitpid(process, 0)
        renamed = self.runs.renamed
        place = "between the first and the last rename" if renamed else "before the first rename"
        killed = os.WIFSIGNALED(status) and renamed < BUDGETS
        self.tally.places[place if killed else "after the last rename"] += 1
        found, texts, new = self.runs.files(), self.runs.texts, 1 - self._state
        for name in texts[new]:
            self.tally.looked_at += 1
            self.tally.torn += found.pop(name, b"") not in (texts[0][name], texts[1][name])
        self.tally.left += len(found)
        if not self._settle(new):
            self.tally.broken += 1
            for name in texts[new]:
                (self.runs.directory / name).unlink(missing_ok=True)
            self._settle(new)

    def _settle(self, state: int) -> bool:
        """Let a run end, and tell whether it left what it should and nothing else."""
        _, status = os.waitpid(self.runs.start(state), 0)
        self._state = state
        return status == 0 and self.runs.files() == self.runs.texts[state]
