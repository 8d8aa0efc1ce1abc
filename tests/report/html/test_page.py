"""The HTML report as text: what it lets in, what it says of layers, how large it is."""

import base64
import json
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.baseline.stale import StaleBaselines
from pytest_flopbudget.report.html.page import html_text, script_json
from pytest_flopbudget.report.html.page_data import page_data
from pytest_flopbudget.report.run import Run
from pytest_flopbudget.verdict.result import Result, Unjudged
from tests.strategies import (
    ENVIRONMENT,
    NET,
    Costs,
    baseline,
    budget_settings,
    counts,
    entry,
    large,
    model_profiles,
    paths,
    profile,
    result,
    run,
    settings,
    texts,
    timed,
    uncounted,
    with_entry,
)

HOSTILE = [
    "</script><script>document.title = 'taken'</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    "a|b`c`",
    "a\u202eb\u2066c",
    "\u2028\u2029",
    "$data ${1} $$",
    "%0A::error::",
    "é🤖層",
    "\ud800",
    "x" * 10_000,
]
ALL = budget_settings("params", "gflops", "latency")


class Markup(HTMLParser):
    """The elements of a page with their attributes, and the texts of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] in ("script", "style") and data.strip():
            kind = self.elements[-1][1].get("type") or self.elements[-1][0]
            self.raw.append((kind, data))


def data_in(text: str) -> Any:
    (data,) = [raw for kind, raw in Markup(text).raw if kind == "application/json"]
    return json.loads(data)


def columns(found: Result) -> dict[str, Any]:
    """Read the columns of the layers of a budget as the page does, with their texts."""
    data = json.loads(script_json(page_data(run(found))))
    layers: dict[str, Any] = data["budgets"][0]["layers"]
    for name in ("path", "type", "arguments", "inputs", "outputs"):
        layers[name] = [data["texts"][number] for number in layers[name]]
    layers["former"] = {k: data["texts"][number] for k, number in layers["former"].items()}
    return layers


def by_path(layers: dict[str, Any], name: str) -> dict[str, str]:
    return {layers["path"][int(place)]: value for place, value in layers[name].items()}


# ------------------------------------------------------------------------ what it lets in


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_reaches_the_page_as_data_only(name: str) -> None:
    spec = {"": (name, 0, 0), name: (name, 1, 1)}
    measured = profile(spec, inputs=(name,), uncounted=(uncounted(name, name),), unused=(name,))
    found = result(measured, None, test=f"test_net.py::test_net[{name}]")
    hostile = Run(
        settings=settings(),
        results=(found,),
        unjudged=(Unjudged(test=name, name=name, error=name),),
    )
    text = html_text(hostile)
    plain = html_text(run())
    assert [tag for tag, _ in Markup(text).elements] == [tag for tag, _ in Markup(plain).elements]
    text.encode()  # a lone surrogate could not be written
    data = data_in(text)
    assert data == json.loads(script_json(page_data(hostile)))
    assert name in data["texts"]
    assert data["budgets"][0]["test"] == f"test_net.py::test_net[{name}]"
    assert data["errors"][0]["error"] == name


@given(texts(100))
def test_json_in_a_script_is_the_same_json_without_markup(text: str) -> None:
    written = script_json({text: [text]})
    assert written.isascii()
    assert not set("<>&") & set(written)
    assert json.loads(written) == {text: [text]}


def test_a_value_that_json_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json(float("nan"))


def test_the_policy_allows_the_page_its_own_script_and_style_and_nothing_else() -> None:
    markup = Markup(html_text(run()))
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in markup.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    hashes = {
        kind: f"'sha256-{base64.b64encode(sha256(raw.encode()).digest()).decode()}'"
        for kind, raw in markup.raw
    }
    assert dict(rule.strip().split(" ", 1) for rule in policy.split(";")) == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "img-src": "data:",
        "style-src": hashes["style"],
        "script-src": hashes["module"],
    }
    names = [tag for tag, _ in markup.elements]
    assert names.index("meta") < names.index("style")


def test_nothing_is_loaded_from_elsewhere() -> None:
    for tag, attributes in Markup(html_text(run())).elements:
        assert not {"src", "srcset", "style", "action"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert (attributes.get("href") or "#").startswith(("#", "data:image/svg+xml,")), tag


def test_the_script_never_makes_markup_of_a_text() -> None:
    (script,) = [raw for kind, raw in Markup(html_text(run())).raw if kind == "module"]
    ways = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(")
    assert [way for way in ways if way in script] == []


# ---------------------------------------------------------------------- what it says of layers


def test_the_columns_of_a_profile() -> None:
    more = {"stem": {"arguments": "3, 8", "input_shapes": ((1, 3), (2,)), "output_shapes": ((),)}}
    layers = columns(result(profile(NET, more), None))
    assert layers["path"] == ["", "stem", "body", "body.0", "body.1", "head"]
    assert layers["parent"] == [-1, 0, 0, 2, 2, 0]
    assert layers["type"][1] == "Conv2d"
    assert (layers["arguments"][1], layers["inputs"][1]) == ("3, 8", "1x3, 2")
    assert (layers["outputs"][1], layers["calls"]) == ("()", [1] * 6)
    assert layers["metrics"] == {
        "params": {"own": [0, 100, 0, 200, 0, 700]},
        "gflops": {"own": [0, 10_000_000, 0, 20_000_000, 0, 70_000_000]},
    }
    assert (layers["state"], layers["former"]) == ({}, {})


def test_only_what_changed_has_a_value_before() -> None:
    grown = {**NET, "head": ("Linear", 900, 70_000_000)}
    layers = columns(result(profile(grown), baseline()))
    assert layers["metrics"]["params"]["before"] == {"5": 700}
    assert layers["metrics"]["gflops"]["before"] == {}


def test_new_layers_cost_nothing_before() -> None:
    layers = columns(result(profile({**NET, "tail": ("Linear", 5, 6)}), baseline()))
    assert layers["metrics"]["params"]["before"] == {"6": 0}
    assert by_path(layers, "state") == {"tail": "new"}


def test_missing_layers_come_last_and_cost_nothing_now() -> None:
    stored = {
        **NET,
        "old": ("Sequential", 0, 0),
        "old.0": ("Linear", 5, 6),
        "old.1": ("Conv2d", 1, 0),
    }
    layers = columns(result(profile(), baseline(stored)))
    assert layers["path"][6:] == ["old", "old.0", "old.1"]
    assert layers["type"][6:] == ["", "Linear", "Conv2d"]
    assert layers["parent"][6:] == [0, 6, 6]
    assert by_path(layers, "state") == dict.fromkeys(("old", "old.0", "old.1"), "missing")
    assert layers["metrics"]["params"]["before"] == {"7": 5, "8": 1}
    assert layers["metrics"]["params"]["own"][7] == 0


def test_a_renamed_layer_is_one_and_unchanged() -> None:
    moved = {("neck.0" if path == "body.0" else path): costs for path, costs in NET.items()}
    layers = columns(result(profile(moved), baseline()))
    assert by_path(layers, "state") == {"neck.0": "renamed"}
    assert by_path(layers, "former") == {"neck.0": "body.0"}
    assert layers["metrics"]["params"]["before"] == {}
    assert "body.0" not in layers["path"]


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Costs]:
    kinds = st.sampled_from(["Linear", "Conv2d"])
    costs = st.tuples(kinds, counts(), counts())
    return {"": ("Net", 0, 0), **draw(st.dictionaries(paths().filter(bool), costs, max_size=8))}


@given(now=specs(), before=specs())
def test_own_costs_add_up_to_both_totals(now: dict[str, Costs], before: dict[str, Costs]) -> None:
    measured, stored = profile(now), baseline(before)
    layers = columns(result(measured, stored, budget_settings(each_layer=False)))
    for key, field in (("params", "params"), ("gflops", "flops")):
        column = layers["metrics"][key]
        own = [value or 0 for value in column["own"]]
        was = {str(place): value for place, value in enumerate(own)} | column["before"]
        assert sum(own) == getattr(measured, field)
        assert sum(was.values()) == stored.total[field]
    assert all(parent < place for place, parent in enumerate(layers["parent"]))


@given(measured=model_profiles())
def test_any_profile_has_a_page(measured: Any) -> None:
    found = result(measured, None, ALL)
    data = data_in(html_text(run(found)))
    texts = data["texts"]
    layers = data["budgets"][0]["layers"]
    assert [texts[number] for number in layers["path"]] == [layer.path for layer in measured.layers]


def test_times_before_are_those_that_were_stored() -> None:
    slow = {"head": {"latency_ms": 90.0, "own_latency_ms": 90.0}}
    stored = baseline(environments={ENVIRONMENT.key: entry(layers={"head": 40.5, "gone": 2.0})})
    layers = columns(result(timed(layers=slow), stored, ALL))
    assert layers["metrics"]["latency"]["own"] == [None] * 5 + [90]
    assert layers["metrics"]["latency"]["beforeTotal"] == {"5": 40.5}


def test_times_of_another_environment_are_not_compared() -> None:
    slow = {"head": {"latency_ms": 90.0, "own_latency_ms": 90.0}}
    layers = columns(result(timed(layers=slow), with_entry(torch="2.6"), ALL))
    assert "beforeTotal" not in layers["metrics"]["latency"]


def test_a_metric_without_layers_has_no_column() -> None:
    stored = baseline(environments={ENVIRONMENT.key: entry(layers={"head": 40.5})})
    layers = columns(result(timed(), stored, ALL))
    assert list(layers["metrics"]) == ["params", "gflops"]


def test_a_metric_that_is_not_judged_has_no_column() -> None:
    assert list(columns(result(profile(), baseline(), budget_settings("gflops")))["metrics"]) == [
        "gflops"
    ]


def test_without_a_baseline_nothing_was_before() -> None:
    metrics = columns(result(profile(), None))["metrics"]
    assert [sorted(column) for column in metrics.values()] == [["own"], ["own"]]


# ---------------------------------------------------------------------- what it says of budgets


def budget(found: Result) -> Any:
    return page_data(run(found))["budgets"][0]


def test_a_failing_budget_says_what_the_terminal_says() -> None:
    grown = profile({**NET, "head": ("Linear", 900, 70_000_000)})
    said = budget(result(grown, baseline()))
    assert (said["verdict"], said["failed"]) == ("exceeded", True)
    assert said["sentence"].startswith("`Net` exceeds its budget: params +20.0 %")
    assert said["hint"][-1] == "  pytest --update-budgets tests/test_net.py::test_net"
    assert said["metrics"]["params"] == {
        "verdict": "exceeded",
        "failed": True,
        "reason": "",
        "measured": "1,200",
        "budget": "1,000",
        "baseline": "1,000",
        "change": "+20.0 %",
        "used": 1.2,
        "decimals": 0,
        "tolerance": 0.0,
    }


def test_a_budget_that_passes_has_no_hint() -> None:
    said = budget(result(profile(), baseline()))
    assert (said["failed"], said["sentence"], said["hint"]) == (False, "", [])


def test_what_was_not_compared_says_why() -> None:
    said = budget(result(timed(), baseline(), ALL))["metrics"]["latency"]
    assert (said["verdict"], said["reason"]) == ("not compared", "no entry for this environment")
    assert (said["budget"], said["baseline"], said["change"], said["used"]) == (
        "-",
        "-",
        None,
        None,
    )


def test_ignored_operators_stay_visible() -> None:
    ran = profile(uncounted=(uncounted("a::a", calls=2), uncounted("b::b", path="")))
    said = budget(result(ran, baseline(), budget_settings(ignore_ops=("a::a",))))
    assert said["uncounted"] == [
        {"operator": "a::a", "layer": "head", "calls": 2, "shapes": "1x8", "ignored": True},
        {"operator": "b::b", "layer": "(model)", "calls": 1, "shapes": "1x8", "ignored": False},
    ]
    assert dict(said["facts"])["ignored by agreement"] == "a::a"


def test_facts() -> None:
    measured = timed(
        unused=tuple(f"p{i}" for i in range(52)),
        data_dependent=True,
        not_measured={"latency": "no time"},
        forward_flops=60_000_000,
        backward_flops=40_000_000,
    )
    facts = dict(
        budget(result(replace(measured, engine="thop", counter="thop 0.1.1"), None))["facts"]
    )
    assert facts["model"] == "Net, 6 layers"
    assert facts["trainable params"] == "1,000 of 1,000"
    assert facts["engine"] == "thop (thop 0.1.1)"
    assert facts["GFLOPs"] == "0.06000 forward, 0.04000 backward"
    assert facts["timed on"] == f"{ENVIRONMENT.key}, torch 2.13, 10 rounds"
    assert facts["latency not measured"] == "no time"
    assert facts["unused params"].endswith("p49 and 2 more")
    assert facts["baseline"] == "none: budgets/tests/test_net/test_net.yaml"


def test_the_run_is_described() -> None:
    errors = (Unjudged(test="tests/test_a.py::test_b", name="part", error="it broke"),)
    data = page_data(
        Run(
            settings=settings(),
            results=(),
            unjudged=errors,
            stale=StaleBaselines(gone=("old.yaml",)),
        )
    )
    assert data["stale"] == ["old.yaml"]
    assert data["errors"] == [
        {"title": "test_b (part)", "testFile": "tests/test_a.py", "error": "it broke"}
    ]
    assert data["settings"][0] == "judge params,gflops, engine dispatch, baselines in budgets"
    assert set(data["environment"]) == {
        "python",
        "platform",
        "pytest-flopbudget",
        "pytest",
        "torch",
    }


# ------------------------------------------------------------------------------- how large it is


def test_a_page_without_budgets_is_small() -> None:
    assert len(html_text(run())) < 64_000


def test_a_page_of_ordinary_models_is_small() -> None:
    one = result(large(200), None)  # more layers than YOLOv5s or a ResNet-50 have
    found = [replace(one, test=f"tests/test_a.py::test_b[{i}]") for i in range(10)]
    assert len(html_text(run(*found))) < 300_000


def test_300_budgets_stay_handy() -> None:
    one = result(large(200), None)
    found = [replace(one, test=f"tests/test_a.py::test_b[{i}]") for i in range(300)]
    assert len(html_text(run(*found))) < 6_000_000


def test_10_000_layers_stay_handy() -> None:
    assert len(html_text(run(result(large(10_000), None)))) < 1_500_000
