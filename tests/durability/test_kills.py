"""A run that is killed leaves each baseline old or new: a few kills, each at a chosen line.

`python -m tests.durability` kills 1,000 at any moment.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forked")
ROOT = Path(__file__).parents[2]


def kill(tmp_path: Path, kills: int, *args: str) -> tuple[int, dict[str, int]]:
    """Run the script, and read what it counted, by the words it calls them by."""
    command = [sys.executable, "-m", "tests.durability", "--lines", "--folder", str(tmp_path)]
    done = subprocess.run(
        [*command, f"--kills={kills}", *args], cwd=ROOT, capture_output=True, text=True, check=False
    )
    counts = re.findall(r"^ +([\d,]+) (.+)$", done.stdout, re.MULTILINE)
    assert counts, done.stderr
    return done.returncode, {words: int(number.replace(",", "")) for number, words in counts}


def test_nothing_is_torn_and_the_next_run_works(tmp_path: Path) -> None:
    status, counts = kill(tmp_path, 20)
    assert counts["between the first and the last rename"] >= 10
    assert counts["files looked at"] == 1000
    assert counts["of them neither old nor new"] == 0
    assert counts["next runs that did not end well"] == 0
    assert status == 0
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_does_not_think_of_it_is_found_out(tmp_path: Path) -> None:
    status, counts = kill(tmp_path, 6, "--naive")
    assert counts["of them neither old nor new"] > 0
    assert counts["next runs that did not end well"] > 0
    assert status == 1
