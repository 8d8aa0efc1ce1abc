"""Text to records: a file that is not valid says where, what was expected and what is there."""

import os
from pathlib import Path

import pytest
import yaml

from pytest_flopbudget.baseline import yaml_nodes
from pytest_flopbudget.baseline.reader import parse, read
from pytest_flopbudget.baseline.writer import text_of
from pytest_flopbudget.errors import BaselineError, ConflictError
from tests.strategies import MAX_COUNT, baseline, with_entry

GOOD = """\
# a comment
format: 1
test: tests/test_net.py::test_net
model: Net
inputs: ['float32[1, 3]']
mode: inference
engine: dispatch
total: {params: 30, gflops: 0.5}
own:
  a: {type: Linear, params: 10, gflops: 0.25}
  b: {type: Linear, params: 20, gflops: 0.25}
latency:
  cpu, here:
    torch: '2.13'
    gflops: 0.5
    total_ms: 100
    layers:
      a: 40.5
"""
NUMBER = "a number of at most 9 decimals, 0 or more, without an exponent"
KEYS = (
    "`format`, `test`, `model`, `inputs`, `mode`, `engine`, `total`, `own`, `thop`, "
    "`data_dependent`, `torch`, `state`, `ignored`, `latency`"
)


def broken(old: str, new: str) -> str:
    """Return the good file with its first `old` replaced."""
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def message(text: str) -> str:
    with pytest.raises(BaselineError) as error:
        parse(text, "budgets/b.yaml")
    return str(error.value)


def test_the_good_file_is_good() -> None:
    record = parse(GOOD, "b.yaml")
    assert record.total == {"params": 30, "flops": 500_000_000}
    assert record.environments["cpu, here"].layers == {"a": 40.5}


def test_an_entry_may_name_its_python() -> None:
    assert parse(GOOD, "b.yaml").environments["cpu, here"].python is None
    named = broken("    torch: '2.13'\n", "    torch: '2.13'\n    python: '3.10'\n")
    assert parse(named, "b.yaml").environments["cpu, here"].python == "3.10"


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("false", False)])
def test_a_file_may_say_that_its_count_is_data_dependent(text: str, expected: bool) -> None:
    record = parse(broken("total:", f"data_dependent: {text}\ntotal:"), "b.yaml")
    assert (record.data_dependent, parse(GOOD, "b.yaml").data_dependent) == (expected, False)


