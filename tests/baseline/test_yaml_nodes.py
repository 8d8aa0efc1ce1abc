"""Texts in YAML: whatever is written is read again, by us and by PyYAML."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.baseline import yaml_nodes
from pytest_flopbudget.baseline.yaml_nodes import parse
from pytest_flopbudget.baseline.yaml_scalars import text_scalar
from tests.strategies import TRICKY, texts

LOADERS = [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("model.0.conv", "model.0.conv"),
        ("0.conv", "0.conv"),
        ("module_list", "module_list"),
        ("ResNet (18)", "ResNet (18)"),
        ("cpu, Intel Xeon, 2 cores", "cpu, Intel Xeon, 2 cores"),
        ("tests/test_a.py::TestA::test_b[1-x]", "tests/test_a.py::TestA::test_b[1-x]"),
        ("層", "層"),
        ("", "''"),
        ("0", "'0'"),
        ("1.10", "'1.10'"),
        ("2.13", "'2.13'"),
        ("1e3", "'1e3'"),
        ("0x1F", "'0x1F'"),
        ("0o17", "'0o17'"),
        ("1_000", "'1_000'"),
        ("12:30:45", "'12:30:45'"),
        ("2026-01-01", "'2026-01-01'"),
        ("no", "'no'"),
        ("On", "'On'"),
        ("true", "'true'"),
        ("null", "'null'"),
        ("~", "'~'"),
        ("_private", "'_private'"),
        ("a: b", "'a: b'"),
        ("a:", "'a:'"),
        ("a #b", "'a #b'"),
        (" a", "' a'"),
        ("a ", "'a '"),
        ("it's", "'it''s'"),
        ('"a"', "'\"a\"'"),
        ("a\nb", '"a\\U0000000ab"'),
        ('"\\\n', '"\\"\\\\\\U0000000a"'),
    ],
)
def test_scalar_is_plain_only_where_no_reader_takes_it_for_something_else(
    text: str, written: str
) -> None:
    assert text_scalar(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Conv2d", "Conv2d"),
        ("float32[1, 3]", "'float32[1, 3]'"),
        ("a,b", "'a,b'"),
        ("a:b", "'a:b'"),
        ("aten::mm", "'aten::mm'"),
        ("a{b}", "'a{b}'"),
    ],
)
def test_scalar_inside_of_brackets_is_quoted_for_their_sake_too(text: str, written: str) -> None:
    assert text_scalar(text, flow=True) == written


@pytest.mark.parametrize("loader", LOADERS)
@given(text=texts())
def test_any_text_is_read_as_it_was_written(loader: Any, text: str) -> None:
    block = f"- {text_scalar(text)}\n- {text_scalar(text)}: {text_scalar(text)}\n"
    flow = f"[{text_scalar(text, flow=True)}, {{x: {text_scalar(text, flow=True)}}}]\n"
    assert yaml.load(block, Loader=loader) == [text, {text: text}]  # noqa: S506 - two safe ones
    assert yaml.load(flow, Loader=loader) == [text, {"x": text}]  # noqa: S506


@pytest.mark.parametrize("text", TRICKY)
def test_a_tricky_key_is_its_own_text(text: str) -> None:
    assert list(parse(f"{text_scalar(text)}: 1\n", "a.yaml").entries()) == [text]


@given(text=texts())
def test_a_scalar_is_one_line(text: str) -> None:
    assert text_scalar(text).splitlines() == [text_scalar(text)]


@pytest.mark.parametrize("loader", LOADERS)
@given(text=st.text(st.sampled_from("ab01:-#'\"[]{},&*!|>%@?\n\t ~<="), max_size=20))
def test_any_text_is_parsed_or_refused_by_name(loader: Any, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_nodes, "Loader", loader)
        try:
            parse(f"a: {text}", "a.yaml")
        except yaml_nodes.BaselineError as error:
            assert str(error).startswith("a.yaml:")  # noqa: PT017 - most texts are valid
