"""`python -m pytest_flopbudget history`: budgets over commits, from git alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.__main__ import main
from pytest_flopbudget.baseline import store
from pytest_flopbudget.baseline.record import StoredScaling
from pytest_flopbudget.baseline.scaling import with_scaling
from pytest_flopbudget.baseline.writer import text_of
from pytest_flopbudget.profile.scaling_profile import Curve
from pytest_flopbudget.report.history.texts import SHALLOW
from tests.plugin.repository import git
from tests.strategies import NET, baseline

if TYPE_CHECKING:
    from pathlib import Path

GROWN = baseline({**NET, "head": ("Linear", 900, 90_000_000)})
FILE = "test_net/test_net.yaml"
MOVED = "test_other/test_net.yaml"
HOSTILE = "<script>alert(1)</script> \x1b[31m red"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a budget that was written, broken, mended larger, and moved."""
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    budgets = tmp_path / "budgets"
    budgets.mkdir()
    store.write(budgets / FILE, text_of(baseline(NET)))
    record(tmp_path, "first")
    (budgets / FILE).write_text("total: 3\n", encoding="utf-8")
    record(tmp_path, "broken")
    store.write(budgets / FILE, text_of(GROWN))
    record(tmp_path, HOSTILE)
    (budgets / MOVED).parent.mkdir()
    git(tmp_path, "mv", f"budgets/{FILE}", f"budgets/{MOVED}")
    record(tmp_path, "moved")
    return tmp_path


def record(folder: Path, subject: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={subject}")
    return git(folder, "rev-parse", "HEAD")[:10]


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["history", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("folder")
def test_the_table_follows_a_rename(capsys: pytest.CaptureFixture[str]) -> None:
    name, heading, *rows, skipped, _, number = said(capsys)
    assert name == MOVED
    assert heading.split()[:2] == ["commit", "date"]
    assert [row.split()[2] for row in rows] == ["1,000", "1,200", "1,200"]
    assert "+20.0 %" in rows[1]
    assert "%" not in rows[2]
    assert rows[0].endswith("  first")
    assert rows[1].endswith(r"  <script>alert(1)</script> \x1b[31m red")
    assert skipped.startswith("  skipped ")
    assert number == "1 budget"


def test_a_budget_over_sizes_shows_its_largest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = (8, 12, 16)
    params = Curve.through(sizes, [8_000, 12_000, 16_000])
    scaling = StoredScaling(of="width", sizes=sizes, curves={"params": params})
    text = text_of(with_scaling(replace(baseline(NET), own={}), scaling))
    store.write(folder / "budgets/test_net/test_net.scaling.yaml", text)
    record(folder, "over sizes")
    lines = said(capsys, "budgets/test_net/test_net.scaling.yaml")
    [row] = [line for line in lines if line.endswith("  over sizes")]
    assert row.split()[2] == "16,000"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("budget", [f"budgets/{MOVED}", "tests/test_net.py::test_net"])
def test_a_budget_by_its_file_or_its_test(capsys: pytest.CaptureFixture[str], budget: str) -> None:
    assert said(capsys, budget, "--max-commits=1")[0] == MOVED


def test_json_and_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "--json=h.json", "--html=h.html")
    (budget,) = json.loads((folder / "h.json").read_text(encoding="utf-8"))["budgets"]
    params = [point["total"] and point["total"]["params"] for point in budget["revisions"]]
    assert params == [1000, None, 1200, 1200]
    page = (folder / "h.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "\x1b" not in page


def test_merges_count_by_their_first_parent(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(folder, "checkout", "--quiet", "-b", "side")
    store.write(folder / "budgets" / MOVED, text_of(baseline(NET)))
    record(folder, "on the side")
    git(folder, "checkout", "--quiet", "main")
    record(folder, "meanwhile")
    git(folder, "merge", "--quiet", "--no-ff", "--message=merged", "side")
    lines = said(capsys)
    assert not any("on the side" in line for line in lines)
    assert [line.split()[2] for line in lines if line.endswith("  merged")] == ["1,000"]


def test_no_program_of_the_repository_runs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("diff.external", "diff.x.textconv", "core.pager", "core.fsmonitor"):
        git(folder, "config", key, f"touch {folder}/ran; cat")
    (folder / ".gitattributes").write_text("*.yaml diff=x\n", encoding="utf-8")
    said(capsys)
    assert not (folder / "ran").exists()


def test_a_shallow_clone_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    git(folder, "clone", "--quiet", "--depth=1", folder.as_uri(), "shallow")
    monkeypatch.chdir(folder / "shallow")
    assert said(capsys)[-1] == SHALLOW


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--dir=nowhere"], "`nowhere`: expected a folder with budgets, found none"),
        (["budgets/test_other/test_nat.yaml"], f"did you mean `budgets/{MOVED}`?"),
    ],
)
def test_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["history", *arguments]) == 2
    assert sentence in capsys.readouterr().err