@pytest.mark.parametrize(
    ("text", "found"), [("yes", "`yes`"), ("'true'", "`true`"), ("1", "`1`"), ("[]", "a list")]
)
def test_what_is_neither_true_nor_false(text: str, found: str) -> None:
    said = message(broken("total:", f"data_dependent: {text}\ntotal:"))
    expected = f"8: at `data_dependent`: expected `true` or `false`, found {found}"
    assert said == f"budgets/b.yaml:{expected}"


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("total",), 8),
        (("total", "params"), 8),
        (("own", "b"), 11),
        (("own", "b", "params"), 11),
        (("own", "c"), 9),  # the nearest key around it
        (("latency", "cpu, here", "total_ms"), 16),
        (("latency", "cpu, here", "layers", "a"), 18),
        (("nothing",), None),
    ],
)
def test_every_key_knows_its_line(key: tuple[str, ...], line: int | None) -> None:
    assert parse(GOOD, "b.yaml").line(*key) == line


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("params: 30", "params: -30", f"8: at `total.params`: expected {NUMBER}, found `-30`"),
        ("params: 30", "params: '30'", f"8: at `total.params`: expected {NUMBER}, found `30`"),
        ("params: 30", "params: true", f"8: at `total.params`: expected {NUMBER}, found `true`"),
        ("params: 30", "params: .nan", f"8: at `total.params`: expected {NUMBER}, found `.nan`"),
        ("params: 30", "params: .inf", f"8: at `total.params`: expected {NUMBER}, found `.inf`"),
        ("params: 30", "params: 3e1", f"8: at `total.params`: expected {NUMBER}, found `3e1`"),
        ("params: 30", "params: 3_0", f"8: at `total.params`: expected {NUMBER}, found `3_0`"),
        ("params: 30", "params: 0x1e", f"8: at `total.params`: expected {NUMBER}, found `0x1e`"),
        ("params: 30", "params: +30", f"8: at `total.params`: expected {NUMBER}, found `+30`"),
        ("params: 30", "params: ~", f"8: at `total.params`: expected {NUMBER}, found `~`"),
        ("params: 30", "params: [30]", f"8: at `total.params`: expected {NUMBER}, found a list"),
        ("params: 30", "params: {}", f"8: at `total.params`: expected {NUMBER}, found a mapping"),
        ("params: 30", "params: 30.5", "8: at `total.params`: expected a whole number, found "
         "`30.5`"),
        ("params: 30", "params: 30.0", "8: at `total.params`: expected a whole number, found "
         "`30.0`"),
        ("format: 1", "format: 1.0", "2: at `format`: expected a whole number, found `1.0`"),
        ("params: 30", f"params: {10**25}", f"8: at `total.params`: expected {NUMBER}, found "
         f"`{10**25}`"),
        ("params: 10", "params: x", f"10: at `own.a.params`: expected {NUMBER}, found `x`"),
        ("gflops: 0.25", "gflops: 0.2500000001", f"10: at `own.a.gflops`: expected {NUMBER}, found "
         "`0.2500000001`"),
        ("gflops: 0.25", "gflops: 2.5e-1", f"10: at `own.a.gflops`: expected {NUMBER}, found "
         "`2.5e-1`"),
        ("gflops: 0.25", "gflops: .25", f"10: at `own.a.gflops`: expected {NUMBER}, found `.25`"),
        ("total_ms: 100", "total_ms:", "16: at `latency.cpu, here.total_ms`: expected "
         f"{NUMBER}, found nothing"),
        ("total_ms: 100", "total_ms: -1", "16: at `latency.cpu, here.total_ms`: expected "
         f"{NUMBER}, found `-1`"),
        ("a: 40.5", "a: nan", f"18: at `latency.cpu, here.layers.a`: expected {NUMBER}, found "
         "`nan`"),
    ],
)  # fmt: skip
def test_a_number_is_written_as_we_write_numbers(old: str, new: str, expected: str) -> None:
    assert message(broken(old, new)) == f"budgets/b.yaml:{expected}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("format: 1", "format: 2", "2: at `format`: expected format 1, which this version reads, "
         "found `2`"),
        ("format: 1", "format: '1'", f"2: at `format`: expected {NUMBER}, found `1`"),
        ("format: 1", "format: one", f"2: at `format`: expected {NUMBER}, found `one`"),
        ("format: 1\n", "", "2: expected the key `format`, found none"),
        ("model: Net\n", "", "2: expected the key `model`, found none"),
        ("    total_ms: 100\n", "    memory_mb: 1\n", "13: at "
         "`latency.cpu, here`: expected the key `total_ms`, found none"),
        ("    total_ms: 100\n", "    total_ms: 1\n    memory_mb: 0.0000001\n", "17: at "
         "`latency.cpu, here.memory_mb`: expected a whole number, found `0.0000001`"),
        ("    total_ms: 100\n", "", "13: at `latency.cpu, here`: expected the key `total_ms`, "
         "found none"),
        ("type: Linear, ", "", "10: at `own.a`: expected the key `type`, found none"),
        ("model: Net", "modell: Net", f"4: at `modell`: expected one of {KEYS}, found the key "
         "`modell`; did you mean `model`?"),
        ("model: Net", "xyzzy: Net", f"4: at `xyzzy`: expected one of {KEYS}, found the key "
         "`xyzzy`"),
        ("params: 30", "parms: 30", "8: at `total.parms`: expected one of `params`, `gflops`, "
         "`forward_gflops`, `backward_gflops`, `traffic_mb`, `forward_traffic_mb`, "
         "`backward_traffic_mb`, `operators`, `forward_operators`, `backward_operators`, "
         "`weights_mb`, found the key `parms`; did you mean `params`?"),
        ("params: 10", "flops: 10", "10: at `own.a.flops`: expected one of `type`, `params`, "
         "`gflops`, `forward_gflops`, `backward_gflops`, `traffic_mb`, `forward_traffic_mb`, "
         "`backward_traffic_mb`, `operators`, `forward_operators`, `backward_operators`, "
         "`weights_mb`, found the key `flops`; did you mean "
         "`gflops`?"),
        ("total_ms", "totl_ms", "16: at `latency.cpu, here.totl_ms`: expected one of `torch`, "
         "`total_ms`, `python`, `gflops`, `forward_ms`, `backward_ms`, `memory_mb`, `layers`, "
         "found the key `totl_ms`; did you mean `total_ms`?"),
        ("mode: inference", "mode: eval", "6: at `mode`: expected one of `inference`, `training`, "
         "found `eval`"),
        ("engine: dispatch", "engine: THOP", "7: at `engine`: expected one of `dispatch`, `thop`, "
         "`yolov5`, found `THOP`"),
        ("model: Net", "model: [Net]", "4: at `model`: expected a text, found a list"),
        ("model: Net", "model: {a: b}", "4: at `model`: expected a text, found a mapping"),
        ("['float32[1, 3]']", "float32", "5: at `inputs`: expected a list of texts, found "
         "`float32`"),
        ("['float32[1, 3]']", "[[1]]", "5: at `inputs[0]`: expected a text, found a list"),
        ("{params: 30, gflops: 0.5}", "[30, 0.5]", "8: at `total`: expected a mapping, found a "
         "list"),
        ("{params: 30, gflops: 0.5}", "30", "8: at `total`: expected a mapping, found `30`"),
        ("{type: Linear, params: 10, gflops: 0.25}", "Linear", "10: at `own.a`: expected a "
         "mapping, found `Linear`"),
    ],
)  # fmt: skip
def test_a_wrong_key_or_value_is_named(old: str, new: str, expected: str) -> None:
    assert message(broken(old, new)) == f"budgets/b.yaml:{expected}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("params: 30", "params: 31", "8: at `total.params`: expected the sum of `own`, 30, found "
         "31, as after a merge that took both sides"),
        ("params: 20", "params: 21", "8: at `total.params`: expected the sum of `own`, 31, found "
         "30, as after a merge that took both sides"),
        ("gflops: 0.5", "gflops: 0.500000001", "8: at `total.gflops`: expected the sum of `own`, "
         "0.5, found 0.500000001, as after a merge that took both sides"),
        ("  b: {type: Linear, params: 20, gflops: 0.25}\n", "", "8: at `total.params`: expected "
         "the sum of `own`, 10, found 30, as after a merge that took both sides"),
    ],
)  # fmt: skip
def test_a_total_is_the_sum_of_what_layers_cost(old: str, new: str, expected: str) -> None:
    assert message(broken(old, new)) == f"budgets/b.yaml:{expected}"


