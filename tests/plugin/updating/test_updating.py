"""`--update-budgets` writes what passed to the end of its teardown, and nothing else."""

import errno
import os
import re
import tempfile
from pathlib import Path

import pytest

from pytest_flopbudget.baseline import yaml_nodes
from tests.plugin.project import Project, failure_of, line_with, sentence, text_of

FILE = "test_sized/test_sized.yaml"
CREATED = """\
# Baseline of pytest-flopbudget: update it with `pytest --update-budgets`.
# A multiply-add is 2 FLOPs; element-wise operators, reductions, norms and pooling are 0.
format: 1
test: test_net.py::test_net
model: Net
inputs: ['float32[1, 8]']
mode: inference
engine: dispatch
state: [float32]
total: {params: 160, gflops: 0.00000032}
own:   # layers that cost nothing are left out
  first: {type: Linear, params: 64, gflops: 0.000000128}
  second: {type: Linear, params: 64, gflops: 0.000000128}
  third: {type: Linear, params: 32, gflops: 0.000000064}
"""
NET = """
from tests.plugin.variants import net

def test_net(flop_budget):
    flop_budget(net({change!r}), torch.zeros(1, 8))
"""


def summary(result: pytest.RunResult) -> list[str]:
    """Return what an update says that it did."""
    lines = [line.strip() for line in result.outlines]
    start = next(i for i, line in enumerate(lines) if line.startswith("baselines:"))
    end = next(i for i, line in enumerate(lines) if i > start and line.startswith("==="))
    return lines[start:end]


def test_it_creates_one_file_for_a_budget(project: Project) -> None:
    project.write("test_net.py", NET.format(change=""))
    result = project.update()
    assert project.budgets() == {"test_net/test_net.yaml": CREATED}
    assert summary(result) == ["baselines: 1 created", "created budgets/test_net/test_net.yaml"]


def test_a_clean_pass_follows(project: Project) -> None:
    project.write("test_net.py", NET.format(change=""))
    project.update()
    result = project.judge()
    result.assert_outcomes(passed=1)
    assert line_with(result, "1 budget:") == "1 budget: 1 within"


def test_a_second_update_changes_not_a_byte(project: Project) -> None:
    project.write("test_net.py", NET.format(change=""))
    project.update()
    before = (project.root / "budgets/test_net/test_net.yaml").stat()
    result = project.update()
    assert project.budgets() == {"test_net/test_net.yaml": CREATED}
    assert (project.root / "budgets/test_net/test_net.yaml").stat() == before
    assert summary(result) == ["baselines: 1 unchanged"]


def test_a_change_in_one_layer_is_its_line_and_the_total(project: Project) -> None:
    project.write("test_net.py", NET.format(change=""))
    project.update()
    project.write("test_net.py", NET.format(change="added"))
    project.update()
    old, new = CREATED.splitlines(), project.budgets()["test_net/test_net.yaml"].splitlines()
    assert [line for line in new if line not in old] == [
        "total: {params: 176, gflops: 0.000000352}",
        "  fourth: {type: Linear, params: 16, gflops: 0.000000032}",
    ]


CHANGES = [
    (101, "1 raised", f"raised budgets/{FILE}: params +1.0 %, GFLOPs +1.0 %"),
    (99, "1 tightened", f"tightened budgets/{FILE}"),
    (100, "1 unchanged", None),
]


@pytest.mark.parametrize(("size", "count", "line"), CHANGES)
def test_it_says_what_it_did(project: Project, size: int, count: str, line: str | None) -> None:
    project.sized(100)
    project.update()
    project.sized(size)
    result = project.update()
    result.assert_outcomes(passed=1)
    assert summary(result) == [f"baselines: {count}", *([line] if line else [])]
    assert f"total: {{params: {size}, " in project.budgets()[FILE]


def test_a_layer_raised_at_an_equal_total_is_said(project: Project) -> None:
    two = "\ndef test_net(flop_budget):\n    flop_budget(nn.Sequential({}), torch.zeros(1, 1))\n"
    layers = (
        "nn.Linear(1, {}, bias=False), nn.Linear({}, 1, bias=False), nn.Linear(1, {}, bias=False)"
    )
    project.write("test_net.py", two.format(layers.format(4, 4, 12)))
    project.update()
    project.write("test_net.py", two.format(layers.format(6, 6, 8)))
    assert summary(project.update()) == [
        "baselines: 1 raised",
        "raised budgets/test_net/test_net.yaml: `0` params +2",
    ]


