"""Records to text: exact, readable, the same bytes each time."""

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given

from pytest_flopbudget.baseline.reader import parse
from pytest_flopbudget.baseline.record import Baseline, EnvironmentEntry, OwnCost
from pytest_flopbudget.baseline.writer import text_of
from pytest_flopbudget.baseline.yaml_scalars import number_text
from pytest_flopbudget.metrics import LATENCY, METRICS, figures_of
from tests.strategies import MAX_COUNT, TRICKY, baseline, baselines, entry, with_entry

EXAMPLE = """\
# Baseline of pytest-flopbudget: update it with `pytest --update-budgets`.
# A multiply-add is 2 FLOPs; element-wise operators, reductions, norms and pooling are 0.
format: 1
test: tests/test_detector.py::test_detector
model: Detector
inputs: ['float32[1, 3, 640, 640]']
mode: inference
engine: dispatch
total: {params: 7033114, gflops: 15.7884416}
own:   # layers that cost nothing are left out
  model.0.conv: {type: Conv2d, params: 3456, gflops: 0.7077888}
latency:
  cpu, Intel Xeon 6960P, 2 cores, 1 thread:
    torch: '2.13'
    python: '3.13'
    gflops: 15.7884416
    total_ms: 812.4
    layers:   # of 1 % and more
      model.0: 31.2
"""


def lines_of(record: Baseline) -> list[str]:
    """Return the lines of a file without the one on the convention of FLOPs."""
    first, _, *rest = text_of(record).splitlines()
    return [first, *rest]


def one_layer(path: str, params: int = 1, flops: int = 0, kind: str = "Linear") -> Baseline:
    return baseline({path: (kind, params, flops)})


def test_the_example_of_the_contract_is_written_exactly() -> None:
    flops = 15_788_441_600  # of YOLOv5s at 640 x 640, as the model's test counts them
    key = "cpu, Intel Xeon 6960P, 2 cores, 1 thread"
    timing = EnvironmentEntry(
        torch="2.13",
        python="3.13",
        flops=flops,
        figures={"latency_ms": 812.4},
        layers={"model.0": 31.2},
    )
    record = Baseline(
        test="tests/test_detector.py::test_detector",
        model="Detector",
        inputs=("float32[1, 3, 640, 640]",),
        mode="inference",
        engine="dispatch",
        total={"params": 7_033_114, "flops": flops},
        own={"model.0.conv": OwnCost(type="Conv2d", costs={"params": 3456, "flops": 707_788_800})},
        environments={key: timing},
    )
    assert text_of(record) == EXAMPLE


def test_training_figures_stand_beside_the_total() -> None:
    costs = {"params": 3, "flops": 30, "forward_flops": 10, "backward_flops": 20}
    times = {"latency_ms": 3.0, "forward_latency_ms": 1.0, "backward_latency_ms": 2.0}
    timing = EnvironmentEntry(torch="2.13", python="3.13", flops=30, figures=times)
    own = {"fc": OwnCost(type="Linear", costs=costs)}
    record = replace(
        baseline({}, total=costs, own=own), mode="training", environments={"cpu": timing}
    )
    figures = (
        "params: 3, gflops: 0.00000003, forward_gflops: 0.00000001, backward_gflops: 0.00000002"
    )
    assert lines_of(record)[7:] == [
        f"total: {{{figures}}}",
        "own:   # layers that cost nothing are left out",
        f"  fc: {{type: Linear, {figures}}}",
        "latency:",
        "  cpu:",
        "    torch: '2.13'",
        "    python: '3.13'",
        "    gflops: 0.00000003",
        "    total_ms: 3",
        "    forward_ms: 1",
        "    backward_ms: 2",
    ]


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (0, "0"),
        (1, "0.000001"),
        (102_760_448, "102.760448"),
        (10**6, "1"),
        (10**24, f"1{'0' * 18}"),
    ],
)
def test_memory_is_written_to_the_byte(count: int, written: str) -> None:
    alone = EnvironmentEntry(torch="2.13", python="3.13", flops=30, figures={"memory_bytes": count})
    assert lines_of(baseline({}, environments={"cpu": alone}))[9:] == [
        "latency:",
        "  cpu:",
        "    torch: '2.13'",
        "    python: '3.13'",
        "    gflops: 0.00000003",
        f"    memory_mb: {written}",
    ]


