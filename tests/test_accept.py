"""`python -m pytest_flopbudget accept`: all is checked, then each file is written in one step."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest

from pytest_flopbudget.__main__ import main
from pytest_flopbudget.baseline import store
from pytest_flopbudget.baseline.proposals.manifest import note_proposals
from pytest_flopbudget.baseline.reader import read
from pytest_flopbudget.baseline.update import BaselineChange
from pytest_flopbudget.baseline.writer import text_of
from tests.report.invariants import assert_only_read
from tests.strategies import NET, as_read, baseline, entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_flopbudget.baseline.record import Baseline

GROWN = baseline({**NET, "head": ("Linear", 900, 90_000_000)})
FILE = "tests/test_net/test_net.yaml"


class Folders:
    """A budget folder and folders of proposals, in the working directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def stores(self, record: Baseline, path: str = FILE) -> None:
        store.write(self.root / "budgets" / path, text_of(record))

    def proposes(self, new: Baseline, folder: str = "out", path: str = FILE) -> None:
        """Write a proposal for what is stored now."""
        file = f"budgets/{path}"
        old = read(self.root / file, file)
        store.write(self.root / folder / path, text_of(new))
        change = BaselineChange(path=path, file=file, old=old, new=as_read(new))
        note_proposals(self.root / folder, [change])

    def manifest(self, change: Callable[[Any], None], folder: str = "out") -> None:
        """Change the manifest of a folder."""
        file = self.root / folder / "proposal.json"
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    def files(self) -> dict[str, str]:
        folder = self.root / "budgets"
        found = sorted(file for file in folder.rglob("*") if file.is_file())
        return {file.relative_to(folder).as_posix(): file.read_text() for file in found}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    monkeypatch.chdir(tmp_path)
    return Folders(tmp_path)


def run(*arguments: str) -> tuple[int, list[str]]:
    """Run the command; return its exit status and what it said."""
    with redirect_stdout(io.StringIO()) as said:
        status = main(["accept", *arguments])
    assert_only_read(said.getvalue())
    return status, said.getvalue().splitlines()


def test_it_says_what_an_update_says(folders: Folders) -> None:
    folders.stores(baseline())
    folders.proposes(GROWN)
    folders.proposes(baseline(), path="new.yaml")
    assert run("out") == (
        0,
        [
            "baselines: 1 created, 1 raised",
            "  created budgets/new.yaml",
            f"  raised budgets/{FILE}: params +20.0 %, GFLOPs +20.0 %",
        ],
    )
    assert folders.files() == {"new.yaml": text_of(baseline()), FILE: text_of(GROWN)}
    assert run("out") == (0, ["baselines: 2 unchanged"])


def test_entries_of_several_machines_are_merged(folders: Folders) -> None:
    folders.stores(baseline(environments={"c": entry(30)}))
    for machine, ms in (("a", 11.0), ("b", 22.0)):
        entries = {machine: entry(ms), "c": entry(30)}
        folders.proposes(baseline(environments=entries), folder=machine)
    assert run("b", "a") == (0, ["baselines: 1 changed", f"  changed budgets/{FILE}"])
    entries = {"a": entry(11), "b": entry(22), "c": entry(30)}
    assert folders.files()[FILE] == text_of(baseline(environments=entries))


def test_another_folder_may_be_named(folders: Folders) -> None:
    folders.proposes(GROWN)
    assert run("out", "--into", "costs/here")[0] == 0
    assert (folders.root / "costs/here" / FILE).read_text() == text_of(GROWN)
    assert folders.files() == {}


def test_nothing_is_written_if_anything_is_refused(folders: Folders) -> None:
    folders.stores(baseline())
    folders.proposes(GROWN)
    folders.proposes(GROWN, path="a.yaml")
    folders.stores(baseline({**NET, "head": ("Linear", 600, 60_000_000)}))
    before = folders.files()
    assert run("out") == (
        1,
        [f"refused out/{FILE}: made for an older baseline: run the job again", NOTHING],
    )
    assert folders.files() == before


NOTHING = "nothing was accepted"


def test_machines_that_disagree_are_both_named(folders: Folders) -> None:
    folders.stores(baseline())
    folders.proposes(GROWN, folder="a")
    folders.proposes(baseline({"x": ("Linear", 1, 1)}), folder="b")
    status, lines = run("a", "b")
    assert status == 1
    assert lines[0].startswith(
        f"refused a/{FILE} and b/{FILE}: two machines propose another `total`"
    )


def test_names_that_differ_in_case_alone_are_both_named(folders: Folders) -> None:
    folders.proposes(GROWN, path="a.yaml", folder="a")
    folders.proposes(GROWN, path="A.yaml", folder="b")
    said = "refused budgets/a.yaml: `A.yaml` is the same name but for the case"
    assert run("a", "b") == (1, [said, NOTHING])


def test_an_invalid_baseline_is_not_replaced(folders: Folders) -> None:
    folders.proposes(GROWN)
    (folders.root / "budgets" / FILE).parent.mkdir(parents=True)
    (folders.root / "budgets" / FILE).write_text("format: 1\n")
    status, lines = run("out")
    assert status == 1
    assert lines[0].startswith(f"refused budgets/{FILE}:1: expected the key `test`")


def edited(change: Callable[[Any], None]) -> Callable[[Folders], None]:
    return lambda folders: folders.manifest(change)


def replaced(text: str) -> Callable[[Folders], None]:
    def change(folders: Folders) -> None:
        (folders.root / "out" / "proposal.json").write_text(text)

    return change