def test_the_sum_is_named_as_the_file_would_have_it() -> None:
    text = text_of(baseline({"a": ("Linear", 0, 1)})).replace(
        "total: {params: 0, gflops: 0.000000001}", "total: {params: 0, gflops: 0}"
    )
    assert "expected the sum of `own`, 0.000000001, found 0," in message(text)


def test_a_large_sum_is_named_exactly() -> None:
    text = text_of(baseline({"a": ("Linear", 0, MAX_COUNT + 1)})).replace(
        f"total: {{params: 0, gflops: {10**15}.000000001}}",
        f"total: {{params: 0, gflops: {10**15}}}",
    )
    assert f"the sum of `own`, {10**15}.000000001, found {10**15}," in message(text)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("model: Net", "model: Net\nmodel: Net", "5: at `model`: expected each key once, found "
         "`model` again"),
        ("  b: {", "  a: {", "11: at `own.a`: expected each key once, found `a` again"),
        ("  b: {", "  'a': {", "11: at `own.a`: expected each key once, found `a` again"),
        ("params: 30,", "params: 30, params: 30,", "8: at `total.params`: expected each key once, "
         "found `params` again"),
        ("model: Net", "model: &net Net", "4: at `model`: expected plain values, found an anchor "
         "or alias"),
        ("model: Net", "model: *net", "4: at `model`: expected plain values, found an anchor or "
         "alias"),
        ("  a: {", "  a: &a {", "10: at `own.a`: expected plain values, found an anchor or alias"),
        ("  b: {type: Linear, params: 20, gflops: 0.25}", "  b: *a", "11: at `own.b`: expected "
         "plain values, found an anchor or alias"),
        ("model: Net", "&m model: Net", "4: expected plain values, found an anchor or alias"),
        ("model: Net", "model: !!str Net", "4: at `model`: expected plain values, found the tag "
         "`tag:yaml.org,2002:str`"),
        ("model: Net", "model: !!python/object/apply:os.system ['true']", "4: at `model`: expected "
         "plain values, found the tag `tag:yaml.org,2002:python/object/apply:os.system`"),
        ("model: Net", "model: !mine {}", "4: at `model`: expected plain values, found the tag "
         "`!mine`"),
        ("model: Net", "[model]: Net", "4: expected a text, found a list"),
        ("model: Net", "model: [[[[[[[[1]]]]]]]]", "4: at `model[0][0][0][0][0][0][0][0]`: "
         "expected at most 8 levels, found more"),
    ],
)  # fmt: skip
def test_only_the_plain_part_of_yaml_is_read(old: str, new: str, expected: str) -> None:
    assert message(broken(old, new)) == f"budgets/b.yaml:{expected}"