def test_memory_follows_the_times() -> None:
    record = with_entry(memory_bytes=8192, layers={"stem": 30.0})
    assert [line.split(":")[0].strip() for line in lines_of(record)[-5:]] == [
        *("gflops", "total_ms", "memory_mb", "layers", "stem")
    ]


def test_thop_and_ignored_operators_are_named_after_the_engine() -> None:
    record = baseline({}, engine="thop", counter="thop 0.1.1", ignored=("a::b", "layer:Embedding"))
    assert lines_of(record)[6:9] == [
        "engine: thop",
        "thop: thop 0.1.1",
        "ignored: ['a::b', 'layer:Embedding']",
    ]


def test_a_count_that_depends_on_data_is_marked_in_the_head() -> None:
    marked = "data_dependent: true   # the values of tensors decided what ran or what it costs"
    assert lines_of(baseline(data_dependent=True))[6:8] == ["engine: dispatch", marked]


def test_a_model_that_costs_nothing_has_no_layers() -> None:
    assert lines_of(baseline({}))[7:] == ["total: {params: 0, gflops: 0}", "own: {}"]


def test_layers_keep_the_order_of_the_record() -> None:
    paths = ["z", "a", "10", "9", "", "m.0"]
    record = baseline(dict.fromkeys(paths, ("Linear", 1, 0)))
    assert list(parse(text_of(record), "a.yaml").own) == paths


@pytest.mark.parametrize("length", [1, 80, 81, 1000])
def test_a_layer_is_one_line_at_any_length(length: int) -> None:
    record = baseline({"a" * length: ("L" * length, 1, MAX_COUNT + 1), "b": ("Linear", 1, 0)})
    assert len(lines_of(record)) == 11
    assert parse(text_of(record), "a.yaml") == record


def test_a_layer_path_of_2000_characters_is_read_again() -> None:
    record = one_layer("a" * 2000)
    assert parse(text_of(record), "a.yaml") == record


@pytest.mark.parametrize(
    ("flops", "written"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (20, "0.00000002"),
        (999_999_999, "0.999999999"),
        (10**9, "1"),
        (10**9 + 1, "1.000000001"),
        (15_788_441_600, "15.7884416"),
        (10**18, "1000000000"),
        (9 * 10**24 + 1, "9000000000000000.000000001"),
    ],
)
def test_gflops_are_written_with_every_digit_and_no_exponent(flops: int, written: str) -> None:
    assert lines_of(one_layer("a", 1, flops))[9] == (
        f"  a: {{type: Linear, params: 1, gflops: {written}}}"
    )


@pytest.mark.parametrize(
    ("time_ms", "written"),
    [
        (0.0, "0"),
        (812.4, "812.4"),
        (31.2, "31.2"),
        (1.0, "1"),
        (1.23449, "1.234"),
        (123_456.0, "123500"),
        (0.000_001_234, "0.000001234"),
        (1e9, "1000000000"),
    ],
)
def test_times_are_written_with_four_digits_and_no_exponent(time_ms: float, written: str) -> None:
    assert number_text(LATENCY, time_ms) == written


@pytest.mark.parametrize("path", TRICKY)
def test_a_path_is_read_as_it_was_written(path: str) -> None:
    assert list(parse(text_of(one_layer(path)), "a.yaml").own) == [path]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", "  '': {type: Linear, params: 1, gflops: 0}"),
        ("1.10", "  '1.10': {type: Linear, params: 1, gflops: 0}"),
        ("no", "  'no': {type: Linear, params: 1, gflops: 0}"),
        ("0.conv", "  0.conv: {type: Linear, params: 1, gflops: 0}"),
    ],
)
def test_a_path_that_yaml_would_read_as_something_else_is_quoted(path: str, line: str) -> None:
    assert lines_of(one_layer(path))[9] == line


def test_numbers_that_differ_only_as_texts_stay_two_layers() -> None:
    record = baseline({"1.1": ("Linear", 1, 0), "1.10": ("Linear", 2, 0)})
    assert list(yaml.safe_load(text_of(record))["own"]) == ["1.1", "1.10"]


