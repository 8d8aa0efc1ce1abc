"""What `git merge` makes of budgets that two branches changed: real branches, real merges."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.baseline.reader import parse
from pytest_flopbudget.baseline.update import updated
from pytest_flopbudget.baseline.writer import text_of
from tests.plugin.project import Project, failure_of, sentence
from tests.strategies import ENVIRONMENT, budget_settings, timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_flopbudget.baseline.record import Baseline

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
FILE = "budgets/test_net/test_net.yaml"
NET = """
def test_net(flop_budget):
    layers = [nn.Linear(1, 4), nn.Linear(4, 5), nn.Linear(5, 6), nn.Linear(6, 1)]
    {change}
    flop_budget(nn.Sequential(*layers), torch.zeros(1, 1))
"""
FIRST = "layers[0] = nn.Linear(1, 4, bias=False)"
LAST = "layers[3] = nn.Linear(6, 1, bias=False)"


class Repository:
    """A project under git, with a branch `theirs` beside the one that is checked out."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.git("init", "--quiet", "--initial-branch=ours")
        for key, value in {"user.name": "A", "user.email": "a@b", "commit.gpgsign": "no"}.items():
            self.git("config", key, value)

    def git(self, *args: str, status: int = 0) -> str:
        command = ["git", *args]
        done = subprocess.run(
            command, cwd=self.project.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def commit(self, change: Callable[[], object]) -> None:
        change()
        self.git("add", "budgets")
        self.git("commit", "--quiet", "--message=x")

    def merge(
        self, base: Callable[[], object], *, status: int = 0, **sides: Callable[[], object]
    ) -> None:
        """Commit the base, then a change on each side of it, and merge theirs into ours."""
        self.commit(base)
        self.git("branch", "theirs")
        self.commit(sides["ours"])
        self.git("checkout", "--quiet", "theirs")
        self.commit(sides["theirs"])
        self.git("checkout", "--quiet", "ours")
        self.git("merge", "--quiet", "--no-edit", "theirs", status=status)

    def conflicts(self) -> list[str]:
        """Return what git could not merge in the file, side by side."""
        lines = (self.project.root / FILE).read_text(encoding="utf-8").splitlines()
        start, end = (i for i, li in enumerate(lines) if li.startswith(("<<<<<<<", ">>>>>>>")))
        return [line for line in lines[start + 1 : end] if line != "======="]


@pytest.fixture
def repository(project: Project) -> Repository:
    return Repository(project)


def write_net(project: Project, *changes: str) -> None:
    project.write("test_net.py", NET.format(change="; ".join(changes) or "pass"))


def test_two_budgets_do_not_conflict(repository: Repository) -> None:
    project = repository.project

    def sizes(**files: int) -> Callable[[], object]:
        def update() -> None:
            for name, size in files.items():
                project.sized(size, file=f"test_{name}.py")
            project.update()

        return update

    repository.merge(sizes(a=1, b=1), ours=sizes(a=2, b=1), theirs=sizes(a=1, b=3))
    for name, size in {"a": 2, "b": 3}.items():
        project.sized(size, file=f"test_{name}.py")
    project.judge().assert_outcomes(passed=2)


# ------------------------------------------------------------------- layers of one model


@pytest.fixture
def conflicted(repository: Repository) -> Repository:
    """Two branches changed different layers, and nobody has resolved what git could not."""
    project = repository.project

    def update(*changes: str) -> Callable[[], object]:
        return lambda: (write_net(project, *changes), project.update())

    repository.merge(update(), ours=update(FIRST), theirs=update(LAST), status=1)
    write_net(project, FIRST, LAST)
    return repository


def test_two_layers_of_one_model_conflict_in_the_total_alone(conflicted: Repository) -> None:
    assert conflicted.conflicts() == [
        "total: {params: 72, gflops: 0.00000012}",
        "total: {params: 75, gflops: 0.00000012}",
    ]


@pytest.mark.parametrize("run", ["judge", "update"])
def test_a_conflict_is_refused_with_the_command_that_resolves_it(
    conflicted: Repository, run: str
) -> None:
    project = conflicted.project
    before = project.budgets()
    result = getattr(project, run)()
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_net")
    assert sentence(said) == f"{FILE}:10: expected YAML, found the mark of a merge conflict"
    assert project.budgets() == before
    take, update = said[-1].partition(": take one side and measure it again: ")[2].split(" && ")
    conflicted.git(*shlex.split(take)[1:])
    project.run(*shlex.split(update)[1:]).assert_outcomes(passed=1)
    assert "total: {params: 71, gflops: 0.00000012}" in project.budgets()["test_net/test_net.yaml"]
    project.judge().assert_outcomes(passed=1)


@pytest.mark.parametrize(("side", "params"), [("--ours", 72), ("--theirs", 75)])
@pytest.mark.parametrize("run", ["judge", "update"])
def test_a_total_of_one_side_is_refused(
    conflicted: Repository, side: str, params: int, run: str
) -> None:
    """As it stands where somebody took one side of the conflict and left it at that."""
    project = conflicted.project
    lines = (project.root / FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    marks = [i for i, line in enumerate(lines) if line.startswith(("<<<<", "====", ">>>>"))]
    keep = 0 if side == "--ours" else 1
    taken = lines[marks[keep] + 1 : marks[keep + 1]]
    text = "".join([*lines[: marks[0]], *taken, *lines[marks[2] + 1 :]])
    (project.root / FILE).write_text(text, encoding="utf-8")
    result = getattr(project, run)()
    result.assert_outcomes(failed=1)
    assert sentence(failure_of(result, "test_net")) == (
        f"{FILE}:10: at `total.params`: expected the sum of `own`, 71, found {params}, "
        "as after a merge that took both sides"
    )
    assert (project.root / FILE).read_text(encoding="utf-8") == text


def test_a_merge_that_took_one_side_is_undone_by_its_hint(repository: Repository) -> None:
    """As after `git merge -X ours`: what else the file has, as other environments, is kept."""
    project = repository.project
    entry = "latency:\n  cpu, Other: {torch: '2.6', gflops: 0.00000012, total_ms: 1.5}\n"

    def update(*changes: str) -> Callable[[], object]:
        return lambda: (write_net(project, *changes), project.update())

    def base() -> None:
        update()()
        with (project.root / FILE).open("a", encoding="utf-8") as file:
            file.write(entry)

    repository.merge(base, ours=update(FIRST), theirs=update(LAST), status=1)
    repository.git("merge", "--abort")
    repository.git("merge", "--quiet", "--no-edit", "-X", "ours", "theirs")
    write_net(project, FIRST, LAST)
    said = failure_of(project.judge(), "test_net")
    hint = said[-1].partition("take the file of before the merge and measure it again: ")[2]
    take, accept = hint.split(" && ")
    repository.git(*shlex.split(take)[1:])
    project.run(*shlex.split(accept)[1:]).assert_outcomes(passed=1)
    project.judge().assert_outcomes(passed=1)
    assert "  cpu, Other:\n" in project.budgets()["test_net/test_net.yaml"]


# ------------------------------------------------------------- environments of one budget

XEON, EPYC, APPLE, H100 = (
    replace(ENVIRONMENT, device=device, hardware=name)
    for device, name in (("cpu", "Intel"), ("cpu", "AMD"), ("mps", "Apple"), ("cuda", "H100"))
)


def stored(latency: dict[object, float], old: Baseline | None = None) -> Baseline:
    """Update a baseline in each of some environments."""
    layers = {path: {"latency_ms": 10.0} for path in ("stem", "head")}
    for environment, time_ms in latency.items():
        profile = timed(latency_ms=time_ms, environment=environment, layers=layers)
        agreed = budget_settings("params", "gflops", "latency")
        old = updated(old, profile, agreed, "test_net.py::test_net", adds_entry=True)
    assert old is not None
    return old


def merged_environments(
    repository: Repository, *sides: dict[object, float], status: int = 0
) -> str:
    base = stored({EPYC: 100.0, H100: 100.0})

    def write(record: Baseline) -> Callable[[], object]:
        return lambda: repository.project.write(FILE, text_of(record))

    ours, theirs = (write(stored(latency, base)) for latency in sides)
    repository.merge(write(base), ours=ours, theirs=theirs, status=status)
    return (repository.project.root / FILE).read_text(encoding="utf-8")


def times(text: str) -> dict[str, float]:
    entries = parse(text, FILE).environments
    return {key: entry.figures["latency_ms"] for key, entry in entries.items()}


def test_two_environments_that_were_refreshed_do_not_conflict(repository: Repository) -> None:
    text = merged_environments(repository, {EPYC: 50.0}, {H100: 200.0})
    assert times(text) == {EPYC.key: 50.0, H100.key: 200.0}


def test_environments_added_at_different_places_do_not_conflict(repository: Repository) -> None:
    text = merged_environments(repository, {XEON: 50.0}, {APPLE: 200.0})
    assert times(text) == {EPYC.key: 100.0, XEON.key: 50.0, H100.key: 100.0, APPLE.key: 200.0}
    assert list(times(text)) == sorted(times(text))


def test_environments_added_at_one_place_conflict(repository: Repository) -> None:
    """There is no telling for git which comes first; a person keeps both."""
    other = replace(XEON, hardware="Other")
    text = merged_environments(repository, {XEON: 50.0}, {other: 200.0}, status=1)
    kept = [
        li for li in text.splitlines(keepends=True) if li[:7] not in ("<" * 7, "=" * 7, ">" * 7)
    ]
    assert times("".join(kept)).keys() == {EPYC.key, XEON.key, other.key, H100.key}
