"""The report for a pull request: what it says, that it fits, and that nothing can break it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from importlib.metadata import version
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_flopbudget.baseline.stale import StaleBaselines
from pytest_flopbudget.escaping import named as shown_name
from pytest_flopbudget.report.markdown.report import COMMENT_LIMIT, markdown_text
from pytest_flopbudget.verdict.result import Unjudged, UpdateCommand
from tests.plugin.golden import assert_golden
from tests.strategies import (
    NET,
    baseline,
    budget_settings,
    layer,
    profile,
    result,
    run,
    texts,
    timed,
    uncounted,
    with_entry,
)

if TYPE_CHECKING:
    from markdown_it.token import Token

    from pytest_flopbudget.report.run import Run
    from pytest_flopbudget.verdict.result import Result

GROWN = {**NET, "head": ("Linear", 900, 90_000_000)}
SMALLER = {**NET, "head": ("Linear", 600, 60_000_000)}
FILE = "tests/test_net.py"
OURS = ("<br>", "<code>", "</code>", "<sub>", "</sub>", "</details>")
FOLD = "<details><summary>per layer</summary>"
HOSTILE = (
    "</script><script>alert(1)</script>",
    "</details></code><img src=x onerror=alert(1)>",
    "`a` ``b`` ```\n```",
    "a`b",
    "`````",
    "a|b\\|c\\\\|d",
    "a\nb\r\n| c |\n\n# d",
    "%0A::error::x",
    "\n::error::x\n::stop-commands::y",
    "\u202egpj.exe\u2066\u200b",
    "@user #123 GH-1 https://example.com www.example.com a@example.com",
    "<!-- hidden -->",
    "-->",
    "[link](https://example.com) ![image](https://example.com/x.png)",
    "$x$ $$y$$ :tada: *a* _b_ ~~c~~",
    "&lt;&#60;&amp;",
    "\x1b[31m\x00\x7f",
    " leading and trailing ",
    "",
    "'; rm -rf / #",
    "x" * 10_000,
    "`" * 10_000,
    "層" * 10_000,
)


def tokens_of(text: str) -> list[Token]:
    """Parse as GitHub does, into blocks and what stands in them."""
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [token for block in blocks for token in (block, *(block.children or ()))]


def assert_whole(text: str) -> None:
    """Check that the text consists of what the report draws, and of nothing else."""
    assert len(text) <= len(text.encode()) <= COMMENT_LIMIT
    assert all(character.isprintable() for line in text.split("\n") for character in line)
    tokens = tokens_of(text)
    kinds = {token.type for token in tokens}
    assert not kinds & {"link_open", "image", "em_open", "s_open", "hr", "bullet_list_open"}
    html = [t.content.strip() for t in tokens if t.type.startswith("html")]
    assert {tag for tag in html if tag not in OURS} <= {FOLD}
    assert html.count(FOLD) == html.count("</details>")
    assert html[-2:] == ["<sub>", "</sub>"]  # no fence stays open to the end
    assert html.count("<code>") == html.count("</code>")
    assert [t.type for t in tokens].count("table_open") <= 1
    rows = [t for t in tokens if t.type in ("tr_open", "td_open", "th_open")]
    counts = {"".join(t.type[1] for t in rows).count("r")}
    assert counts  # every row is a row; its cells are compared below
    cells = [row.count("d") + row.count("h") for row in "".join(t.type[1] for t in rows).split("r")]
    assert len(set(cells[1:])) <= 1


def commands_of(text: str) -> list[str]:
    return [t.content for t in tokens_of(text) if t.type == "fence" and t.info == "sh"]


def named(name: str, /, **more: object) -> Result:
    return result(profile(GROWN), baseline(), test=f"{FILE}::{name}", **more)


def test_golden() -> None:
    every = budget_settings("params", "gflops", "latency")
    found = [
        result(profile(), baseline(), test=f"{FILE}::test_same"),
        result(profile(GROWN), baseline(), test=f"{FILE}::test_grown[a|b]"),
        result(profile(SMALLER), baseline(), test=f"{FILE}::test_smaller"),
        result(profile(), None, test=f"{FILE}::test_new"),
        result(timed(latency_ms=140.0), with_entry(), every, test=f"{FILE}::test_slow"),
        result(timed(), baseline(), every, test=f"{FILE}::test_elsewhere"),
        result(profile(uncounted=(uncounted(),)), baseline(), test=f"{FILE}::test_unknown"),
    ]
    text = markdown_text(
        run(*found, stale=StaleBaselines(gone=("tests/test_gone/test_gone.yaml",)))
    )
    assert_whole(text)
    *lines, foot = text.rstrip("\n").split("\n")
    assert_golden("report.md", lines)
    assert foot.startswith("<sub>One multiply-add is 2 FLOPs; ")
    assert f" torch {version('torch')}. Timed on `cpu, Intel Xeon 6960P, 2 cores, " in foot


def test_a_run_without_a_budget_does_not_look_green() -> None:
    assert markdown_text(run()).startswith("### ❌ 0 compute budgets: none judged\n")


def test_a_green_run_is_a_table() -> None:
    text = markdown_text(run(result(profile(), baseline())))
    assert text.startswith("### ✅ 1 compute budget: 1 within\n")
    assert "####" not in text


def test_errors_are_in_front() -> None:
    error = Unjudged(test=f"{FILE}::test_x", name=None, error="ValueError: no\n`such` input")
    text = markdown_text(run(result(profile(), baseline()), unjudged=(error,)))
    assert text.startswith("### ❌ 2 compute budgets: 1 within, 1 error\n")
    assert f"errors:\n{FILE}::test_x: ValueError: no\n```" in text


def test_a_run_that_fails_as_a_whole_does_not_look_green() -> None:
    green = result(profile(), baseline())
    text = markdown_text(run(green, errors=("two tests claim one name\n\nhint: rename",)))
    assert text.startswith("### ❌ 1 compute budget: 1 within\n")
    assert "errors:\ntwo tests claim one name\n```" in text
    gone = StaleBaselines(gone=("gone.yaml",))
    stale = {"stale": gone, "budget_settings": budget_settings(fail_on=("stale",))}
    assert markdown_text(run(green, **stale)).startswith("### ❌ 1 compute budget: 1 within\n")
    trimmed = {**stale, "update": True, "trim": True, "removed": gone.stale}
    assert markdown_text(run(green, **trimmed)).startswith("### ✅ 1 compute budget: 1 within\n")


def test_the_worst_is_first() -> None:
    found = [
        result(profile({"": ("Net", 1000 + by, 10)}), baseline({"": ("Net", 1000, 10)}), test=name)
        for name, by in (("a::a", 0), ("b::b", 5), ("c::c", 20), ("d::d", -3))
    ]
    unknown = result(profile(uncounted=(uncounted(),)), baseline(), test="e::e")
    text = markdown_text(run(*found, unknown))
    rows = [line for line in text.split("\n") if line.startswith("| ")][2:]
    assert [row.split("`")[1] for row in rows] == ["e::e", "c::c", "b::b", "d::d", "a::a"]


def hostile_run(name: str) -> Run:
    """Build a run in which everything that has a name has this one."""
    spec = {"": (name or "Net", 0, 0), f"a{name}": (name, 700, 700), "b": ("Linear", 1, 1)}
    unknown = (uncounted(f"x::{name}", path=f"a{name}", calls=2),)
    found = [
        named(name),
        named("t", name=name),
        named("t", file=f"budgets/{name}"),
        result(profile(spec), baseline({"b": ("Linear", 1, 1)}), test=f"{FILE}::n"),
        result(profile(spec, uncounted=unknown), None, test=f"{name}::u"),
        result(
            profile(spec, uncounted=unknown),
            baseline(spec),
            budget_settings(ignore_ops=(unknown[0].operator,)),
            test=f"{name}::i",
        ),
    ]
    error = Unjudged(test=name, name=name, error=name)
    return run(*found, stale=StaleBaselines(gone=(name,)), unjudged=(error,))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_names(name: str) -> None:
    text = markdown_text(hostile_run(name))
    assert_whole(text)
    assert {t.tag for t in tokens_of(text) if t.type == "heading_open"} == {"h3", "h4"}
    for line in commands_of(text):
        assert shlex.split(line)[:2] == ["pytest", "--update-budgets"]


def seen(text: str) -> list[str]:
    """Return what the headings of sections and the second cells of rows say."""
    blocks = MarkdownIt("commonmark").enable("table").parse(text)
    said = []
    for opening, inline in pairwise(blocks):
        if opening.tag in ("h4", "td") and inline.type == "inline":
            texts = [t.content for t in inline.children or () if t.type != "html_inline"]
            said.append("".join(texts))
    return said


@pytest.mark.parametrize("name", HOSTILE)
def test_a_reader_sees_the_name(name: str) -> None:
    found = seen(markdown_text(run(named(name))))
    title = shown_name(f"{FILE}::{name}")
    assert (found[1], found[-1]) == (title, f"{title}: exceeded")


@settings(max_examples=50)
@given(name=texts(max_size=100), limit=st.integers(40_000, COMMENT_LIMIT))
def test_any_name_is_whole_and_fits(name: str, limit: int) -> None:
    text = markdown_text(hostile_run(name), limit)
    assert len(text.encode()) <= limit
    assert_whole(text)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.isprintable()][:-3])
def test_a_command_is_never_changed(name: str) -> None:
    found = named(name, update=UpdateCommand(target=f"{FILE}::{name}"))
    (line,) = commands_of(markdown_text(run(found)))
    assert shlex.split(line) == ["pytest", "--update-budgets", f"{FILE}::{name}"]


@pytest.mark.parametrize("name", ["a\nb", "\u202eb", "x" * 3000])
def test_a_command_that_cannot_be_read_is_not_shown(name: str) -> None:
    text = markdown_text(run(named(name, update=UpdateCommand(target=name))))
    assert commands_of(text) == []
    assert "too long to be shown, or has characters that cannot be seen" in text


def test_300_budgets_of_10_000_layers_fit() -> None:
    large = {f"{'deep.' * 50}layers.{i}": ("Conv2d", 3, 5) for i in range(10_000)}
    layers = tuple(layer({path: costs}, path) for path, costs in large.items())
    measured = replace(profile({"": ("Net", 30_009, 50_009)}), layers=layers)
    found = [
        result(profile(GROWN), baseline(), test=f"{FILE}::test_{i}[{'x' * 300}]")
        for i in range(299)
    ]
    text = markdown_text(run(result(measured, baseline(large)), *found))
    assert_whole(text)
    assert len(text) > COMMENT_LIMIT / 2
    rows = sum(line.startswith("| ❌") for line in text.split("\n"))
    assert f"... and {300 - rows} more budgets: {300 - rows} exceeded" in text
    sections = text.count("####")
    assert f"... and {300 - sections} more budgets that changed" in text
    assert sections > 10


def test_layers_that_do_not_fit_are_counted() -> None:
    spec = {f"conv{i}": ("Conv2d", 1 + i % 3, 5) for i in range(60)}
    text = markdown_text(run(result(profile({**spec, "head": ("Linear", 9, 9)}), baseline(spec))))
    assert "... and 11 more layers that cost less" in text