def test_several_outcomes_are_counted_in_one_line(project: Project) -> None:
    for name, size in {"a": 10, "b": 10, "c": 10, "d": 10}.items():
        project.sized(size, file=f"test_{name}.py")
    project.update()
    project.sized(11, file="test_a.py")
    project.sized(9, file="test_b.py")
    project.sized(9, file="test_d.py", marker="@pytest.mark.flop_budget(max_params=8)")
    project.sized(10, file="test_e.py")
    result = project.update()
    result.assert_outcomes(passed=4, failed=1)
    assert summary(result)[0] == (
        "baselines: 1 created, 1 raised, 1 tightened, 1 unchanged, 1 kept"
    )


def test_updating_one_test_by_node_id_leaves_the_others_alone(project: Project) -> None:
    source = """
    @pytest.mark.parametrize("n", [1, 2])
    def test_many(flop_budget, n):
        flop_budget(nn.Linear(1, {size} * n, bias=False), torch.zeros(1, 1))

    def test_other(flop_budget):
        flop_budget(nn.Linear(1, {size}), torch.zeros(1, 1))
    """
    for file in ("test_a.py", "test_b.py"):
        project.write(file, source.format(size=10))
    project.update()
    before = project.budgets()
    for file in ("test_a.py", "test_b.py"):
        project.write(file, source.format(size=11))
    project.update("test_a.py::test_many[2]").assert_outcomes(passed=1)
    after = project.budgets()
    assert [file for file in before if after[file] != before[file]] == ["test_a/test_many[2].yaml"]
    assert list(after) == list(before)


NOT_PASSED = {
    "failed before": "assert False\n    judge()",
    "failed after": "judge()\n    assert False",
    "skipped before": "pytest.skip()\n    judge()",
    "skipped after": "judge()\n    pytest.skip()",
    "xfailed": "judge()\n    pytest.xfail()",
}
TEMPLATE = """
@pytest.fixture
def around():
    yield
    {teardown}

{mark}
def test_sized(flop_budget, around):
    judge = lambda: flop_budget(nn.Linear(1, {size}, bias=False), torch.zeros(1, 1))
    {body}
"""


def write(
    project: Project, size: int, body: str = "judge()", *, mark: str = "", teardown: str = "pass"
) -> None:
    project.write(
        "test_sized.py", TEMPLATE.format(size=size, body=body, mark=mark, teardown=teardown)
    )


@pytest.mark.parametrize("body", NOT_PASSED.values(), ids=NOT_PASSED.keys())
@pytest.mark.parametrize("stored", [True, False])
def test_a_test_that_did_not_pass_writes_nothing(project: Project, body: str, stored: bool) -> None:
    if stored:
        write(project, 100)
        project.update().assert_outcomes(passed=1)
    before = project.budgets()
    write(project, 101, body)
    assert project.update().parseoutcomes().get("passed", 0) == 0
    assert project.budgets() == before


@pytest.mark.parametrize(
    ("mark", "teardown", "outcomes"),
    [
        ("@pytest.mark.xfail", "pass", {"xpassed": 1}),
        ("@pytest.mark.xfail(strict=True)", "pass", {"failed": 1}),
        ("@pytest.mark.skip", "pass", {"skipped": 1}),
        ("", "assert False", {"passed": 1, "errors": 1}),
    ],
)
def test_neither_does_one_that_was_expected_to_fail_or_whose_teardown_fails(
    project: Project, mark: str, teardown: str, outcomes: dict[str, int]
) -> None:
    write(project, 100)
    project.update()
    before = project.budgets()
    write(project, 101, mark=mark, teardown=teardown)
    project.update().assert_outcomes(**outcomes)
    assert project.budgets() == before


TURNS = """
@pytest.hookimpl(wrapper=True, {order}=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == {when!r}:
        report.outcome, report.longrepr = "failed", "turned"
    return report
"""


@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
@pytest.mark.parametrize("order", ["tryfirst", "trylast"])
@pytest.mark.parametrize("args", [(), ("-n1",)], ids=["alone", "-n1"])
def test_a_test_whose_report_was_turned_writes_nothing(
    project: Project, when: str, order: str, args: tuple[str, ...]
) -> None:
    project.write("conftest.py", TURNS.format(order=order, when=when))
    project.sized(3)
    result = project.update(*args)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert project.budgets() == {}


