"""Starts the measurements one after the other and prints a table for each part."""
# ruff: noqa: T201 - a script that starts processes and prints what it saw

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from statistics import median
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.text_table import aligned
from tests.benchmarks.counting.tools import OURS, TOOLS
from tests.benchmarks.counting.worker import Measured, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODELS = ("ResNet-152", "ViT-H", "Llama-1B")
SMALL_MODELS = ("ResNet-18", "ResNet-152")
WEIGHTS = ("meta", "cpu")
LENGTHS = (1_000, 3_000, 10_000, 30_000, 100_000)
LIMIT = 1.3  # times the bare forward on meta
BUILD = (
    "import torch; from tests.benchmarks.counting.models import BUILDERS; "
    "model, images = BUILDERS[{model!r}]().eval(), torch.zeros(1, 3, 224, 224); "
)
PROGRAMS = {
    "no tool": BUILD,
    OURS: BUILD
    + "from pytest_flopbudget import profile_model; print(profile_model(model, images))",
    "thop": BUILD + "import thop; print(thop.profile(model, (images,), ret_layer_info=True))",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.counting")
    parser.add_argument("--part", choices=PARTS, action="append", help="all parts by default")
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="calls timed (7)")
    parser.add_argument(
        "--seconds", type=float, default=20.0, metavar="S", help="no call starts after these (20)"
    )
    parser.add_argument("--model", choices=MODELS, action="append", help="for `speed`")
    parser.add_argument("--tool", choices=TOOLS, action="append", help="for `speed`")
    parser.add_argument("--weights", choices=WEIGHTS, action="append", help="for `speed`")
    asked = parser.parse_args()
    for part in asked.part or PARTS:
        for line in PARTS[part](asked):
            print(line, flush=True)


def speed(asked: argparse.Namespace) -> Iterator[str]:
    """Compare all tools, each beside the bare forward on meta of the same model."""
    yield f"speed: medians of up to {asked.repeat} calls"
    for model in asked.model or MODELS:
        for weights in asked.weights or WEIGHTS:
            yield f"\n{model}, weights on {weights}"
            found = {
                tool: measure("speed", model, tool, weights, asked.repeat, asked.seconds)
                for tool in asked.tool or TOOLS
            }
            yield from _speed_table(found)


def _speed_table(found: dict[str, Measured]) -> Iterator[str]:
    ours = found.get(OURS)
    headers = (
        "tool",
        "cold (ms)",
        "least",
        "warm (ms)",
        "meta fwd",
        "ratio",
        "x ours",
        "peak (MB)",
    )
    rows = [headers]
    for tool, seen in found.items():
        if seen.cannot:
            rows.append((tool, "cannot", *[""] * 6))
            continue
        warm, bare = median(seen.warm_s), median(seen.bare_s)
        ratio_to_ours = f"{warm / median(ours.warm_s):.2f}" if ours else "-"
        times = (seen.cold_s, min(seen.warm_s), warm, bare)
        rows.append(
            (tool, *map(_ms, times), f"{warm / bare:.2f}", ratio_to_ours, f"{seen.peak_mb:,.0f}")
        )
    yield from aligned(rows, "lrrrrrrr")
    yield from (f"{tool} cannot: {seen.cannot}" for tool, seen in found.items() if seen.cannot)
    if ours:
        ratio = median(ours.warm_s) / median(ours.bare_s)
        yield f"{OURS}: {_verdict(ratio, LIMIT)} times the bare forward on meta"
        peers = [median(s.warm_s) for tool, s in found.items() if s.warm_s and tool != OURS]
        if peers:
            ratio = median(ours.warm_s) / min(peers)
            yield f"{OURS}: {_verdict(ratio, 1.0)} times the fastest other tool"


def process(asked: argparse.Namespace) -> Iterator[str]:
    """Compare whole processes that import, build a model, count it and print its layers."""
    yield f"\nprocess: from its start to its end, medians of {asked.repeat}"
    for model in SMALL_MODELS:
        times: dict[str, list[float]] = {program: [] for program in PROGRAMS}
        for number in range(asked.repeat + 1):
            programs = list(PROGRAMS.items())
            for program, code in programs[:: -1 if number % 2 else 1]:
                command = [sys.executable, "-c", code.format(model=model)]
                seconds = timed(lambda: _output(command))  # noqa: B023 - called at once
                if number:  # the first one fills the caches
                    times[program].append(seconds)
        yield f"\n{model}"
        yield from aligned(
            [
                ("program", "least (ms)", "median (ms)", "beyond no tool"),
                *(
                    (program, _ms(min(seen)), _ms(median(seen)), _ms(_beyond(seen, times)))
                    for program, seen in times.items()
                ),
            ],
            "lrrr",
        )
        ratio = median(times[OURS]) / median(times["thop"])
        yield f"{OURS}: {_verdict(ratio, 1.0)} times the process with thop"


def llama70b(asked: argparse.Namespace) -> Iterator[str]:
    """Count a 70B Llama from its configuration."""
    del asked
    seen = measure("llama70b")
    yield "\nllama70b: 70B parameters and 512 tokens, on meta"
    yield f"import and first call {seen.cold_s:.2f} s, peak of the process {seen.peak_mb:,.0f} MB"


def linear(asked: argparse.Namespace) -> Iterator[str]:
    """Show that the cost of a layer does not depend on their number."""
    yield f"\nlinear: the least of {asked.repeat}, in microseconds per layer"
    headers = ("layers", "profile", "meta forward", "table", "peak (MB)")
    yield "  ".join(f"{header:>12}" for header in headers)
    for length in LENGTHS:
        seen = measure("linear", length, asked.repeat, asked.seconds)
        if seen.cannot:
            yield f"{length:>12,}  cannot: {seen.cannot}"
            continue
        times = (min(seen.warm_s), min(seen.bare_s), seen.table_s)
        per_layer = (f"{seconds / length * 1e6:.1f}" for seconds in times)
        cells = (f"{length:,}", *per_layer, f"{seen.peak_mb:,.0f}")
        yield "  ".join(f"{cell:>12}" for cell in cells)


def measure(part: str, *arguments: Any) -> Measured:
    """Run one measurement in a fresh process."""
    module = "tests.benchmarks.counting.worker"
    command = [sys.executable, "-W", "ignore", "-m", module, part, *map(str, arguments)]
    try:
        return Measured(**json.loads(_output(command).splitlines()[-1]))
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or [f"exit status {error.returncode}"]
        return Measured(cannot=said[-1])


def _output(command: list[str]) -> str:
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def _beyond(seen: list[float], times: dict[str, list[float]]) -> float:
    return median(seen) - median(times["no tool"])


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f}"


def _verdict(ratio: float, limit: float) -> str:
    return f"{ratio:.2f}, {'within' if ratio <= limit else 'over'} {limit:g}"


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[str]]] = {
    part.__name__: part for part in (speed, process, llama70b, linear)
}

if __name__ == "__main__":
    main()
