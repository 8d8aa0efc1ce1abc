"""Kill runs that update 50 baselines: `python -m tests.durability`.

Runs are forked from this process, which has imported everything but torch. Each is killed with
SIGKILL: once a random number of files has been renamed and a random moment has passed, or, with
`--lines`, by itself before a random line of the writer. Then every file must be the old or the new
one to the byte, and the next run must make all of them new and leave nothing else. With `--naive`
files are written by `open().write()`, to show that such a writer is found out.
"""
# ruff: noqa: T201 - a script that prints what it saw

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from pytest_flopbudget.baseline.store import write
from tests.durability.kills import Kills
from tests.durability.runs import BUDGETS, Runs, naive_write

LINES = {"this plugin": 11, "open().write()": 3}  # that run for one file
LONGEST_DELAY_S = 0.003  # about as long as two files take


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--kills", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of where they hit (0)")
    parser.add_argument("--lines", action="store_true", help="before a line, not at any moment")
    parser.add_argument("--naive", action="store_true", help="write by open().write()")
    parser.add_argument("--folder", help="where the baselines lie (a temporary folder)")
    asked = parser.parse_args()
    how = "open().write()" if asked.naive else "this plugin"
    start, choice = time.perf_counter(), random.Random(asked.seed)  # noqa: S311
    with tempfile.TemporaryDirectory(dir=asked.folder) as directory:
        kills = Kills(Runs(Path(directory), naive_write if asked.naive else write))
        for _ in range(asked.kills):
            if asked.lines:
                kills.before_line(choice.randrange(BUDGETS * LINES[how]))
            else:
                kills.from_outside(choice.randrange(BUDGETS), choice.uniform(0, LONGEST_DELAY_S))
    assert "torch" not in sys.modules
    tally = kills.tally
    print(f"{asked.kills} kills of runs that update {BUDGETS} baselines, written by {how}")
    for place, times in sorted(tally.places.items()):
        print(f"  {times:6,} {place}")
    print(f"  {tally.looked_at:6,} files looked at")
    print(f"  {tally.torn:6,} of them neither old nor new")
    print(f"  {tally.left:6,} temporary files left, for the next run to remove")
    print(f"  {tally.broken:6,} next runs that did not end well")
    print(f"  {time.perf_counter() - start:6.0f} seconds")
    return int(bool(tally.torn or tally.broken))


if __name__ == "__main__":
    sys.exit(main())
