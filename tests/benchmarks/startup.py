"""What the plugin costs a pytest run that does not use it: `python tests/benchmarks/startup.py`.

Collects one empty test with and without the plugin, in alternating processes and with every other
plugin turned off, so that none of them has imported already what this one needs. Bytecode is kept
in the temporary folder, as it is kept beside the modules on a user's machine.
"""
# ruff: noqa: T201 - a script that starts pytest and prints what it saw

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path
from statistics import median

PLUGIN = "flopbudget"
LIMIT_MS = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--rounds", type=int, default=15, help="runs of each kind (15)")
    parser.add_argument("--limit", type=float, default=LIMIT_MS, metavar="MS", help="may cost (10)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_empty.py").write_text("def test_empty():\n    pass\n")
        Path(folder, "pytest.ini").write_text("[pytest]\n")
        without_ms, with_ms = measure(Path(folder), asked.rounds)
    cost_ms = median(with_ms) - median(without_ms)
    print(f"without the plugin  {median(without_ms):7.1f} ms  (least {min(without_ms):.1f} ms)")
    print(f"with the plugin     {median(with_ms):7.1f} ms  (least {min(with_ms):.1f} ms)")
    verdict = "within" if cost_ms <= asked.limit else "over"
    print(f"difference          {cost_ms:7.1f} ms  {verdict} {asked.limit:g} ms")
    return int(verdict == "over")


def measure(folder: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Return the times without and with the plugin, in ms, after one call of each kind."""
    plugins = entry_points(group="pytest11").names
    if PLUGIN not in plugins:
        sys.exit("error: the plugin is not installed here\n\nhint: pip install -e '.[test]'")
    only_this = [f"-pno:{name}" for name in sorted(plugins - {PLUGIN})]
    kinds = [[*only_this, f"-pno:{PLUGIN}"], only_this]
    times_ms: tuple[list[float], list[float]] = ([], [])
    for options in kinds:
        collect_ms(folder, options)
    for number in range(rounds):
        for kind in (0, 1) if number % 2 else (1, 0):
            times_ms[kind].append(collect_ms(folder, kinds[kind]))
    return times_ms


def collect_ms(folder: Path, options: list[str]) -> float:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *options]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    sys.exit(main())
