"""A failure says which layers are to blame: widened, added, removed, renamed, called twice."""

from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest

from tests.plugin.golden import assert_golden
from tests.plugin.project import Project, failure_of, line_with, sentence

INPUTS = {
    "net": "torch.zeros(1, 8)",
    "tagger": "torch.zeros(1, 8, dtype=torch.long)",
    "llama": "torch.zeros(1, 8, dtype=torch.long)",
}
TEST = """
from tests.plugin.variants import {name}

def test_model(flop_budget):
    flop_budget({name}("{change}"), {inputs})
"""
MLP = "model.layers.1.mlp"
GROWN = {"net": "third", "tagger": "lstm", "llama": "lm_head"}  # beside what is renamed


def lstm_weights(hidden: int) -> int:
    """The scalars in the matrices of the tagger's LSTM: two layers, each in two directions."""
    return 2 * 4 * hidden * ((64 + hidden) + (2 * hidden + hidden))


def lstm_params(hidden: int) -> int:
    """With the two biases of each cell."""
    return lstm_weights(hidden) + 2 * 2 * 2 * 4 * hidden


LLAMA_MATRICES = 256 * (256 + 128 + 128 + 256) + 3 * 256 * 704  # of one decoder layer
LLAMA_ATTENTION = 2 * (2 * 8 * 8 * 8 * 32)  # two products of 8 heads, 8 x 8 tokens, 32 wide


@dataclass(frozen=True)
class Change:
    """What a change of a model does to its figures, derived by hand."""

    model: str
    change: str
    params: int
    flops: int
    first: str  # the layer that is named first
    kind: str

    def __str__(self) -> str:
        return f"{self.model}-{self.change}"


CHANGES = [
    Change("net", "widened", 8 * 2 + 2 * 4, 2 * (8 * 2 + 2 * 4), "second", "grown"),
    Change("net", "added", 16, 2 * 16, "fourth", "new"),
    Change("net", "removed", -64, -2 * 64, "second", "missing"),
    Change("net", "renamed", 0, 0, "middle", "renamed"),
    Change("net", "twice", 0, 2 * 64, "second", "grown"),
    Change(
        "tagger",
        "widened",
        lstm_params(136) - lstm_params(128) + 17 * 2 * 8,
        2 * 8 * (lstm_weights(136) - lstm_weights(128) + 17 * 2 * 8),
        "lstm",
        "grown",
    ),
    Change("tagger", "added", 17 * 17, 2 * 8 * 17 * 17, "projection", "new"),
    Change("tagger", "removed", -17 * 257, -2 * 8 * 17 * 256, "classifier", "missing"),
    Change("tagger", "renamed", 0, 0, "head", "renamed"),
    Change("tagger", "twice", 0, 2 * 8 * 17 * 256, "classifier", "grown"),
    Change("llama", "widened", 3 * 256 * 64, 2 * 8 * 3 * 256 * 64, f"{MLP}.gate_proj", "grown"),
    Change(
        "llama",
        "added",
        LLAMA_MATRICES + 2 * 256,
        2 * 8 * LLAMA_MATRICES + LLAMA_ATTENTION,
        "model.layers.4.mlp.gate_proj",
        "new",
    ),
    Change(
        "llama",
        "removed",
        -(LLAMA_MATRICES + 2 * 256),
        -(2 * 8 * LLAMA_MATRICES + LLAMA_ATTENTION),
        "model.layers.3.mlp.gate_proj",
        "missing",
    ),
    Change("llama", "renamed", 0, 0, f"{MLP}.gate", "renamed"),
    Change("llama", "twice", 0, 2 * 8 * 3 * 256 * 704, f"{MLP}.gate_proj", "grown"),
]


def those(*changes: str) -> pytest.MarkDecorator:
    found = [change for change in CHANGES if change.change in changes]
    return pytest.mark.parametrize("change", found, ids=str)


def write(project: Project, change: Change, *, now: bool, extra: str = "") -> None:
    source = TEST.format(
        name=change.model, change=change.change if now else "", inputs=INPUTS[change.model]
    )
    project.write("test_model.py", source + extra)


@pytest.fixture(scope="module", autouse=True)
def _transformers() -> None:
    """Import it before pytester can forget it."""
    with suppress(ImportError):
        import_module("transformers.models.llama.modeling_llama")


@pytest.fixture
def changed(project: Project, change: Change) -> Project:
    """A project whose model was changed after its baseline was written."""
    if change.model == "llama":
        pytest.importorskip("transformers")
    write(project, change, now=False)
    project.update().assert_outcomes(passed=1)
    write(project, change, now=True)
    return project


def metrics(budget: Any) -> list[tuple[int, str]]:
    """Params and FLOPs over the baseline, each with its verdict."""
    rows = [(budget["metrics"][key], scale) for key, scale in (("params", 1), ("gflops", 10**9))]
    return [
        (round((row["measured"] - row["baseline"]) * scale), row["verdict"]) for row, scale in rows
    ]


@those("widened", "added", "removed", "renamed", "twice")
def test_the_figures_change_by_what_the_change_costs(changed: Project, change: Change) -> None:
    (budget,) = changed.report()["budgets"]
    words = {1: "exceeded", 0: "within", -1: "improved"}
    expected = [
        (grown, words[(grown > 0) - (grown < 0)]) for grown in (change.params, change.flops)
    ]
    assert metrics(budget) == expected