def renamed(path: str) -> Callable[[Folders], None]:
    """Let the manifest name another path, and put the file where it leads."""

    def change(folders: Folders) -> None:
        folders.manifest(lambda c: c["baselines"].update({path: c["baselines"].pop(FILE)}))
        target = folders.root / "out" / path.replace("\0", "")
        target.parent.mkdir(parents=True, exist_ok=True)
        (folders.root / "out" / FILE).rename(target)

    return change


def linked(folders: Folders) -> None:
    file = folders.root / "out" / FILE
    file.symlink_to(file.rename(folders.root / "elsewhere.yaml"))


def linked_manifest(folders: Folders) -> None:
    file = folders.root / "out" / "proposal.json"
    file.symlink_to(file.rename(folders.root / "elsewhere.json"))


def linked_folder(folders: Folders) -> None:
    folder = folders.root / "out/tests"
    folder.symlink_to(folder.rename(folders.root / "elsewhere"), target_is_directory=True)


def out_of_the_folder(folders: Folders) -> None:
    (folders.root / "budgets").mkdir()
    (folders.root / "elsewhere").mkdir()
    (folders.root / "budgets/tests").symlink_to(folders.root / "elsewhere")


NAMES = "expected the name of a baseline"
WRITES = "expected what a run writes there"
OTHER = "expected the file that `proposal.json` was written with, found another one"
REFUSED: dict[str, tuple[Callable[[Folders], object], str]] = {
    "no manifest": (lambda f: (f.root / "out/proposal.json").unlink(), "found no `proposal.json`"),
    "no file": (lambda f: (f.root / "out" / FILE).unlink(), "found none, though"),
    "no JSON": (replaced("{"), WRITES),
    "deep JSON": (replaced("[" * 100_000), WRITES),
    "a list": (replaced("[]"), WRITES),
    "not UTF-8": (lambda f: (f.root / "out/proposal.json").write_bytes(b"\xff"), "found the byte"),
    "another format": (edited(lambda c: c.update(format=2)), "expected format 1"),
    "no mapping": (edited(lambda c: c.update(baselines=[1])), WRITES),
    "no origin": (edited(lambda c: c["baselines"].update({FILE: None})), WRITES),
    "no hash": (edited(lambda c: c["baselines"][FILE].update(costs=1)), WRITES),
    "no keys": (edited(lambda c: c["baselines"][FILE].pop("costs")), WRITES),
    "more keys": (edited(lambda c: c["baselines"][FILE].update(more=1)), WRITES),
    "another hash": (edited(lambda c: c["baselines"][FILE].update(proposed="0" * 64)), OTHER),
    "another file": (lambda f: store.write(f.root / "out" / FILE, text_of(baseline())), OTHER),
    "a file too many": (
        lambda f: store.write(f.root / "out/b.yaml", text_of(GROWN)),
        "expected a file that `proposal.json` names",
    ),
    "an invalid file": (
        lambda f: store.write(f.root / "out" / FILE, "x: \x1b[31m\n"),
        "not valid YAML",
    ),
    "a parent": (renamed("../b.yaml"), NAMES),
    "an inner parent": (renamed("a/../../b.yaml"), NAMES),
    "here": (renamed("./b.yaml"), NAMES),
    "a space": (renamed("a b.yaml"), NAMES),
    "a backslash": (renamed("a\\b.yaml"), NAMES),
    "a command": (renamed("::error::b.yaml"), NAMES),
    "a line": (renamed("a\n::error::b.yaml"), NAMES),
    "another type": (renamed("b.py"), NAMES),
    "a link": (linked, "found a symbolic link"),
    "a link as manifest": (linked_manifest, "found a symbolic link"),
    "a link as folder": (linked_folder, "found a symbolic link"),
    "a link out": (out_of_the_folder, "found a symbolic link out of it"),
}


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links and names of any characters")
@pytest.mark.parametrize("case", REFUSED)
def test_what_no_run_wrote_is_refused(folders: Folders, case: str) -> None:
    folders.proposes(GROWN)
    change, said = REFUSED[case]
    change(folders)
    status, lines = run("out")
    assert status == 1
    assert said in "\n".join(lines)
    assert lines[-1] == NOTHING
    assert folders.files() == {}


def test_an_absolute_name_is_refused(folders: Folders) -> None:
    folders.proposes(GROWN)
    target = folders.root / "b.yaml"
    folders.manifest(lambda c: c["baselines"].update({str(target): c["baselines"].pop(FILE)}))
    status, lines = run("out")
    assert (status, NAMES in "\n".join(lines), target.exists()) == (1, True, False)


def test_what_cannot_be_written_is_named(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    folders.proposes(GROWN, path="a.yaml")
    folders.proposes(GROWN, path="b.yaml")
    write = store.write

    def refuse(file: Path, text: str) -> None:
        if file.name == "a.yaml":
            raise OSError(28, "No space left on device")
        write(file, text)

    monkeypatch.setattr(store, "write", refuse)
    assert run("out") == (
        1,
        [
            "baselines: 1 created",
            "  created budgets/b.yaml",
            "budgets/a.yaml: cannot be written: No space left on device",
        ],
    )


def test_a_folder_keeps_the_proposals_of_earlier_runs(folders: Folders) -> None:
    folders.proposes(GROWN, path="a.yaml")
    folders.proposes(GROWN, path="b.yaml")
    assert run("out")[0] == 0
    assert list(folders.files()) == ["a.yaml", "b.yaml"]


def test_what_there_is_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["accept", "--help"])
    said = capsys.readouterr().out
    assert "DIR" in said
    assert "--into" in said
    with pytest.raises(SystemExit) as ended:
        main(["accept"])
    assert ended.value.code == 2
