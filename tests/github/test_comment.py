"""The comment on a pull request: a script with a token that writes, fed by a stranger's artifact.

Its only way out is `gh api`, which a stand-in on the path plays: it answers from a file and keeps
what is written.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pytest_flopbudget.base_commit.comparison import BaseComparison
from pytest_flopbudget.report.json import json_text
from tests.github.runner import ROOT, Runner
from tests.report.test_base_diff import raised
from tests.strategies import NET, baseline, profile, result, run, uncounted

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = ROOT / ".github" / "workflows"
MARKER = "<!-- pytest-flopbudget -->"
SHA = "0123456789abcdef" * 2 + "01234567"
GROWN = {**NET, "head": ("Linear", 900, 90_000_000)}
BOT = "github-actions[bot]"
GH = f"""#!{sys.executable}
import json, sys
from pathlib import Path

folder = Path(__file__).parent
api, method_flag, method, path, *rest = sys.argv[1:]
assert (api, method_flag) == ("api", "--method")
if method == "GET":
    answers = json.loads((folder / "answers.json").read_text())
    answer = answers[path.removeprefix("/repos/shop/models/")]
    sys.stdout.buffer.write((folder / answer).read_bytes())
else:
    assert rest == ["--input", "-"]
    with (folder / "written").open("a") as stream:
        stream.write(json.dumps([method, path, json.load(sys.stdin)]) + "\\n")
"""
PULLS = "pulls?state=open&head=stranger%3Afix&per_page=100&page=1"
ARTIFACTS = "actions/runs/77/artifacts?name=flop-budget"
COMMENTS = "issues/5/comments?per_page=100&page=1"


def pull(number: int = 5, sha: str = SHA, repository: str | None = "stranger/models") -> Any:
    head = {"sha": sha, "repo": None if repository is None else {"full_name": repository}}
    return {"number": number, "head": head}


def packed(
    content: bytes | str, name: str = "report.json", method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def garbled(method: int) -> bytes:
    """Pack noise, and overwrite the middle of what came of it."""
    noise = bytes(number * number % 251 for number in range(4000))
    archive = packed(noise, method=method)
    return archive[:60] + b"\xa5" * 100 + archive[160:]


class GitHub:
    """What GitHub says, and what was written to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.pulls: list[Any] = [pull()]
        self.artifacts: list[Any] = [{"id": 9, "expired": False, "size_in_bytes": 1000}]
        self.comments: list[Any] = []
        self.artifact = packed(json_text(run(result(profile(), baseline()))))

    def comment(self) -> list[Any]:
        """Run the script of the workflow; return method, path and body of each write."""
        program = self._folder / "bin" / "gh"
        program.parent.mkdir()
        program.write_text(GH)
        program.chmod(0o755)
        answers = {
            PULLS: json.dumps(self.pulls).encode(),
            ARTIFACTS: json.dumps({"artifacts": self.artifacts}).encode(),
            "actions/artifacts/9/zip": self.artifact,
            COMMENTS: json.dumps(self.comments).encode(),
        }
        for number, content in enumerate(answers.values()):
            (program.parent / str(number)).write_bytes(content)
        listed = {path: str(number) for number, path in enumerate(answers)}
        (program.parent / "answers.json").write_text(json.dumps(listed))
        workspace = self._folder / "empty"  # nothing is checked out
        workspace.mkdir()
        runner = Runner(self._folder, workspace)
        runner.environment["PATH"] = f"{program.parent}:{runner.environment['PATH']}"
        workflow = yaml.safe_load((WORKFLOWS / "flop-budget-comment.yml").read_text("utf-8"))
        (step,) = workflow["jobs"]["comment"]["steps"]
        context = {
            "github.token": "secret",
            "github.repository": "shop/models",
            "github.server_url": "https://github.com",
            "github.event.workflow_run.id": "77",
            "github.event.workflow_run.conclusion": "failure",
            "github.event.workflow_run.head_sha": SHA,
            "github.event.workflow_run.head_branch": "fix",
            "github.event.workflow_run.head_repository.owner.login": "stranger",
            "github.event.workflow_run.head_repository.full_name": "stranger/models",
        }
        outcome = runner.run_steps([step], context)
        assert outcome.status == 0, outcome.log
        assert list(workspace.iterdir()) == []
        written = program.parent / "written"
        lines = written.read_text().splitlines() if written.exists() else []
        return [json.loads(line) for line in lines]

    def body(self) -> str:
        ((_, _, body),) = self.comment()
        return str(body["body"])


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    return GitHub(tmp_path)


