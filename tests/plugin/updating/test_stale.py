"""A baseline whose test is gone is named, but only where the run could know that it is gone."""

import errno
import os
from pathlib import Path

import pytest

from tests.plugin.project import Project, text_of

CALL = "flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))"
A = "test_a/test_one.yaml"
HEADER = "1 stale baseline, of tests that are gone:"


def source(*names: str) -> str:
    return "\n".join(f"def test_{name}(flop_budget):\n    {CALL}\n" for name in names)


def stale(result: pytest.RunResult) -> list[str]:
    """Return the baselines that a run calls stale."""
    lines = result.outlines
    start = next((i for i, line in enumerate(lines) if "of tests that are gone:" in line), None)
    if start is None:
        assert " stale baseline" not in text_of(result)
        return []
    end = next(i for i in range(start, len(lines)) if "to remove:" in lines[i])
    return [line.strip() for line in lines[start + 1 : end]]


@pytest.fixture
def gone(project: Project) -> Project:
    """A project of two files, from one of which `test_one` was deleted."""
    project.write("test_a.py", source("one", "two"))
    project.write("test_b.py", source("one"))
    project.update()
    project.write("test_a.py", source("two"))
    return project


def test_nothing_is_stale_while_every_test_is_there(project: Project) -> None:
    project.write("test_a.py", source("one", "two"))
    assert stale(project.update()) == []
    assert stale(project.judge()) == []


@pytest.mark.parametrize("args", [(), ("test_a.py",), (".",)])
def test_a_test_deleted_from_a_file_that_was_collected_whole(
    gone: Project, args: tuple[str, ...]
) -> None:
    result = gone.judge(*args)
    assert stale(result) == [A]
    assert HEADER in text_of(result)
    assert result.ret == pytest.ExitCode.OK


def test_a_deleted_file(gone: Project) -> None:
    (gone.root / "test_b.py").unlink()
    assert stale(gone.judge("test_a.py::test_two")) == ["test_b/test_one.yaml"]


def test_one_case_of_a_parametrised_test(project: Project) -> None:
    text = "@pytest.mark.parametrize('n', {})\ndef test_x(flop_budget, n):\n    " + CALL
    project.write("test_a.py", text.format([1, 2]))
    project.update()
    project.write("test_a.py", text.format([1]))
    assert stale(project.judge()) == ["test_a/test_x[2].yaml"]


def test_the_last_test_of_a_file(project: Project) -> None:
    project.write("test_a.py", source("one"))
    project.update()
    project.write("test_a.py", "def test_other():\n    pass\n")
    assert stale(project.judge()) == [A]


def test_a_file_that_has_no_test_left(project: Project) -> None:
    project.write("test_a.py", source("one"))
    project.update()
    project.write("test_a.py", "helper = 1\n")
    assert stale(project.judge()) == [A]


def test_a_test_that_is_only_skipped_is_there(gone: Project) -> None:
    gone.write("test_a.py", f"@pytest.mark.skip\n{source('one')}\n{source('two')}")
    assert stale(gone.judge()) == []


def test_a_file_of_which_one_test_was_asked_for_is_not_judged(gone: Project) -> None:
    assert stale(gone.judge("test_a.py::test_two")) == []
    assert stale(gone.judge("test_a.py::test_two", "test_a.py")) == []


def test_another_file_by_node_id_leaves_this_one_out(gone: Project) -> None:
    assert stale(gone.judge("test_b.py::test_one")) == []
    assert stale(gone.judge("test_b.py")) == []


@pytest.mark.parametrize("args", [("-k", "two"), ("-m", "not flop_budget"), ("--deselect",)])
def test_a_file_with_deselected_tests_is_not_judged(gone: Project, args: tuple[str, ...]) -> None:
    gone.write("test_a.py", source("two", "three"))
    args = (*args, "test_a.py::test_three") if args[0] == "--deselect" else args
    assert stale(gone.judge(*args)) == []


