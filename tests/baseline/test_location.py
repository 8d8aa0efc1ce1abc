"""The name of a baseline file: a pure function of the test, never outside of the folder."""

import re
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_flopbudget.baseline.location import TestId, baseline_path
from tests.strategies import TRICKY, texts

T = "tests/test_a.py::test_b"


@pytest.mark.parametrize(
    ("node_id", "file", "names", "parameters"),
    [
        ("tests/test_a.py::test_b", "tests/test_a.py", ("test_b",), None),
        ("tests/test_a.py::TestA::test_b", "tests/test_a.py", ("TestA", "test_b"), None),
        ("tests/test_a.py::A::B::test_b", "tests/test_a.py", ("A", "B", "test_b"), None),
        ("test_a.py::test_b[small-8]", "test_a.py", ("test_b",), "small-8"),
        ("test_a.py::test_b[]", "test_a.py", ("test_b",), ""),
        ("test_a.py::test_b[a::b]", "test_a.py", ("test_b",), "a::b"),
        ("test_a.py::test_b[a[0]]", "test_a.py", ("test_b",), "a[0]"),
        ("test_a.py::test_b[[]", "test_a.py", ("test_b",), "["),
        ("test_a.py::test_b[x]y]", "test_a.py", ("test_b",), "x]y"),
        ("test_a.py::test_b[../../x.py::t]", "test_a.py", ("test_b",), "../../x.py::t"),
    ],
)
def test_a_node_id_has_a_file_names_and_parameters(
    node_id: str, file: str, names: tuple[str, ...], parameters: str | None
) -> None:
    assert TestId.parse(node_id) == TestId(file, names, parameters)


@pytest.mark.parametrize(
    ("node_id", "name", "named", "path"),
    [
        (T, None, None, "tests/test_a/test_b.yaml"),
        (T, None, "decoder", "tests/test_a/test_b.decoder.yaml"),
        (T, "yolo", None, "yolo.yaml"),
        (T, "yolo", "decoder", "yolo.decoder.yaml"),
        (f"{T}[s-8]", None, None, "tests/test_a/test_b[s-8].yaml"),
        (f"{T}[s-8]", None, "decoder", "tests/test_a/test_b[s-8].decoder.yaml"),
        (f"{T}[s-8]", "yolo", None, "yolo[s-8].yaml"),
        ("test_a.py::TestA::test_b", None, None, "test_a/TestA.test_b.yaml"),
        ("a/b/test_c.py::A::B::test_d[1]", None, None, "a/b/test_c/A.B.test_d[1].yaml"),
        (f"{T}[640x640,fp16=True]", None, None, "tests/test_a/test_b[640x640,fp16=True].yaml"),
        (f"{T}[1.5+2@x]", None, None, "tests/test_a/test_b[1.5+2@x].yaml"),
    ],
)
def test_a_baseline_lies_where_its_test_lies(
    node_id: str, name: str | None, named: str | None, path: str
) -> None:
    assert baseline_path(node_id, name, named) == PurePosixPath(path)


HASH = "-[0-9a-f]{8}"