def test_what_was_not_written_is_said(project: Project) -> None:
    write(project, 100)
    project.update()
    write(project, 101, "judge()\n    assert False")
    assert summary(project.update()) == [
        "baselines: 1 kept",
        "kept that of test_sized.py::test_sized, which did not pass",
    ]


def test_a_set_up_that_fails_writes_nothing(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        @pytest.fixture
        def broken(flop_budget):
            flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
            raise ValueError

        def test_a(broken):
            pass
        """,
    )
    project.update().assert_outcomes(errors=1)
    assert project.budgets() == {}


def test_only_params_are_touched_if_only_params_are_asked_for(project: Project) -> None:
    project.sized(100)
    project.update()
    project.sized(101)
    project.update("--flop-budget-metrics=params").assert_outcomes(passed=1)
    text = project.budgets()[FILE]
    assert "total: {params: 101, gflops: 0.0000002}\n" in text
    assert "'': {type: Linear, params: 101, gflops: 0.0000002}\n" in text
    result = project.judge()
    assert "GFLOPs +1.0 %" in sentence(failure_of(result, "test_sized"))


def test_nothing_is_written_without_the_option(project: Project) -> None:
    project.sized(100)
    project.judge()
    project.run()
    assert not (project.root / "budgets").exists()


def test_what_a_killed_run_left_is_for_the_next_update_to_remove(project: Project) -> None:
    project.sized(100)
    project.update()
    left = project.write("budgets/test_sized/.flop-budget-abc.tmp", "half of a base")
    project.judge().assert_outcomes(passed=1)
    assert left.exists()
    project.update()
    assert list(project.budgets()) == [FILE]


def test_nothing_is_rewritten_without_the_option(project: Project) -> None:
    project.sized(100)
    project.update()
    before = project.budgets()
    project.sized(99)
    project.judge().assert_outcomes(passed=1)
    assert project.budgets() == before


def test_a_ceiling_is_judged_and_keeps_the_baseline(project: Project) -> None:
    project.sized(100)
    project.update()
    before = project.budgets()
    project.sized(101, marker="@pytest.mark.flop_budget(max_params=100)")
    result = project.update()
    result.assert_outcomes(failed=1)
    assert project.budgets() == before
    assert summary(result)[0] == "baselines: 1 kept"


def test_growth_is_shown_beside_what_is_written(project: Project) -> None:
    project.sized(100)
    project.update()
    project.sized(150)
    result = project.update()
    assert line_with(result, "  test_sized").split() == [
        "within", "150", "+50.0", "%", "0.000000300", "+50.0", "%", "test_sized"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("params: 100, gflops: 0.0000002}\nown", "params: 101, gflops: 0.0000002}\nown"),
        ("format: 1", "format: 2"),
        ("engine: dispatch", "engine: dispatsh"),
        ("own:", "<<<<<<< HEAD\nown:"),
    ],
)
@pytest.mark.parametrize("run", ["judge", "update"])
def test_a_file_that_is_not_valid_is_an_error_and_never_overwritten(
    project: Project, old: str, new: str, run: str
) -> None:
    project.sized(100)
    project.update()
    project.edit(FILE, old, new)
    before = project.budgets()
    result = getattr(project, run)()
    result.assert_outcomes(failed=1)
    assert any(f"budgets/{FILE}:" in line for line in failure_of(result, "test_sized"))
    assert project.budgets() == before


def test_the_permissions_of_a_file_are_kept(project: Project) -> None:
    project.sized(100)
    project.update()
    file = project.root / "budgets" / FILE
    file.chmod(0o640)
    project.sized(101)
    project.update()
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(file.parent.iterdir()) == [file]


def test_what_cannot_be_written_fails_the_run(project: Project) -> None:
    project.write("budgets/test_sized", "a file where a folder should be")
    project.sized(100)
    project.sized(100, file="test_other.py")
    result = project.update()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert f"budgets/{FILE}: cannot be written" in text_of(result)
    assert "test_other/test_sized.yaml" in project.budgets()


@pytest.mark.parametrize("error", ["EROFS", "ENOSPC", "EACCES", "EDQUOT"])
def test_a_disk_that_takes_nothing_is_said_and_the_other_tests_go_on(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    project.sized(100)
    project.sized(100, file="test_other.py")
    project.update()
    before = project.budgets()
    for file in ("test_sized.py", "test_other.py"):
        project.sized(101, file=file)
    number = getattr(errno, error)
    make = tempfile.mkstemp

    def full(**asked: object) -> object:
        if Path(asked["dir"]).name == "test_sized":
            raise OSError(number, os.strerror(number))
        return make(**asked)

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkstemp", full)
        result = project.update()
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert line_with(result, "cannot be") == (
        f"budgets/{FILE}: cannot be written: {os.strerror(number)}"
    )
    after = project.budgets()
    assert after[FILE] == before[FILE]
    assert "params: 101" in after["test_other/test_sized.yaml"]
    assert list(after) == list(before)


def test_what_could_not_be_read_again_is_not_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the layers of a model that is larger than what the reader takes."""
    project.sized(100)
    monkeypatch.setattr(yaml_nodes, "MAX_VALUES", 20)
    result = project.update()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert line_with(result, "expected at most").startswith(f"budgets/{FILE}:10: ")
    assert project.budgets() == {}


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_symbolic_links_are_followed_and_kept(project: Project) -> None:
    (project.root / "elsewhere").mkdir()
    (project.root / "budgets").symlink_to("elsewhere", target_is_directory=True)
    project.sized(100)
    project.update()
    shared = project.root / "elsewhere/shared.yaml"
    (project.root / "elsewhere" / FILE).rename(shared)
    (project.root / "elsewhere" / FILE).symlink_to("../shared.yaml")
    project.sized(101)
    project.update().assert_outcomes(passed=1)
    assert (project.root / "budgets").is_symlink()
    assert (project.root / "budgets" / FILE).is_symlink()
    assert "params: 101" in shared.read_text()
    project.judge().assert_outcomes(passed=1)


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_nothing_is_written_through_a_link_out_of_the_folder(project: Project) -> None:
    project.sized(100)
    project.update()
    outside = (project.root / "budgets" / FILE).rename(project.root / "outside.yaml")
    (project.root / "budgets" / FILE).symlink_to(outside)
    before = outside.read_text()
    project.sized(99)
    project.judge().assert_outcomes(passed=1)
    result = project.update()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "found a symbolic link out of it" in text_of(result)
    assert "hint: to write it elsewhere" in text_of(result)
    assert outside.read_text() == before


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_a_run_that_stops_writes_what_passed_before(project: Project, option: str) -> None:
    for file, end in {"a": "pass", "b": "assert False", "c": "pass"}.items():
        project.write(
            f"test_{file}.py",
            f"""
            def test_x(flop_budget):
                flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
                {end}
            """,
        )
    result = project.update(option)
    result.assert_outcomes(passed=1, failed=1)
    assert list(project.budgets()) == ["test_a/test_x.yaml"]
    assert summary(result) == [
        "baselines: 1 created, 1 kept",
        "created budgets/test_a/test_x.yaml",
        "kept that of test_b.py::test_x, which did not pass",
    ]


@pytest.mark.parametrize(
    ("metrics", "stays"), [("params", "gflops"), ("gflops", "params"), ("latency", "total:")]
)
def test_metrics_that_are_not_asked_for_stay(project: Project, metrics: str, stays: str) -> None:
    project.sized(100)
    project.update()
    old = project.budgets()[FILE]
    project.sized(101)
    project.update(f"--flop-budget-metrics={metrics}", "--flop-budget-time-limit=0.05")
    new = project.budgets()[FILE]
    assert new != old
    part = re.compile(rf"{stays}.*?(?=[,}}])")
    assert part.findall(new)[:2] == part.findall(old)[:2]


def test_figures_of_any_size_survive_the_round_trip(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_a(flop_budget):
            model = nn.Linear(2**33 + 1, 2**21 + 1, bias=False, device="meta")
            profile = flop_budget(model, torch.zeros(3, 2**33 + 1, device="meta"))
            assert profile.flops == 6 * (2**33 + 1) * (2**21 + 1)
        """,
    )
    project.update().assert_outcomes(passed=1)
    weights = (2**33 + 1) * (2**21 + 1)
    gflops = f"{6 * weights // 10**9}.{6 * weights % 10**9:09d}".rstrip("0")
    text = project.budgets()["test_a/test_a.yaml"]
    assert f"total: {{params: {weights}, gflops: {gflops}}}\n" in text
    result = project.judge()
    result.assert_outcomes(passed=1)
    assert line_with(result, "1 budget:") == "1 budget: 1 within"