@given(record=baselines())
def test_reading_what_was_written_gives_the_record(record: Baseline) -> None:
    assert parse(text_of(record), "a.yaml") == record


@given(record=baselines())
def test_writing_what_was_read_gives_the_same_bytes(record: Baseline) -> None:
    text = text_of(record)
    assert text_of(parse(text, "a.yaml")).encode() == text.encode()


@given(record=baselines())
def test_pyyaml_agrees_on_keys_and_texts(record: Baseline) -> None:
    seen = yaml.safe_load(text_of(record))
    heads = ("test", "model", "mode", "engine", "inputs")
    assert [seen[key] for key in heads[:4]] == [getattr(record, key) for key in heads[:4]]
    assert seen["inputs"] == list(record.inputs)
    assert seen.get("ignored", []) == list(record.ignored)
    assert seen.get("thop") == record.counter
    assert seen.get("data_dependent", False) is record.data_dependent
    assert [(path, own["type"]) for path, own in seen["own"].items()] == [
        (path, own.type) for path, own in record.own.items()
    ]
    latency = seen.get("latency", {})
    assert [(key, e["torch"], list(e.get("layers", {}))) for key, e in latency.items()] == [
        (key, e.torch, list(e.layers)) for key, e in record.environments.items()
    ]


@given(record=baselines())
def test_each_layer_is_one_line(record: Baseline) -> None:
    text = text_of(record)
    own = text.split("\nown:", 1)[1].split("\nlatency:\n", 1)[0]
    assert own.count("\n") == len(record.own) + (not record.environments)
    assert text.count("\n") == len(text.splitlines())


@given(record=baselines())
def test_no_number_has_an_exponent(record: Baseline) -> None:
    numbers = [
        pair[1].value
        for mapping in mappings(yaml.compose(text_of(record)))
        for pair in mapping.value
        if pair[0].value in ("params", "total_ms") or pair[0].value.endswith("gflops")
        if isinstance(pair[1], yaml.ScalarNode) and pair[1].style is None
    ]
    assert all(re.fullmatch(r"\d+(\.\d{1,9})?", number) for number in numbers)


def mappings(node: Any) -> list[yaml.MappingNode]:
    """List a node and the ones in it that are mappings."""
    if not isinstance(node, yaml.MappingNode):
        return []
    return [node, *(inner for _, value in node.value for inner in mappings(value))]


@given(record=baselines())
def test_a_change_in_one_layer_is_its_line_and_the_total(record: Baseline) -> None:
    if not record.own or not record.total:
        return
    path, cost = next(iter(record.own)), next(iter(record.total))
    own = record.own[path]
    more = replace(own, costs={**own.costs, cost: own.costs[cost] + 1})
    total = {**record.total, cost: record.total[cost] + 1}
    grown = replace(record, own={**record.own, path: more}, total=total)
    before, after = lines_of(record), lines_of(grown)
    changed = [i for i, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    assert len(changed) == 2
    assert before[changed[0]].startswith("total: ")


def test_nothing_in_the_text_tells_the_time() -> None:
    assert not re.search(r"\b20\d\d\b|\d:\d\d", text_of(with_entry()))


def test_every_figure_has_a_key_of_its_own() -> None:
    figures = figures_of(METRICS.values())
    assert len({figure.yaml_key for figure in figures}) == len(figures)


def test_entries_are_written_in_their_order() -> None:
    record = baseline(environments={"b": entry(), "a": entry()})
    assert list(parse(text_of(record), "a.yaml").environments) == ["b", "a"]


def test_equal_records_give_equal_bytes() -> None:
    times = {"latency_ms": 3.0, "forward_latency_ms": 1.0, "backward_latency_ms": 2.0}
    one = EnvironmentEntry(torch="2.13", python="3.13", flops=None, figures=times)
    other = EnvironmentEntry(
        torch="2.13", python="3.13", flops=None, figures=dict(reversed(times.items()))
    )
    assert one == other
    assert text_of(baseline(environments={"cpu": one})) == text_of(
        baseline(environments={"cpu": other})
    )
