"""A baseline may come from a stranger: whatever it holds, reading it ends soon and takes little."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_flopbudget.baseline.reader import parse, read
from pytest_flopbudget.baseline.writer import text_of
from pytest_flopbudget.baseline.yaml_nodes import MAX_BYTES, MAX_VALUES
from pytest_flopbudget.errors import BaselineError
from tests.strategies import baseline, baselines
from tests.thorough import thorough

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

MOST_MEMORY = 100 * 2**20  # bytes
MOST_TIME = 20  # seconds of the processor, on a slow one
HEAD = (
    "format: 1\ntest: a\nmodel: N\ninputs: []\nmode: inference\nengine: dispatch\ntotal: {}\nown: "
)


@contextmanager
def bounded() -> Iterator[None]:
    """Let what happens inside have so much memory and no more, and look at the time it took."""
    start = process_time()
    if sys.platform == "linux":
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MEMORY, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
    else:
        yield
    assert process_time() - start < MOST_TIME


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("budgets") / "b.yaml"


def laughs() -> str:
    """Write the billion laughs: each line has nine times what the one before has."""
    names = "abcdefghij"
    lines = (f"{one}: &{one} [{', '.join([f'*{other}'] * 9)}]" for other, one in pairwise(names))
    return "\n".join(["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]", *lines])


def longest_lists() -> str:
    """Write as many values as a file may have, each below a key as long as fits beside them."""
    count = MAX_VALUES - 10
    return f"? {'k' * (MAX_BYTES - 3 * count)}\n: [{'1,' * count}]"


BOMBS = {
    "billion laughs": laughs(),
    "a list below a long key": f"? {'k' * 100_000}\n: [{'1,' * 100_000}]",  # 10^10 in all paths
    "lists as long as may be": longest_lists(),
    "more values": f"a: [{'1,' * MAX_VALUES}]",
    "more layers": HEAD + "\n" + "".join(f"  a{i}: {{type: x}}\n" for i in range(120_000)),
    "more bytes": "#" * (MAX_BYTES + 1),
    "brackets": "[" * 2**20,
    "braces": "{" * 2**20,
    "dashes": "- " * 2**20,
    "questions": "? " * 2**20,
    "anchors": "&a " * 2**20,
    "documents": "---\n" * 2**20,
    "blanks": "a:" + " \n" * 2**20,
    "an escape without end": '"\\' * 2**20,
    "a directive": "%" * 2**20,
    "a tag": "!<" + "a" * 2**20,
    "a number": HEAD.replace("format: 1", f"format: {'1' * 2**20}") + "{}",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_in_little_memory_and_time(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    with bounded(), pytest.raises(BaselineError) as error:
        read(file, "budgets/b.yaml")
    assert len(str(error.value)) < 500


@pytest.mark.skipif(sys.platform != "linux", reason="nothing bounds memory here")
def test_the_bound_on_memory_is_one() -> None:
    with pytest.raises(MemoryError), bounded():
        bytearray(2 * MOST_MEMORY)  # what was freed before may be used again


def test_the_largest_models_are_read(file: Path) -> None:
    """Such as mixtures of 45,000 experts that are layers of their own."""
    spec = {f"layers.{i}.experts.up_proj": ("Linear", i, i * 1000) for i in range(45_000)}
    record = baseline(spec)
    file.write_text(text_of(record), encoding="utf-8")
    with bounded():
        assert read(file, "budgets/b.yaml") == record


TOKENS = (
    *(b"&a ", b"*a", b"!!python/object ", b"? ", b": ", b"- ", b"{", b"}", b"[", b"]", b",", b"'"),
    *(b'"', b"\\", b"|\n", b">\n", b"#", b"%", b"@", b"`", b"\t", b"\r\n", b"\n", b"\x00", b"\x85"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9", b"---\n", b"...\n"),
    *(b".nan", b"-.inf", b"1e999", b"-0", b"0x10", b"1_000", b"true", b"null", b"~", b"9" * 40),
    *(b"<<: ", b"<<<<<<< HEAD\n", b"=======\n", b">>>>>>> b\n", b"format: 2\n", b"total: {}\n"),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Generate valid files in which some places were cut out, doubled, swapped or written over."""
    content = text_of(draw(baselines())).encode()
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 40)))
        middle = content[start:end]
        put = draw(
            st.sampled_from([b"", middle * 2, middle[::-1], *TOKENS]) | st.binary(max_size=4)
        )
        content = content[:start] + put + content[end:]
    return content


def files() -> SearchStrategy[bytes]:
    """Generate anything that may lie in the place of a baseline."""
    tokens = st.lists(st.sampled_from(TOKENS) | st.binary(max_size=4), max_size=30).map(b"".join)
    return mutated() | st.binary(max_size=200) | tokens


def check(file: Path, content: bytes) -> None:
    """Read a file: it is a baseline, which is written and read as itself, or refused in a line."""
    file.write_bytes(content)
    with bounded():
        try:
            record = read(file, "budgets/b.yaml")
        except BaselineError as error:
            said = str(error)
            assert said.startswith("budgets/b.yaml:")
            assert said.isprintable()
            assert len(said) < 1000
            return
        assert parse(text_of(record), "again.yaml") == record


@given(content=files())
@settings(max_examples=200)
@example(content=b"")
@example(content=laughs().encode())
def test_whatever_is_in_a_file_it_is_a_baseline_or_refused_by_name(
    file: Path, content: bytes
) -> None:
    check(file, content)


@thorough
@given(content=files())
@settings(max_examples=10_000)
def test_ten_thousand_files(file: Path, content: bytes) -> None:
    check(file, content)
