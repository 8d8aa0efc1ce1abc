"""A baseline whose test is gone is named, but only where the run could know that it is gone."""

import errno
import os
from pathlib import Path

import pytest

from tests.plugin.project import Project, failure_of, text_of

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


PARAMETERS = "1 baseline of parameters that are not collected here; if they are gone everywhere:"


def test_one_case_of_a_parametrised_test_may_be_there_on_another_machine(project: Project) -> None:
    text = "@pytest.mark.parametrize('n', {})\ndef test_x(flop_budget, n):\n    " + CALL
    project.write("test_a.py", text.format([1, 2]))
    project.update()
    project.write("test_a.py", text.format([1]))
    before = project.budgets()
    result = project.update("--flop-budget-trim")
    assert stale(result) == []
    start = result.outlines.index(PARAMETERS)
    assert result.outlines[start + 1] == "  git rm 'budgets/test_a/test_x[2].yaml'"
    assert project.budgets() == before
    assert project.judge("--flop-budget-fail-on=stale").ret == pytest.ExitCode.OK


def test_all_cases_of_a_test_whose_function_is_gone(project: Project) -> None:
    project.write(
        "test_a.py",
        "@pytest.mark.parametrize('n', [1, 2])\ndef test_x(flop_budget, n):\n    " + CALL,
    )
    project.update()
    project.write("test_a.py", "")
    assert stale(project.judge()) == ["test_a/test_x[1].yaml", "test_a/test_x[2].yaml"]


UNUSED = "1 stale baseline, not used in this run by the test:"
NAMED = CALL.replace("flop_budget(", "flop_budget.named('b')(")
TWO = f"def test_one(flop_budget):\n    {CALL}\n    {NAMED}\n"


def test_a_name_that_a_test_uses_no_more(project: Project) -> None:
    project.write("test_a.py", TWO)
    project.update()
    project.write("test_a.py", source("one"))
    result = project.judge()
    assert result.outlines[result.outlines.index(UNUSED) + 1] == "  test_a/test_one.b.yaml"
    result = project.update("--flop-budget-trim")
    assert "removed 1 stale baseline: test_a/test_one.b.yaml" in result.outlines
    assert list(project.budgets()) == [A]


@pytest.mark.parametrize("end", ["assert False", "pytest.skip()"])
def test_a_test_that_did_not_pass_may_use_a_name_yet(project: Project, end: str) -> None:
    project.write("test_a.py", TWO)
    project.update()
    before = project.budgets()
    project.write("test_a.py", f"{source('one')}    {end}\n")
    assert UNUSED not in project.update("--flop-budget-trim").outlines
    assert project.budgets() == before


def test_a_file_that_was_renamed_with_its_test_is_in_use(project: Project) -> None:
    project.write("test_a.py", source("one"))
    project.update()
    before = project.budgets()
    (project.root / "test_a.py").rename(project.root / "test_new.py")
    (project.root / "budgets/test_a").rename(project.root / "budgets/test_new")
    result = project.judge()
    result.assert_outcomes(passed=1)
    assert stale(result) == []
    assert stale(project.judge("-k", "not one")) == []
    result = project.update("--flop-budget-trim")
    assert stale(result) == []
    assert project.budgets() == {
        "test_new/test_one.yaml": before[A].replace("test_a.py", "test_new.py")
    }


def moved(project: Project, size: int = 1) -> list[str]:
    """Rename a test, and return the hint of its missing baseline."""
    project.write("test_a.py", source("one"))
    project.write("test_b.py", source("one").replace("1, 1)", "1, 2)", 1))
    project.update()
    (project.root / "test_a.py").unlink()
    (project.root / "test_b.py").unlink()
    project.write("tests/test_new.py", source("one").replace("1, 1)", f"1, {size})", 1))
    said = failure_of(project.judge(), "test_one")
    return said[next(i for i, line in enumerate(said) if line.startswith("hint:")) :]


def test_a_missing_baseline_names_a_stale_one_with_its_figures(project: Project) -> None:
    assert moved(project)[:5] == [
        "hint: renamed? A baseline whose test is gone has this model and these figures:",
        "        mkdir -p budgets/tests/test_new && "
        "git mv budgets/test_a/test_one.yaml budgets/tests/test_new/test_one.yaml",
        "      or else",
        "      create the baseline and commit it:",
        "        pytest --update-budgets tests/test_new.py::test_one",
    ]


def test_a_missing_baseline_names_none_of_other_figures(project: Project) -> None:
    assert moved(project, size=3)[0] == "hint: create the baseline and commit it:"


def test_of_several_stale_ones_the_most_similar_name_is_named(project: Project) -> None:
    project.write("test_a.py", source("one", "two", "three"))
    project.update()
    project.write("test_a.py", source("three", "twoo"))
    assert "  git mv budgets/test_a/test_two.yaml budgets/test_a/test_twoo.yaml" in "\n".join(
        failure_of(project.judge(), "test_twoo")
    )


RENAMES_NODES = """
@pytest.hookimpl(trylast={last})
def pytest_collection_modifyitems(items):
    for item in items:
        item._nodeid = item._nodeid + "@linux"
"""


@pytest.mark.parametrize("last", [True, False])
def test_a_conftest_that_gives_tests_other_names(project: Project, last: bool) -> None:
    project.write("conftest.py", RENAMES_NODES.format(last=last))
    project.write("test_a.py", source("one", "two"))
    project.update()
    before = project.budgets()
    assert stale(project.update("--flop-budget-trim", "-k", "one")) == []
    assert stale(project.judge()) == []
    assert project.budgets() == before


def test_a_folder_outside_of_the_rootdir_is_shared(project: Project) -> None:
    """Two packages of a repository, each with a rootdir of its own and one folder for both."""
    for package in ("a", "b"):
        project.write(
            f"{package}/pytest.ini",
            "[pytest]\nflop_budget_metrics = params\nflop_budget_dir = ../shared\n",
        )
        project.write(f"{package}/test_{package}.py", source("one"))
        project.update(package, "--rootdir", package)
    before = project.budgets("shared")
    assert len(before) == 2
    result = project.update("a", "--rootdir", "a", "--flop-budget-trim")
    assert stale(result) == []
    assert project.budgets("shared") == before


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
