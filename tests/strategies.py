"""Records made by hand or by Hypothesis, without torch: small builders, then strategies."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pytest_flopbudget.baseline.reader import parse
from pytest_flopbudget.baseline.record import Baseline, EnvironmentEntry, OwnCost
from pytest_flopbudget.baseline.update import BaselineChange, updated
from pytest_flopbudget.baseline.writer import text_of
from pytest_flopbudget.metrics import LATENCY, exact_metrics, figures_of
from pytest_flopbudget.profile.environment import Environment
from pytest_flopbudget.profile.layer_paths import is_below
from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile, Uncounted
from pytest_flopbudget.report.run import Run
from pytest_flopbudget.settings.budget import BudgetSettings
from pytest_flopbudget.settings.run import RunSettings
from pytest_flopbudget.verdict.judge_model import judge
from pytest_flopbudget.verdict.result import Result, UpdateCommand
from pytest_flopbudget.verdict.verdict import Judgement, MetricVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

hypothesis_settings.register_profile(  # a shared machine may be slow at any moment
    "flopbudget", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("flopbudget")

Costs = tuple[str, int, int]  # type, own params, own FLOPs

FILE = "budgets/tests/test_net/test_net.yaml"
EXACT = ("params", "gflops")
ENVIRONMENT = Environment(
    device="cpu",
    hardware="Intel Xeon 6960P",
    cores=2,
    threads=1,
    torch="2.13",
    python="3.13",
)
NET: dict[str, Costs] = {
    "": ("Net", 0, 0),
    "stem": ("Conv2d", 100, 10_000_000),
    "body": ("Sequential", 0, 0),
    "body.0": ("Conv2d", 200, 20_000_000),
    "body.1": ("ReLU", 0, 0),
    "head": ("Linear", 700, 70_000_000),
}


# ------------------------------------------------------------------------------ by hand


def layer(spec: Mapping[str, Costs], path: str, **more: Any) -> LayerProfile:
    """Build a layer from the own costs of all; its totals are those of its path and below."""
    kind, params, flops = spec[path]
    below = [costs for other, costs in spec.items() if is_below(other, path)]
    known = {
        "path": path,
        "type": kind,
        "arguments": "",
        "own_params": params,
        "params": sum(costs[1] for costs in below),
        "trainable_params": sum(costs[1] for costs in below),
        "own_flops": flops,
        "flops": sum(costs[2] for costs in below),
        "calls": 1,
    }
    return LayerProfile(**{**known, **more})


def profile(
    spec: Mapping[str, Costs] = NET, layers: Mapping[str, Any] | None = None, **more: Any
) -> ModelProfile:
    """Build a profile; `layers` has further fields of some layers, by path."""
    spec = {"": ("Net", 0, 0), **spec}
    rows = tuple(layer(spec, path, **(layers or {}).get(path, {})) for path in spec)
    known = {
        "model": spec[""][0],
        "mode": "inference",
        "engine": "dispatch",
        "counter": None,
        "inputs": ("float32[1, 3, 8, 8]",),
        "params": rows[0].params,
        "trainable_params": rows[0].trainable_params,
        "buffers": 0,
        "flops": rows[0].flops,
        "layers": rows,
        "counted_on": "meta",
    }
    return ModelProfile(**{**known, **more})


def large(layers: int) -> ModelProfile:
    """Build a model of blocks of nine layers, of which only the own costs are right."""
    rows = [_large_layer(path, 0) for path in ("", "blocks")]
    for at in range(layers - len(rows)):
        block, place = divmod(at, 10)
        path = f"blocks.{block}.conv{place}" if place else f"blocks.{block}"
        rows.append(_large_layer(path, place * (block % 97)))
    total = sum(row.own_params for row in rows)
    known = {"params": total, "trainable_params": total, "flops": 123_456 * total}
    return replace(profile(), layers=tuple(rows), **known)


def _large_layer(path: str, cost: int) -> LayerProfile:
    return LayerProfile(
        path=path,
        type="Conv2d" if cost else "Block",
        arguments=f"{cost}, 64, kernel_size=(3, 3)",
        own_params=cost,
        params=cost,
        trainable_params=cost,
        own_flops=123_456 * cost,
        flops=123_456 * cost,
        calls=1,
    )


def timed(spec: Mapping[str, Costs] = NET, latency_ms: float = 100.0, **more: Any) -> ModelProfile:
    """Build a profile that was timed in the usual environment."""
    known = {"latency_ms": latency_ms, "latency_spread_ms": 0.0, "rounds": 10}
    return profile(spec, **{**known, "environment": ENVIRONMENT, **more})


def with_memory(memory_bytes: int = 1_000_000, **more: Any) -> ModelProfile:
    """Build a profile whose memory was measured in the usual environment, and nothing else."""
    return profile(**{"memory_bytes": memory_bytes, "environment": ENVIRONMENT, **more})


def baseline(spec: Mapping[str, Costs] = NET, **more: Any) -> Baseline:
    """Build a baseline of a model with these own costs."""
    total = {"params": sum(c[1] for c in spec.values()), "flops": sum(c[2] for c in spec.values())}
    own = {
        path: OwnCost(type=kind, costs={"params": params, "flops": flops})
        for path, (kind, params, flops) in spec.items()
        if params or flops
    }
    known = {
        "test": "tests/test_net.py::test_net",
        "model": "Net",
        "inputs": ("float32[1, 3, 8, 8]",),
        "mode": "inference",
        "engine": "dispatch",
        "total": total,
        "own": own,
    }
    return Baseline(**{**known, **more})


def as_read(record: Baseline) -> Baseline:
    """Return a baseline as it comes from its file, with the lines where its parts stand."""
    return parse(text_of(record), FILE)


def entry(
    latency_ms: float | None = 100.0,
    *,
    torch: str = "2.13",
    python: str | None = "3.13",
    flops: int | None = 100_000_000,
    layers: Mapping[str, float] | None = None,
    **figures: float,
) -> EnvironmentEntry:
    """Build what was measured in one environment for `NET`."""
    known = {} if latency_ms is None else {"latency_ms": latency_ms}
    return EnvironmentEntry(
        torch=torch,
        python=python,
        flops=flops,
        figures={**known, **figures},
        layers=dict(layers or {}),
    )


def with_entry(latency_ms: float | None = 100.0, **more: Any) -> Baseline:
    """Build a baseline of `NET` that was timed in the usual environment."""
    return baseline(environments={ENVIRONMENT.key: entry(latency_ms, **more)})


def uncounted(operator: str = "shop::warp", path: str = "head", **more: Any) -> Uncounted:
    """Build an operator that nothing counts."""
    return Uncounted(
        **{"operator": operator, "path": path, "shapes": ((1, 8),), "calls": 1, **more}
    )


def budget_settings(*metrics: str, **more: Any) -> BudgetSettings:
    """Build settings for some metrics, params and GFLOPs by default."""
    return BudgetSettings(metrics=metrics or EXACT, **more)


def tolerating(**shares: str) -> BudgetSettings:
    """Build settings for the metrics named, with these tolerances: `params="13/100"`."""
    return budget_settings(*shares).with_tolerance(
        {key: Fraction(share) for key, share in shares.items()}
    )


def result(
    measured: ModelProfile,
    stored: Baseline | None,
    agreed: BudgetSettings | None = None,
    test: str = "tests/test_net.py::test_net",
    **more: Any,
) -> Result:
    """Judge a profile as the fixture does."""
    agreed = budget_settings() if agreed is None else agreed
    stored = None if stored is None else as_read(stored)
    known = {
        "test": test,
        "name": None,
        "path": FILE.removeprefix("budgets/"),
        "file": FILE,
        "budget_settings": agreed,
        "profile": measured,
        "baseline": stored,
        "judgement": judge(measured, stored, agreed),
        "update": UpdateCommand(target=test),
    }
    return Result(**{**known, **more})


def update_of(one: Result) -> BaselineChange:
    """Return what an update makes of the baseline of a result."""
    agreed = one.budget_settings
    test = one.test if one.baseline is None else one.baseline.test
    new = updated(one.baseline, one.profile, agreed, test, adds_entry=True)
    return BaselineChange(path=one.path, file=one.file, old=one.baseline, new=new)


def settings(**more: Any) -> RunSettings:
    """Build the settings of a run that judges."""
    known = {
        "judge": True,
        "update": False,
        "root": Path("/home/shop"),
        "directory": Path("/home/shop/budgets"),
        "shown_directory": "budgets",
        "budget_settings": budget_settings(),
        "pinned": (),
        "adds_entry": False,
        "table": "failed",
        "depth": 2,
        "columns": (),
        "github": False,
        "report_only": False,
        "trim": False,
        "propose": None,
        "files": {},
    }
    lacking = {f.name: None for f in fields(RunSettings)}  # of options that came later
    return RunSettings(**{**lacking, **known, **more})


def run(*results: Result, **more: Any) -> Run:
    """Build what a run came to; `more` is of the run, or of its settings."""
    of_run = {f.name: more.pop(f.name) for f in fields(Run) if f.name in more}
    return Run(results=results, **{"settings": settings(**more), **of_run})


# --------------------------------------------------------------------------- by Hypothesis

MAX_COUNT = 10**24
TRICKY = (
    *("", "0", "1.10", "0.conv", "1e3", "0x1F", "0o17", "1_000", "1:30", "12:30:45", "2026-01-01"),
    *("no", "No", "yes", "on", "off", "true", "null", "~", "=", "<<", ".inf", ".nan", "-", "--- a"),
    *("'", '"', "it's", "\\", "\\n", "a\nb", "a\tb", "\n", " a", "a ", "a: b", "a:", ":a", "a #b"),
    *("#a", "- a", "? a", "[a]", "{a}", "a, b", "&a", "*a", "!a", "|", ">", "%a", "@a", "`a`"),
    *("a\x00b", "\x85", "\u2028", "\ufeff", "\xa0", "é", "层.0", "🤖", "१", "\U0010ffff", "\x7f"),
)


def texts(max_size: int = 30) -> SearchStrategy[str]:
    """Generate any text that UTF-8 can hold, and those that YAML would read as something else."""
    anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=max_size)
    return st.sampled_from(TRICKY) | anything


def paths() -> SearchStrategy[str]:
    """Generate layer paths: dotted names of every kind."""
    piece = st.from_regex(r"[a-z_]{1,8}|[0-9]{1,3}", fullmatch=True)
    return st.lists(piece, min_size=1, max_size=4).map(".".join) | texts()


def counts() -> SearchStrategy[int]:
    """Generate params and FLOPs of any size."""
    return st.integers(0, 10_000) | st.integers(0, MAX_COUNT)


def times() -> SearchStrategy[float]:
    """Generate milliseconds as they are stored: four digits, at most nine after the point."""
    return st.builds(
        lambda digits, power: float(f"{digits}e{power}"),
        st.integers(1000, 9999),
        st.integers(-9, 6),
    )


@st.composite
def baselines(draw: st.DrawFn) -> Baseline:
    """Generate valid baselines: each total is the sum of what the layers cost."""
    fields = [figure.field for figure in figures_of(exact_metrics())]
    costs = draw(st.lists(st.sampled_from(fields), unique=True))
    own_costs = st.fixed_dictionaries({cost: counts() for cost in costs})
    own = draw(
        st.dictionaries(paths(), st.builds(OwnCost, type=texts(), costs=own_costs), max_size=5)
    )
    return Baseline(
        test=draw(texts()),
        model=draw(texts()),
        inputs=tuple(draw(st.lists(texts(), max_size=3))),
        mode=draw(st.sampled_from(["inference", "training"])),
        engine=draw(st.sampled_from(["dispatch", "thop", "yolov5"])),
        counter=draw(st.none() | texts().filter(bool)),
        total={cost: sum(layer.costs[cost] for layer in own.values()) for cost in costs},
        own=own,
        state=tuple(draw(st.lists(texts(), max_size=3))),
        ignored=tuple(draw(st.lists(texts(), max_size=3))),
        data_dependent=draw(st.booleans()),
        environments=draw(st.dictionaries(texts(), entries(), max_size=2)),
    )


@st.composite
def entries(draw: st.DrawFn) -> EnvironmentEntry:
    """Generate what was measured in one environment, in inference or training mode."""
    memory = draw(st.none() | counts())
    lengths = (1, 3) if memory is None else (0, 1, 3)
    length = draw(st.sampled_from(lengths))
    measured = draw(st.lists(times(), min_size=length, max_size=length))
    fields = [figure.field for figure in LATENCY.figures]
    figures = dict(zip(fields, measured, strict=False))
    return EnvironmentEntry(
        torch=draw(texts()),
        python=draw(st.none() | texts()),
        flops=draw(st.none() | counts()),
        figures=figures if memory is None else {**figures, "memory_bytes": memory},
        layers=draw(st.dictionaries(paths(), times(), max_size=3)) if measured else {},
    )


def shares() -> SearchStrategy[Fraction]:
    """Generate tolerances, of up to tenths of a percent."""
    return st.integers(0, 3000).map(lambda tenths: Fraction(tenths, 1000))


def environments() -> SearchStrategy[Environment]:
    """Generate environments."""
    return st.builds(
        Environment,
        device=st.sampled_from(["cpu", "cuda", "mps"]),
        hardware=texts(),
        cores=st.integers(1, 256),
        threads=st.integers(1, 256),
        torch=texts(),
        python=texts(),
    )


def layer_profiles() -> SearchStrategy[LayerProfile]:
    """Generate layers whose figures need not agree."""
    shapes = st.lists(st.lists(st.integers(0, 4096), max_size=4).map(tuple), max_size=3).map(tuple)
    count, time = st.none() | counts(), st.none() | st.floats(0, 1e9)
    optional = {
        f.name: count if "flops" in f.name or f.name in ("calls", "memory_bytes") else time
        for f in fields(LayerProfile)
        if f.default is None
    }
    return st.builds(
        LayerProfile,
        path=paths(),
        type=texts(),
        arguments=texts(),
        params=counts(),
        own_params=counts(),
        trainable_params=counts(),
        input_shapes=shapes,
        output_shapes=shapes,
        **optional,
    )


def model_profiles() -> SearchStrategy[ModelProfile]:
    """Generate profiles whose figures need not agree."""
    shapes = st.lists(st.lists(st.integers(0, 9), max_size=3).map(tuple), max_size=2).map(tuple)
    operators = st.builds(
        Uncounted, operator=texts(), path=paths(), shapes=shapes, calls=st.integers(1, 99)
    )
    return st.builds(
        ModelProfile,
        model=texts(),
        mode=st.sampled_from(["inference", "training"]),
        engine=st.sampled_from(["dispatch", "thop", "yolov5"]),
        counter=st.none() | texts(),
        inputs=st.lists(texts(), max_size=2).map(tuple),
        params=counts(),
        trainable_params=counts(),
        buffers=counts(),
        flops=st.none() | counts(),
        forward_flops=st.none() | counts(),
        latency_ms=st.none() | st.floats(0, 1e9),
        rounds=st.none() | st.integers(1, 1000),
        layers=st.lists(layer_profiles(), max_size=3).map(tuple),
        uncounted=st.lists(operators, max_size=2).map(tuple),
        unused=st.lists(texts(), max_size=2).map(tuple),
        counted_on=st.sampled_from([None, "meta", "fake", "real"]),
        data_dependent=st.booleans(),
        environment=st.none() | environments(),
        not_measured=st.dictionaries(texts(), texts(), max_size=2),
    )


def all_budget_settings() -> SearchStrategy[BudgetSettings]:
    """Generate settings of every kind."""
    amounts = st.fractions(min_value=0)
    return st.builds(
        BudgetSettings,
        name=st.none() | texts(),
        metrics=st.sampled_from([("params",), EXACT, ("params", "gflops", "latency")]),
        device=st.none() | texts(),
        threads=st.integers(1, 64),
        time_limit=st.floats(0.1, 1000),
        tolerance=st.dictionaries(st.sampled_from(["params", "gflops", "latency"]), amounts),
        ceilings=st.dictionaries(st.sampled_from(["params", "gflops", "latency"]), amounts),
        each_layer=st.booleans(),
        layer_globs=st.lists(texts(), max_size=2).map(tuple),
        ignore_ops=st.lists(texts(), max_size=2).map(tuple),
        fail_on=st.lists(texts(), max_size=2).map(tuple),
    )


def judgements() -> SearchStrategy[Judgement]:
    """Generate verdicts that need not follow from anything."""
    amount = st.none() | st.fractions(min_value=0)
    verdicts = st.builds(
        MetricVerdict,
        metric=st.sampled_from(["params", "gflops", "latency"]),
        path=st.none() | paths(),
        measured=amount,
        baseline=amount,
        budget=amount,
        verdict=st.sampled_from(Verdict),
        reason=texts(),
    )
    several = st.lists(verdicts, max_size=3).map(tuple)
    return st.builds(
        Judgement,
        metrics=several,
        layers=several,
        fail_on=st.lists(texts(), max_size=2).map(tuple),
    )


def results() -> SearchStrategy[Result]:
    """Generate what a worker sends to the controller."""
    return st.builds(
        Result,
        test=texts(),
        name=st.none() | texts(),
        path=texts(),
        file=texts(),
        budget_settings=all_budget_settings(),
        profile=model_profiles(),
        baseline=st.none() | baselines(),
        judgement=judgements(),
    )