def test_what_a_reviewer_reads(github: GitHub) -> None:
    base = BaseComparison(
        ref="HEAD^1", commit=SHA, increases=(raised("net", 16 * 10**9, 1653 * 10**7),)
    )
    found = [
        result(profile(), baseline(), test="tests/test_net.py::test_same"),
        result(profile(GROWN), baseline(), test="tests/test_net.py::test_grown[a-1]"),
        result(profile(uncounted=(uncounted(),)), baseline(), test="tests/test_net.py::test_x"),
    ]
    github.artifact = packed(json_text(run(*found, base=base)))
    ((method, path, body),) = github.comment()
    assert (method, path) == ("POST", "/repos/shop/models/issues/5/comments")
    assert body["body"].split("\n") == [
        MARKER,
        "### ❌ Compute budgets: 3 judged, 2 failed",
        "",
        "| verdict | budget | params | GFLOPs | ms | MB |",
        "| --- | --- | --: | --: | --: | --: |",
        "| ❌ **uncounted** | `tests/test_net.py::test_x` | 1,000 | 0.1 |  |  |",
        "| ❌ **exceeded** | `tests/test_net.py::test_grown[a-1]` | 1,000 → 1,200 (+20.0 %) "
        "| 0.1 → 0.12 (+20.0 %) |  |  |",
        "| within | `tests/test_net.py::test_same` | 1,000 | 0.1 |  |  |",
        "",
        "- raises 1 of the base's budgets: `tests/net.yaml` +0.53 GFLOPs (+3.3 %)",
        "",
        f"<sub>[The run](https://github.com/shop/models/actions/runs/77) of {SHA} ended with "
        "failure: it has the layers and the command that accepts a change. The figures are those "
        "of the pull request's own code; the check decides.</sub>",
    ]


def test_there_is_one_comment(github: GitHub) -> None:
    github.comments = [
        {"id": 1, "user": {"login": "stranger"}, "body": f"{MARKER}\nmine"},
        {"id": 2, "user": {"login": BOT}, "body": "another"},
        {"id": 3, "user": {"login": BOT}, "body": f"{MARKER}\nold"},
    ]
    ((method, path, body),) = github.comment()
    assert (method, path) == ("PATCH", "/repos/shop/models/issues/comments/3")
    assert body["body"].startswith(f"{MARKER}\n### ✅ Compute budgets: 1 judged, 0 failed")


@pytest.mark.parametrize(
    "pulls",
    [
        [],
        [pull(sha="f" * 40)],
        [pull(repository="another/models")],
        [pull(repository=None)],
    ],
)
def test_a_head_that_no_pull_request_has_gets_none(github: GitHub, pulls: list[Any]) -> None:
    github.pulls = pulls
    assert github.comment() == []


def test_the_pull_request_is_never_the_one_that_the_report_names(github: GitHub) -> None:
    report = json.loads(json_text(run(result(profile(), baseline()))))
    github.artifact = packed(json.dumps({**report, "number": 6, "pull_request": 6}))
    github.pulls = [pull(4, sha="f" * 40), pull(5)]
    ((_, path, _),) = github.comment()
    assert path == "/repos/shop/models/issues/5/comments"


def changed(**more: Any) -> bytes:
    report = json.loads(json_text(run(result(profile(), baseline()))))
    return packed(json.dumps({**report, **more}))


def budget(**more: Any) -> bytes:
    (one,) = json.loads(json_text(run(result(profile(), baseline()))))["budgets"]
    return changed(budgets=[{**one, **more}])


def raises(**more: Any) -> bytes:
    one = {"kind": "raised", "file": "a.yaml", "metric": "params", "before": 1, "after": 2}
    return changed(base={"raises": [{**one, **more}]})


def metric(value: Any) -> bytes:
    return budget(metrics={"params": {"measured": value, "baseline": 1}})