def test_a_file_is_one_document() -> None:
    expected = "budgets/b.yaml:19: expected one document, found a second one"
    assert message(GOOD + "---\n" + GOOD) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- format\n", "1: expected a mapping, found a list"),
        ("[]\n", "1: expected a mapping, found a list"),
        ("format\n", "1: expected a mapping, found `format`"),
        ("''\n", "1: expected a mapping, found ``"),
        ("{}\n", "1: expected the key `format`, found none"),
        ("# nothing\n--- \n", "3: expected a mapping, found nothing"),
    ],
)
def test_a_file_is_a_mapping(text: str, expected: str) -> None:
    assert message(text) == f"budgets/b.yaml:{expected}"


@pytest.mark.parametrize(("text", "line"), [("", 1), ("\n", 2), ("# Baseline\n", 2)])
def test_an_empty_file_is_named(text: str, line: int) -> None:
    assert message(text) == f"budgets/b.yaml:{line}: expected a mapping, found nothing"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("model: Net", "\tmodel: Net", 4),
        ("model: Net", "model: 'Net", 5),
        ("total: {", "@total: {", 8),
        ("model: Net", "model: a: b", 4),
        ("gflops: 0.5}", "gflops: 0.5", 9),
    ],
)
def test_what_is_not_yaml_says_where(old: str, new: str, line: int) -> None:
    with pytest.raises(BaselineError, match=rf"^budgets/b\.yaml:{line}: not valid YAML: .+$"):
        parse(broken(old, new), "budgets/b.yaml")