def test_a_run_of_what_failed_last_is_not_judged(gone: Project) -> None:
    gone.judge()
    assert stale(gone.judge("--lf")) == []


@pytest.mark.parametrize(
    "head", ["pytest.skip(allow_module_level=True)\n", "pytest.importorskip('no_such_module')\n"]
)
def test_a_module_that_skips_itself_is_not_judged(gone: Project, head: str) -> None:
    gone.write("test_a.py", head + source("two"))
    assert stale(gone.judge()) == []


def test_a_module_that_cannot_be_imported_is_not_judged(gone: Project) -> None:
    gone.write("test_a.py", "import no_such_module\n" + source("two"))
    result = gone.judge("--continue-on-collection-errors")
    result.assert_outcomes(passed=1, errors=1)
    assert stale(result) == []


def test_a_module_that_is_ignored_is_not_judged(gone: Project) -> None:
    assert stale(gone.judge("--ignore=test_a.py")) == []


@pytest.mark.parametrize("args", [("--sw",), ("--ignore-glob=*_a.py",), ("-x",), ("--lf",)])
def test_a_run_of_a_part_is_not_judged_by_what_it_leaves_out(
    project: Project, args: tuple[str, ...]
) -> None:
    project.write("test_a.py", source("one", "two"))
    project.write("test_b.py", f"{source('one')}\ndef test_fails():\n    assert False\n")
    project.update()
    before = project.budgets()
    for _ in range(2):
        result = project.update("--flop-budget-trim", "-pcacheprovider", *args)
        assert stale(result) == []
    assert project.budgets() == before


CONFTESTS = {
    "collect_ignore": "collect_ignore = ['test_a.py']",
    "pytest_ignore_collect": (
        "def pytest_ignore_collect(collection_path):\n"
        "    return True if collection_path.name == 'test_a.py' else None"
    ),
    "a shard that says nothing": "def pytest_collection_modifyitems(items):\n    del items[::2]",
    "a shard that deselects": (
        "def pytest_collection_modifyitems(config, items):\n"
        "    config.hook.pytest_deselected(items=items[::2])\n"
        "    del items[::2]"
    ),
}


@pytest.mark.parametrize("conftest", CONFTESTS.values(), ids=CONFTESTS.keys())
def test_what_a_conftest_leaves_out_is_there(project: Project, conftest: str) -> None:
    project.write("test_a.py", source("one", "two", "three"))
    project.update()
    before = project.budgets()
    project.write("conftest.py", conftest)
    assert stale(project.update("--flop-budget-trim")) == []
    assert project.budgets() == before


COLLECTION = {
    "Ctrl-C": "def pytest_pycollect_makeitem(collector, name):\n"
    "    if name == 'TestX': raise KeyboardInterrupt",
    "-x": "def pytest_pycollect_makeitem(collector, name):\n"
    "    if name == 'TestX' and 'test_a' in str(collector.path): raise ValueError",
}


@pytest.mark.parametrize("conftest", COLLECTION.values(), ids=COLLECTION.keys())
def test_a_collection_that_was_cut_short_is_not_judged(project: Project, conftest: str) -> None:
    """Some files were collected whole by then, but the classes in them not yet."""
    methods = source("one").replace("(flop", "(self, flop").replace("\n", "\n    ")
    for file in ("test_0.py", "test_a.py"):
        project.write(file, f"class TestX:\n    {methods}\n")
    project.update()
    before = project.budgets()
    assert len(before) == 2
    project.write("conftest.py", conftest)
    args = ("--update-budgets", "--flop-budget-trim", "-x", "-pno:xdist")
    result = project.pytester.runpytest_inprocess(*args, no_reraise_ctrlc=True)
    assert result.ret != pytest.ExitCode.OK
    assert stale(result) == []
    assert project.budgets() == before


def test_a_run_that_only_collects_removes_nothing(gone: Project) -> None:
    before = gone.budgets()
    assert stale(gone.update("--flop-budget-trim", "--collect-only")) == [A]
    assert gone.budgets() == before