@pytest.mark.parametrize(
    ("artifact", "said"),
    [
        (b"no zip", "the report cannot be read"),
        (packed("{}", "other.json"), "the report cannot be read"),
        (packed("a" * 999)[:50] + packed("a" * 999)[60:], "the report cannot be read"),
        (packed("a" * 999).replace(b"\x08\x00", b"\x63\x00"), "the report cannot be read"),
        (garbled(zipfile.ZIP_DEFLATED), "the report cannot be read"),
        (garbled(zipfile.ZIP_BZIP2), "the report cannot be read"),
        (garbled(zipfile.ZIP_LZMA), "the report cannot be read"),
        (packed("no json"), "the report cannot be read"),
        (packed(b"\xff\xfe"), "the report cannot be read"),
        (packed("[" * 100_000), "the report cannot be read"),
        (packed("[]"), "the report has another form than expected"),
        (packed(b"0" * (65 * 2**20)), "the report is too large"),
        (changed(format=2), "the report has another format than 1"),
        (changed(budgets={}), "the report has another form than expected"),
        (changed(budgets=[{}] * 10_001), "the report has too many budgets"),
        (changed(errors=None), "the report has another form than expected"),
        (changed(base={"raises": [{"kind": "<b>"}]}), "a change of a kind that does not exist"),
        (raises(kind=[]), "the report has another form than expected"),
        (raises(metric=[]), "the report has another form than expected"),
        (raises(file={}), "the report has another form than expected"),
        (raises(before="1"), "the report has another form than expected"),
        (budget(verdict="<b>"), "the report has a verdict that does not exist"),
        (budget(test=["a"]), "the report has another form than expected"),
        (metric("1"), "the report has another form than expected"),
        (metric(True), "the report has another form than expected"),
        (metric(float("nan")), "the report has numbers that cannot be"),
        (metric(-1), "the report has numbers that cannot be"),
        (metric(10**400), "the report has numbers that cannot be"),
    ],
)
def test_a_report_that_is_none_is_not_shown(github: GitHub, artifact: bytes, said: str) -> None:
    github.artifact = artifact
    lines = github.body().split("\n")
    assert lines[1].startswith("### Compute budgets: ")
    assert said in lines[1]
    assert lines[2:3] == [""]
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("artifacts", "said"),
    [
        ([], "there is no report"),
        ([{"id": 9, "expired": True, "size_in_bytes": 1}], "there is no report"),
        ([{"id": 9, "expired": False, "size_in_bytes": 1}] * 2, "there is no report"),
        ([{"id": 9, "expired": False, "size_in_bytes": 2**30}], "the report is too large"),
    ],
)
def test_without_an_artifact_it_says_so(github: GitHub, artifacts: list[Any], said: str) -> None:
    github.artifacts = artifacts
    assert github.body().split("\n")[1] == f"### Compute budgets: {said}"


@pytest.mark.parametrize(
    "name",
    [
        "`x` @user #1 <img src=x> | a | [b](https://example.com)",
        "a\n\n# heading\n",
        "\u202eexe <!-- --> $x$ https://example.com",
        "x" * 10_000,
    ],
)
def test_names_are_plain_characters(github: GitHub, name: str) -> None:
    change = {"file": name, "kind": "deleted", "metric": name}
    more = {"test": name, "model": name, "file": name, "name": name}
    (one,) = json.loads(json_text(run(result(profile(), baseline()))))["budgets"]
    github.artifact = changed(budgets=[{**one, **more}], base={"raises": [change]})
    body = github.body()
    shown = body.partition("\n\n")[2].partition("<sub>")[0]
    assert not set("@#<>$!()\u202e\\") & set(shown)
    assert len(body) < 2000
    assert body.count("`") == 4


def test_300_budgets_fit(github: GitHub) -> None:
    test = f"a.py::test_{'x' * 200}"
    found = [result(profile(GROWN), baseline(), test=f"{test}_{i}") for i in range(300)]
    base = BaseComparison(
        ref="a", commit=SHA, increases=tuple(raised(f"{i}", 1, 2) for i in range(300))
    )
    github.artifact = packed(json_text(run(*found, base=base)))
    body = github.body()
    assert len(body.encode()) < 65_536
    assert "### ❌ Compute budgets: 300 judged, 300 failed" in body
    assert "... and 280 more" in body
    assert "raises 300 of the base's budgets" in body
    assert "; and 280 more" in body


def test_the_token_is_as_weak_as_can_be() -> None:
    workflow = yaml.safe_load((WORKFLOWS / "flop-budget-comment.yml").read_text("utf-8"))
    assert workflow["permissions"] == {}
    (job,) = workflow["jobs"].values()
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert [step for step in job["steps"] if "uses" in step] == []