@pytest.mark.parametrize("mark", ["<<<<<<< HEAD", "||||||| 4f2", "=======", ">>>>>>> their/branch"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_merge_conflict_is_named(mark: str, end: str) -> None:
    text = broken("total: {", f"{mark}\ntotal: {{").replace("\n", end)
    with pytest.raises(ConflictError, match=r":8: .* the mark of a merge conflict$"):
        parse(text, "budgets/b.yaml")


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b"])
def test_a_character_that_yaml_does_not_take_says_where(character: str) -> None:
    found = message(broken("model: Net", f"model: Net{character}"))
    assert found.startswith("budgets/b.yaml:4: not valid YAML: ")
    assert len(found.splitlines()) == 1


def test_an_unknown_block_says_its_own_line() -> None:
    assert message(broken("latency:", "latncy:")).startswith("budgets/b.yaml:12: at `latncy`")


def test_digits_are_those_that_we_write() -> None:
    assert f"expected {NUMBER}, found `٣٠`" in message(broken("params: 30", "params: ٣٠"))


def test_a_long_value_is_cut_in_the_message() -> None:
    assert message(broken("30", "x" * 500)).endswith(f"found `{'x' * 80}`")


def test_a_text_moves_no_cursor_and_is_one_line() -> None:
    hostile = '"\\e[2K\\n1 passed"'
    assert message(broken("30", hostile)).endswith("found `\\x1b[2K\\n1 passed`")
    found = message(broken("model: Net", f"{hostile}: Net"))
    assert "at `\\x1b[2K\\n1 passed`: expected" in found
    assert "found the key `\\x1b[2K\\n1 passed`" in found


@pytest.mark.parametrize(
    "text",
    [
        f"? {'k' * 2_000_000}\n: 1\n",
        f"model: !{'t' * 2_000_000} Net\n",
        f"own: {{? {'k' * 2_000_000} : {{? {'k' * 2_000_000} : &a 1}}}}\n",
        f"? {'k' * 2_000_000}\n: 1\n? {'k' * 2_000_000}\n: 1\n",
    ],
)
def test_a_message_is_short_whatever_the_file_has(text: str) -> None:
    assert len(message(text)) < 500


def test_the_values_of_a_file_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    def values(node: yaml_nodes.Node) -> int:
        if isinstance(node.value, dict):
            return 1 + sum(1 + values(inner) for inner in node.value.values())
        return 1 + sum(map(values, node.value)) if isinstance(node.value, list) else 1

    needed = values(yaml_nodes.parse(GOOD, "b.yaml"))
    monkeypatch.setattr(yaml_nodes, "MAX_VALUES", needed)
    parse(GOOD, "b.yaml")
    monkeypatch.setattr(yaml_nodes, "MAX_VALUES", needed - 1)
    expected = f"18: at `latency.cpu, here.layers.a`: expected at most {needed - 1} values"
    assert message(GOOD) == f"budgets/b.yaml:{expected}, found more"


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml_nodes.Loader])
def test_nesting_without_end_is_refused_early(
    loader: type[yaml.SafeLoader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_nodes, "Loader", loader)
    ours, libyaml = "expected at most 8 levels, found more", "exceeded maximum nesting depth"
    assert message("a: " + "[" * 100_000).endswith((ours, libyaml))
    assert message("{a: " * 100_000).endswith(ours)


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml_nodes.Loader])
def test_both_loaders_of_pyyaml_read_the_same(
    loader: type[yaml.SafeLoader], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = parse(GOOD, "b.yaml")
    monkeypatch.setattr(yaml_nodes, "Loader", loader)
    assert parse(GOOD, "b.yaml") == expected
    assert parse(GOOD, "b.yaml").lines == expected.lines


@pytest.mark.parametrize("text", [GOOD.replace("\n", "\r\n"), "\ufeff" + GOOD, GOOD + "...\n"])
def test_what_editors_do_to_a_file_does_no_harm(text: str) -> None:
    assert parse(text, "b.yaml") == parse(GOOD, "b.yaml")


def test_ten_thousand_layers_are_read() -> None:
    record = baseline({f"layers.{i}.conv": ("Conv2d", i, i * 1000) for i in range(10_000)})
    assert parse(text_of(record), "b.yaml") == record


# -------------------------------------------------------------------------- from the disk


def test_no_file_is_no_baseline(tmp_path: Path) -> None:
    assert read(tmp_path / "b.yaml", "b.yaml") is None
    assert read(tmp_path / "folder" / "b.yaml", "b.yaml") is None
    (tmp_path / "file").touch()
    assert read(tmp_path / "file" / "b.yaml", "b.yaml") is None


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").mkdir()
    with pytest.raises(BaselineError, match=r"^budgets/b\.yaml: expected a file, found a dir"):
        read(tmp_path / "b.yaml", "budgets/b.yaml")


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_bytes(b"model: caf\xe9\n")
    with pytest.raises(
        BaselineError, match=r"^budgets/b\.yaml:1: expected UTF-8, found the byte 0xe9$"
    ):
        read(tmp_path / "b.yaml", "budgets/b.yaml")


@pytest.mark.parametrize("spare", [1, 0])
def test_a_file_may_be_as_large_as_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spare: int
) -> None:
    (tmp_path / "b.yaml").write_text(text_of(with_entry()), encoding="utf-8")
    size = (tmp_path / "b.yaml").stat().st_size
    monkeypatch.setattr(yaml_nodes, "MAX_BYTES", size + spare)
    assert read(tmp_path / "b.yaml", "b.yaml") == with_entry()


def test_a_file_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b.yaml").write_bytes(b"a" * 101)
    monkeypatch.setattr(yaml_nodes, "MAX_BYTES", 100)
    with pytest.raises(
        BaselineError, match=r"^budgets/b\.yaml: expected at most 100 bytes, found 101$"
    ):
        read(tmp_path / "b.yaml", "budgets/b.yaml")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
def test_a_pipe_in_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "b.yaml")
    with pytest.raises(BaselineError, match=r"^budgets/b\.yaml: expected a file, found"):
        read(tmp_path / "b.yaml", "budgets/b.yaml")


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_links_in_a_circle_are_named(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").symlink_to("b.yaml")
    with pytest.raises(BaselineError, match=r"^budgets/b\.yaml: cannot be read: .+"):
        read(tmp_path / "b.yaml", "budgets/b.yaml")


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").symlink_to("c.yaml")
    with pytest.raises(BaselineError, match=r"expected a file, found a symbolic link to one"):
        read(tmp_path / "b.yaml", "budgets/b.yaml")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs a file without a size")
def test_a_link_to_a_file_that_tells_no_size_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b.yaml").symlink_to("/proc/self/status")  # /dev/zero would never end
    monkeypatch.setattr(yaml_nodes, "MAX_BYTES", 100)
    with pytest.raises(BaselineError, match="expected at most 100 bytes"):
        read(tmp_path / "b.yaml", "budgets/b.yaml")