def test_a_run_that_is_interrupted_removes_nothing(gone: Project) -> None:
    before = gone.budgets()
    gone.write("test_c.py", "def test_c():\n    raise KeyboardInterrupt\n")
    args = ("--update-budgets", "--flop-budget-trim", "-pno:xdist")
    result = gone.pytester.runpytest_inprocess(*args, no_reraise_ctrlc=True)
    assert stale(result) == [A]
    assert gone.budgets() == before


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_file_by_another_name_is_known(gone: Project) -> None:
    (gone.root / "test_link.py").symlink_to("test_b.py")
    gone.update("test_link.py")
    gone.write("test_b.py", source("one", "two"))
    assert stale(gone.judge("test_link.py::test_two")) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
def test_what_is_no_baseline_in_the_folder_is_left_alone(gone: Project) -> None:
    os.mkfifo(gone.root / "budgets" / "pipe.yaml")  # to open it would be to wait
    (gone.root / "budgets" / "endless.yaml").symlink_to("/dev/zero")
    (gone.root / "budgets" / "folder.yaml").mkdir()
    (gone.root / "budgets" / "binary.yaml").write_bytes(b"\xff\x00")
    result = gone.judge()
    assert stale(result) == [A]
    assert result.ret == pytest.ExitCode.OK


def test_what_cannot_be_removed_fails_the_run(
    gone: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        result = gone.update("--flop-budget-trim")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert f"{A}: cannot be removed: Permission denied" in text_of(result)


def test_a_class_that_is_there_no_more(project: Project) -> None:
    project.write(
        "test_a.py", f"class TestA:\n    def test_x(self, flop_budget):\n        {CALL}\n"
    )
    project.write("test_b.py", source("one"))
    project.update()
    project.write("test_a.py", source("two"))
    project.update("test_a.py::test_two")
    assert stale(project.judge()) == ["test_a/TestA.test_x.yaml"]


@pytest.mark.parametrize("args", [(), ("--flop-budget-fail-on=improved,stale",)])
def test_stale_fails_the_run_only_if_asked_for(gone: Project, args: tuple[str, ...]) -> None:
    result = gone.judge(*args)
    result.assert_outcomes(passed=2)
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if args else pytest.ExitCode.OK)
    assert stale(result) == [A]


def test_it_is_not_removed_without_trim(gone: Project) -> None:
    before = gone.budgets()
    result = gone.update()
    assert stale(result) == [A]
    assert "to remove: pytest --update-budgets --flop-budget-trim" in text_of(result)
    assert gone.budgets() == before


def test_trim_removes_it_and_nothing_else(gone: Project) -> None:
    before = gone.budgets()
    gone.write("budgets/notes.yaml", "mine: true\n")
    gone.write("budgets/README.md", "Ours.\n")
    result = gone.update("--flop-budget-trim")
    assert f"removed 1 stale baseline: {A}" in text_of(result)
    after = gone.budgets()
    assert set(before) - set(after) == {A}
    assert {"notes.yaml", "README.md"} < set(after)
    assert stale(gone.judge()) == []


def test_what_was_removed_fails_no_run(gone: Project) -> None:
    result = gone.update("--flop-budget-trim", "--flop-budget-fail-on=stale")
    assert result.ret == pytest.ExitCode.OK


def test_trim_without_an_update_is_a_usage_error(gone: Project) -> None:
    before = gone.budgets()
    result = gone.judge("--flop-budget-trim")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "`--flop-budget-trim`: expected `--update-budgets` as well" in result.stderr.str()
    assert gone.budgets() == before


def test_trim_spares_what_is_not_known_to_be_gone(gone: Project) -> None:
    before = gone.budgets()
    gone.update("--flop-budget-trim", "test_a.py::test_two")
    assert gone.budgets() == before


def test_the_json_report_lists_it(gone: Project) -> None:
    assert gone.report()["stale"] == [A]