@those("widened", "added", "twice")
def test_growth_names_the_layer_first(changed: Project, change: Change) -> None:
    result = changed.judge()
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_model")
    new = "the new " if change.kind == "new" else ""
    assert f"mostly {new}`{change.first}`" in sentence(said)
    (cause,) = (i for i, line in enumerate(said) if "changed, by " in line)  # one list
    assert said[cause].partition(":")[0] == ("params, GFLOPs" if change.params else "GFLOPs")
    has_heading = bool(change.params)
    path, *_, kind = said[cause + 1 + has_heading].split()
    assert (path, kind == "new") == (change.first, change.kind == "new")


@those("widened", "added", "twice")
def test_the_hint_is_the_command_that_accepts_it(changed: Project, change: Change) -> None:
    result = changed.judge()
    said = failure_of(result, "test_model")
    assert said[-1].strip() == "pytest --update-budgets test_model.py::test_model", change
    changed.update().assert_outcomes(passed=1)
    changed.judge().assert_outcomes(passed=1)


@those("removed")
def test_a_removed_layer_is_an_improvement(changed: Project, change: Change) -> None:
    result = changed.judge()
    result.assert_outcomes(passed=1)
    assert line_with(result, "1 budget:") == "1 budget: 1 improved", change


@those("removed")
def test_a_removed_layer_is_named_as_missing(changed: Project, change: Change) -> None:
    lines = [line.split() for line in changed.judge().outlines if line.startswith("  ")]
    assert change.first in {line[0] for line in lines if line[-1] == "missing"}


@those("removed")
def test_a_removed_layer_is_named_where_improvements_fail(changed: Project, change: Change) -> None:
    result = changed.judge("--flop-budget-fail-on=improved")
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_model")
    assert "improved" in sentence(said)
    assert any(line.split()[:1] == [change.first] and "missing" in line for line in said)


@those("renamed")
def test_a_renamed_layer_passes(changed: Project, change: Change) -> None:
    changed.judge().assert_outcomes(passed=1)
    changed.judge("--flop-budget-fail-on=improved").assert_outcomes(passed=1)
    assert change.kind == "renamed"


@those("renamed")
def test_a_renamed_layer_is_named_as_renamed_in_a_failure(changed: Project, change: Change) -> None:
    write(
        changed,
        change,
        now=True,
        extra=f"""
    model = {change.model}("renamed")
    model.get_submodule("{GROWN[change.model]}").extra = nn.Parameter(torch.zeros(1))
    flop_budget.named("grown")(model, {INPUTS[change.model]})
""",
    )
    file = "budgets/test_model/test_model{}.yaml"
    text = (changed.root / file.format("")).read_text()
    (changed.root / file.format(".grown")).write_text(text)
    result = changed.judge()
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_model")
    assert f"mostly `{GROWN[change.model]}`" in sentence(said)
    start = next(i for i, line in enumerate(said) if line.startswith("renamed"))
    old, arrow, new = said[start + 1].split()
    assert (arrow, new) == ("->", change.first)
    assert old == {"middle": "second", "head": "classifier"}.get(new, f"{MLP}.gate_proj")


@those("renamed")
def test_an_update_writes_the_new_name(changed: Project, change: Change) -> None:
    before = changed.budgets()["test_model/test_model.yaml"].splitlines()
    changed.update().assert_outcomes(passed=1)
    after = changed.budgets()["test_model/test_model.yaml"].splitlines()
    renamed = {"net": 1, "tagger": 1, "llama": 3}[change.model]
    assert len(set(after) - set(before)) == renamed
    assert len(set(before) - set(after)) == renamed
    assert any(line.startswith(f"  {change.first}: ") for line in after)


@those("twice")
def test_a_layer_called_twice_costs_twice(changed: Project, change: Change) -> None:
    (budget,) = changed.report()["budgets"]
    layer = next(layer for layer in budget["layers"] if layer["path"] == change.first)
    verdict = layer["verdicts"]["gflops"]
    assert layer["calls"] == 2
    assert verdict["measured"] == 2 * verdict["baseline"]
    assert layer["verdicts"]["params"]["verdict"] == "within"


@those("twice")
def test_the_table_below_shows_the_calls(changed: Project, change: Change) -> None:
    result = changed.judge("--flop-budget-depth=9")
    rows = [line.split() for line in result.outlines if f" {change.first} " in line]
    assert [row for row in rows if row[-1] == "2" or row[5:6] == ["2"]] != []


@those("widened", "added", "twice")
def test_no_failure_is_wider_than_80_columns(changed: Project, change: Change) -> None:
    said = failure_of(changed.judge(), "test_model")
    assert [line for line in said if len(line) > 80] == [], change


@those("widened")
def test_golden_failure(changed: Project, change: Change) -> None:
    assert_golden(f"failure_{change}", failure_of(changed.judge(), "test_model"))


def test_the_model_itself_is_never_new(project: Project) -> None:
    source = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)
            {}

        def forward(self, x):
            return self.layer(x)

    def test_net(flop_budget):
        flop_budget(Net(), torch.zeros(1, 1))
    """
    project.write("test_net.py", source.format("pass"))
    project.update()
    project.write("test_net.py", source.format("self.scale = nn.Parameter(torch.zeros(3))"))
    said = sentence(failure_of(project.judge(), "test_net"))
    assert "`(model)` (Net)" in said
    assert "new" not in said
