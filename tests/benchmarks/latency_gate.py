"""How often the latency gate is wrong: `python -m tests.benchmarks.latency_gate --runs 300`.

Every run is a process of its own, forked from one that has imported torch: it builds the model,
measures it as the plugin does, and judges it against a baseline that an earlier process stored.
Runs of all kinds take turns, so that a slow hour of the machine meets each of them. `quiet` means
that the benchmark starts no load, `noisy` that two processes burn the cores in random bursts.
`--results FILE` keeps each run as a line of JSON and goes on where it stopped.
"""
# ruff: noqa: S311, T201 - bursts need no safe random numbers, and a script prints what it saw

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_flopbudget.baseline import reader, writer
from pytest_flopbudget.baseline.update import updated
from pytest_flopbudget.measure.pipeline import measure
from pytest_flopbudget.measure.timing import latency
from pytest_flopbudget.settings.budget import BudgetSettings
from pytest_flopbudget.settings.measuring import LatencyGoal
from pytest_flopbudget.verdict.judge_model import judge
from pytest_flopbudget.verdict.limits import latency_budget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.measure.timing.sampling import Sample
    from pytest_flopbudget.measure.timing.stopwatch import Stopwatch
    from pytest_flopbudget.profile.model_profile import ModelProfile

FORK = get_context("fork")
BURST_S = 0.1  # how long a burst, and the pause after it, lasts on average
BLOCKS = 40  # of a model; extra ones are the slowdown, by a little less than their share
STATISTICS = ("mean", "median", "median of 20")
WORDS = {"within": "green", "improved": "green", "exceeded": "red", "inconclusive": "inconclusive"}


@dataclass(frozen=True)
class Case:
    """One kind of run."""

    noisy: bool
    tolerance: str
    slower: int = 0  # percent, about

    @property
    def extra(self) -> int:
        """How many more blocks the model has."""
        return {0: 0, 15: 8, 20: 10, 30: 14, 40: 18}[self.slower]

    @property
    def name(self) -> str:
        what = f"+{self.slower} %" if self.slower else "unchanged"
        return f"{'noisy' if self.noisy else 'quiet'}, {self.tolerance}, {what}"


CLEAN = [Case(False, "25%"), Case(True, "25%"), Case(False, "10%")]
SLOWED = [
    Case(False, "25%", 40),
    Case(True, "25%", 40),
    Case(False, "25%", 30),
    Case(False, "10%", 20),
    Case(False, "10%", 15),
]


def convolutions(extra: int) -> tuple[nn.Module, torch.Tensor]:
    """A convolutional net that takes 2 to 5 ms."""
    blocks = [
        nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        for _ in range(BLOCKS + extra)
    ]
    return nn.Sequential(*blocks), torch.randn(1, 16, 28, 28)


def transformer(extra: int) -> tuple[nn.Module, torch.Tensor]:
    """A transformer that takes 10 to 30 ms."""
    blocks = [
        nn.TransformerEncoderLayer(96, 4, 384, batch_first=True) for _ in range(BLOCKS + extra)
    ]
    return nn.Sequential(*blocks), torch.randn(1, 96, 96)