@pytest.mark.parametrize(
    ("parameters", "written"),
    [
        ("a b", "a_b"),
        ("a/b", "a_b"),
        ("a\\b", "a_b"),
        ("a::b", "a__b"),
        ("a[0]", "a_0_"),
        ("a:b", "a_b"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("a\x00b", "a_b"),
        ("a\nb", "a_b"),
        ("🤖", "_"),
        ("é", "_"),
        ("", "_"),
        (".", "_"),
        ("..", "_"),
        ("...", "_"),
        ("CON", "CON"),
        ("con.txt", "con.txt"),
        ("nul", "nul"),
        ("Com1", "Com1"),
        ("LPT9.log", "LPT9.log"),
        ("a" * 81, "a" * 80),
        ("a" * 300, "a" * 80),
        ('<>:"|?*', "_______"),
        ("$HOME `rm`", "_HOME__rm_"),
    ],
)
def test_what_no_file_system_takes_is_replaced_and_told_apart_by_a_hash(
    parameters: str, written: str
) -> None:
    pattern = rf"test_b\[{re.escape(written)}{HASH}\]\.yaml"
    assert re.fullmatch(pattern, baseline_path(f"{T}[{parameters}]").name)
    assert re.fullmatch(rf"{re.escape(written)}{HASH}\.yaml", baseline_path(T, parameters).name)
    assert re.fullmatch(
        rf"test_b\.{re.escape(written)}{HASH}\.yaml", baseline_path(T, None, parameters).name
    )


@pytest.mark.parametrize("text", ["a", "a" * 80, "-", "_", "a.b", ".a", "A-1", "console", "com10"])
def test_what_every_file_system_takes_is_left(text: str) -> None:
    assert baseline_path(f"{T}[{text}]").name == f"test_b[{text}].yaml"


def test_the_hash_is_the_same_on_every_machine() -> None:
    assert baseline_path(f"{T}[a b]").name == "test_b[a_b-c8687a08].yaml"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a b", "a_b"),
        ("a b", "a:b"),
        ("a/b", "a\\b"),
        ("..", "."),
        ("", "_"),
        ("é", "è"),
        ("a" * 81, "a" * 82),
        ("a" * 80, "a" * 80 + "b"),
        ("a" * 80 + "b", "a" * 80 + "c"),
        ("a]", "a"),
        ("\ud800", "\ud801"),
    ],
)
def test_what_was_different_stays_different(one: str, other: str) -> None:
    assert baseline_path(f"{T}[{one}]") != baseline_path(f"{T}[{other}]")
    assert baseline_path(T, one) != baseline_path(T, other)


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("../outside/test_a.py", rf"_{HASH}/outside/test_a"),
        ("/etc/test_a.py", rf"_{HASH}/etc/test_a"),
        ("C:/test_a.py", rf"C_{HASH}/test_a"),
        ("a b/test_a.py", rf"a_b{HASH}/test_a"),
        ("aux/test_a.py", rf"aux{HASH}/test_a"),
        ("./test_a.py", r"test_a"),
        ("README.md", r"README"),
        (".", r"\."),  # as pytest calls a file outside that is all that was asked for
        ("", r"\."),
    ],
)
def test_a_test_file_outside_of_the_rootdir_has_its_baseline_inside(file: str, folder: str) -> None:
    assert re.fullmatch(folder, str(baseline_path(f"{file}::test_b").parent))


ID = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
FILES = st.lists(ID | st.just(".."), min_size=1, max_size=3).map("/".join)
NODE_IDS = st.builds(
    lambda file, names, parameters: (
        f"{file}.py::" + "::".join(names) + ("" if parameters is None else f"[{parameters}]")
    ),
    file=FILES,
    names=st.lists(ID, min_size=1, max_size=2),
    parameters=st.none() | texts() | st.text(max_size=300),
)


@given(node_id=NODE_IDS, name=st.none() | texts(), named=st.none() | texts())
def test_a_baseline_lies_inside_of_the_folder_on_every_system(
    node_id: str, name: str | None, named: str | None
) -> None:
    path = baseline_path(node_id, name, named)
    assert path == baseline_path(node_id, name, named)
    assert not path.is_absolute()
    assert ".." not in path.parts
    windows = PureWindowsPath(str(path))
    assert windows.parts == path.parts  # no backslash, drive or stream
    assert not windows.drive
    assert re.fullmatch(r"[\w.,=+@\-\[\]/]+\.yaml", str(path), re.ASCII)
    assert not any(piece.endswith((".", " ")) for piece in path.parts)


@given(text=(st.text() | st.sampled_from(TRICKY)).filter(lambda text: "::" not in text))
def test_no_folder_is_too_strange(text: str) -> None:
    path = baseline_path(f"{text}/test_a.py::test_b")
    assert path.name == "test_b.yaml"
    assert ".." not in path.parts
    assert not path.is_absolute()


def test_a_part_of_a_node_id_has_a_file() -> None:
    assert TestId.parse("tests/test_a.py").file == "tests/test_a.py"


@given(one=st.text(), other=st.text())
def test_different_parameters_have_different_names_in_any_case(one: str, other: str) -> None:
    paths = [str(baseline_path(f"{T}[{text}]")).casefold() for text in (one, other)]
    assume(one.casefold() != other.casefold())  # these are errors that name both
    assert paths[0] != paths[1]


@given(one=NODE_IDS, other=NODE_IDS)
def test_different_tests_have_different_names(one: str, other: str) -> None:
    assume(one.casefold() != other.casefold())
    paths = {str(baseline_path(node_id)).casefold() for node_id in (one, other)}
    assert len(paths) == 2


def test_a_name_is_no_longer_than_file_systems_allow() -> None:
    node_id = f"tests/test_a.py::Test{'A' * 70}::test_{'b' * 70}[{'c' * 79}]"
    assert len(baseline_path(node_id, named="d" * 80).name) <= 255


def test_a_folder_does_not_end_with_a_dot() -> None:
    assert not baseline_path("a./test_a.py::test_b").parts[0].endswith(".")


def test_a_folder_may_have_brackets() -> None:
    assert TestId.parse("tests/[id]/test_a.py::test_b[1]").file == "tests/[id]/test_a.py"