MODELS: dict[str, Callable[[int], tuple[nn.Module, torch.Tensor]]] = {
    "convolutions": convolutions,
    "transformer": transformer,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--runs", type=int, default=300, help="of an unchanged model, each kind")
    parser.add_argument("--slowed", type=int, default=100, help="of a slower model, each kind")
    parser.add_argument("--baselines", type=int, default=10, help="stored by as many processes")
    parser.add_argument("--results", type=Path, help="where each run is kept")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long")
    asked = parser.parse_args()
    warm_up()
    rows = [json.loads(line) for line in asked.results.open()] if _exists(asked.results) else []
    end = time.monotonic() + 60 * asked.minutes
    with burning() as burners:
        for row in missing(rows, asked, burners):
            rows.append(row)
            if asked.results:
                with asked.results.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            if time.monotonic() > end:
                break
    print("\n".join(tables(rows)))


def _exists(file: Path | None) -> bool:
    return file is not None and file.exists()


def warm_up() -> None:
    """Let this process import what the first profile imports, so that no child has to."""
    for make in MODELS.values():
        measure(*make(0), None, BudgetSettings().measure_settings)


def missing(
    rows: list[dict[str, Any]], asked: argparse.Namespace, burners: list[int]
) -> Iterator[dict[str, Any]]:
    """Run what is not among `rows` yet: first the baselines and true ratios, then in turns."""
    done = Counter((row["kind"], row["model"], row.get("case")) for row in rows)
    stored = {name: of_kind(rows, "baseline", name) for name in MODELS}
    for name in MODELS:
        while len(stored[name]) < asked.baselines:
            row = in_child(store, name)
            if row["unreliable_reason"]:  # an update stores nothing then, and says so
                print(f"no baseline: {row['unreliable_reason']}")
                continue
            stored[name].append(row)
            yield row
        for slower in sorted({case.slower for case in SLOWED}):
            if not done["ratio", name, slower]:
                yield in_child(true_ratio, name, Case(False, "", slower))
    wanted = {**dict.fromkeys(CLEAN, asked.runs), **dict.fromkeys(SLOWED, asked.slowed)}
    for number in range(max(wanted.values())):
        for case, runs in wanted.items():
            for name in MODELS:
                if done["run", name, case.name] <= number < runs:
                    baseline = stored[name][number % asked.baselines]
                    with load(burners if case.noisy else []):
                        row = in_child(judged, name, case, baseline["text"])
                    yield compared_with_others(row, baseline["sample"])


def of_kind(rows: list[dict[str, Any]], kind: str, name: str) -> list[dict[str, Any]]:
    return [row for row in rows if (row["kind"], row["model"]) == (kind, name)]


def in_child(run: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """Run a function in a fork of this process."""
    ours, theirs = FORK.Pipe()
    child = FORK.Process(target=lambda: theirs.send(run(*args)))
    child.start()
    theirs.close()
    try:
        result: dict[str, Any] = ours.recv()
    finally:
        child.join()
    return result


def store(name: str) -> dict[str, Any]:
    """Measure a model as `--update-budgets` does, and return the text of its baseline."""
    budget_settings = BudgetSettings(metrics=("latency",))
    profile, sample = profiled(name, 0, budget_settings, LatencyGoal(may_be_stored=True))
    baseline = updated(None, profile, budget_settings, f"test_{name}.py::test", adds_entry=True)
    return {
        "kind": "baseline",
        "model": name,
        "unreliable_reason": profile.unreliable_reason,
        "text": writer.text_of(baseline),
        "ms": profile.latency_ms,
        "sample": statistics(sample),
    }


def judged(name: str, case: Case, text: str) -> dict[str, Any]:
    """Measure a model as `--flop-budget` does, and judge it."""
    tolerance = {"latency": Fraction(case.tolerance.rstrip("%")) / 100}
    budget_settings = BudgetSettings(metrics=("latency",)).with_tolerance(tolerance)
    baseline = reader.parse(text, name)
    start = time.monotonic()
    goal = LatencyGoal(budget_ms=lambda where: latency_budget(where, baseline, budget_settings))
    profile, sample = profiled(name, case.extra, budget_settings, goal)
    return {
        "kind": "run",
        "model": name,
        "case": case.name,
        "verdict": judge(profile, baseline, budget_settings).metrics[0].verdict.value,
        "change": profile.latency_ms / stored_ms(baseline) - 1,
        "rounds": profile.rounds,
        "uncontended": profile.uncontended_rounds,
        "seconds": time.monotonic() - start,
        "load": os.getloadavg()[0],
        "sample": statistics(sample),
    }


def profiled(
    name: str, extra: int, budget_settings: BudgetSettings, goal: LatencyGoal
) -> tuple[ModelProfile, list[float]]:
    """Profile a model, and return the times of its rounds in ms as well, 20 of them at least."""
    model, example = MODELS[name](extra)
    taken: list[float] = []
    sampled = latency.sampled

    def spy(watch: Stopwatch, timing: latency.Timing) -> Sample:
        sample = sampled(watch, timing)
        taken.extend(one.total_ns / 1e6 for one in sample.rounds)
        while len(taken) < 20:
            taken.append(watch.round().total_ns / 1e6)
        return sample

    latency.sampled = spy
    return measure(model, example, None, budget_settings.measure_settings, goal), taken


def statistics(sample: list[float]) -> dict[str, float]:
    """What others would make of the same rounds."""
    return dict(zip(STATISTICS, (mean(sample), median(sample), median(sample[:20])), strict=True))


def stored_ms(baseline: Baseline) -> float:
    (entry,) = baseline.environments.values()
    return entry.figures["latency_ms"]


def compared_with_others(row: dict[str, Any], stored: dict[str, float]) -> dict[str, Any]:
    """Add what each other statistic changed by, against itself in the run that was stored."""
    sample = row.pop("sample")
    return {**row, "others": {name: sample[name] / stored[name] - 1 for name in STATISTICS}}


def true_ratio(name: str, case: Case) -> dict[str, Any]:
    """Measure how much slower a slowed model really is, call by call in one process."""
    torch.set_num_threads(1)
    models = [MODELS[name](count) for count in (0, case.extra)]
    times: list[list[int]] = [[], []]
    with torch.no_grad():
        for number in range(2 * 300):
            model, example = models[number % 2]
            start = time.perf_counter_ns()
            model.eval()(example)
            times[number % 2].append(time.perf_counter_ns() - start)
    plain, slowed = (sorted(ran[10:])[2] for ran in times)
    return {"kind": "ratio", "model": name, "case": case.slower, "ratio": slowed / plain}


@contextmanager
def burning() -> Iterator[list[int]]:
    """Keep two processes ready that burn a core each in random bursts; they sleep at first."""
    burners = [FORK.Process(target=_burn, args=(seed,), daemon=True) for seed in range(2)]
    for burner in burners:
        burner.start()
        os.kill(burner.pid or 0, signal.SIGSTOP)
    try:
        yield [burner.pid or 0 for burner in burners]
    finally:
        for burner in burners:
            burner.kill()


@contextmanager
def load(burners: list[int]) -> Iterator[None]:
    """Wake the burners meanwhile."""
    for burner in burners:
        os.kill(burner, signal.SIGCONT)
    try:
        yield
    finally:
        for burner in burners:
            os.kill(burner, signal.SIGSTOP)


def _burn(seed: int) -> None:
    numbers = random.Random(seed)
    while True:
        end = time.monotonic() + numbers.expovariate(1 / BURST_S)
        while time.monotonic() < end:
            sum(range(500))
        time.sleep(numbers.expovariate(1 / BURST_S))


def tables(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Draw the results as Markdown."""
    for name in MODELS:
        times = [row["ms"] for row in of_kind(rows, "baseline", name)]
        ratios = [(row["case"], row["ratio"]) for row in of_kind(rows, "ratio", name)]
        true = ", ".join(f"+{slower} % is +{100 * (r - 1):.1f} %" for slower, r in ratios)
        yield f"{name}: {len(times)} baselines, {min(times):.2f} to {max(times):.2f} ms; {true}"
    yield ""
    heads = "model", "run", "N", *dict.fromkeys(WORDS.values()), *STATISTICS, "seconds", "load"
    yield f"| {' | '.join(heads)} |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for name in MODELS:
        for case in (*CLEAN, *SLOWED):
            of_case = [row for row in of_kind(rows, "run", name) if row["case"] == case.name]
            if of_case:
                yield _row(name, case, of_case)


def _row(name: str, case: Case, runs: list[dict[str, Any]]) -> str:
    words = Counter(WORDS[run["verdict"]] for run in runs)
    allowed = float(case.tolerance.rstrip("%")) / 100
    others = [sum(run["others"][s] > allowed for run in runs) for s in STATISTICS]
    cells = [
        name,
        case.name,
        len(runs),
        *(words[word] for word in ("green", "red", "inconclusive")),
        *others,
        f"{median(run['seconds'] for run in runs):.1f}",
        f"{mean(run['load'] for run in runs):.1f}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
