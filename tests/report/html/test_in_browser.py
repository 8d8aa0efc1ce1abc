"""The HTML report in a real Chromium: what a person sees, presses and is told."""

from dataclasses import replace
from typing import Any

import pytest

from pytest_flopbudget.metrics import GFLOPS, PARAMS, change_text
from pytest_flopbudget.report.html.page import html_text
from pytest_flopbudget.report.run import Run
from pytest_flopbudget.verdict.result import Result, Unjudged, UpdateCommand
from tests.report.html.browser import Page
from tests.report.html.test_page import HOSTILE
from tests.strategies import (
    ENVIRONMENT,
    NET,
    baseline,
    budget_settings,
    entry,
    large,
    profile,
    result,
    run,
    settings,
    timed,
    uncounted,
)

pytestmark = pytest.mark.browser

GROWN = {**NET, "head": ("Linear", 840, 72_000_000), "tail": ("Conv2d", 60, 50_000_000)}
ALL = budget_settings("params", "gflops", "latency")
WIDE = 900  # pixels that the icicle has at the least in a wide window


def grown() -> Result:
    """A head that grew by a fifth in params, a new tail, and a neck that is gone."""
    return result(profile(GROWN), baseline({**NET, "neck": ("Conv2d", 40, 30_000_000)}))


def open_(page: Page, *results: Result) -> Page:
    return page.open(html_text(run(*results)))


def width(cell: Any) -> float:
    """Measure an element in pixels, with fractions."""
    script = "return arguments[0].getBoundingClientRect().width"
    return float(cell.parent.execute_script(script, cell))


# ---------------------------------------------------------------------------------- it draws


def test_layers_are_as_wide_as_they_cost(page: Page) -> None:
    open_(page, result(profile(), baseline()))
    assert page.cells() == ["(model)", "stem", "body", "body.0", "head"]
    whole = width(page.cell("(model)"))
    assert whole > WIDE
    for path, share in {"stem": 0.1, "body": 0.2, "body.0": 0.2, "head": 0.7}.items():
        assert width(page.cell(path)) == pytest.approx(share * whole, abs=1)
    tops = [page.cell(path).rect["y"] for path in ("(model)", "body", "body.0")]
    assert tops == sorted(set(tops))
    assert page.cell("stem").rect["x"] < page.cell("body").rect["x"] < page.cell("head").rect["x"]


def test_colours_are_changes_against_the_baseline(page: Page) -> None:
    open_(page, grown())
    classes = {path: page.cell(path).get_attribute("class") for path in page.cells()}
    levels = {path: text.split()[1:] for path, text in classes.items()}
    assert levels == {
        "(model)": ["up-2"],
        "stem": ["same"],
        "body": ["same"],
        "body.0": ["same"],
        "head": ["up-1"],
        "tail": ["up-3", "edge"],
        "neck": ["down-3", "edge"],
    }
    assert width(page.cell("neck")) == pytest.approx(30 / 182 * width(page.cell("(model)")), abs=1)
    assert page.texts(".legend li") == [
        *("< −25 %", "< −5 %", "< 0", "same", "> 0", "> 5 %", "> 25 %"),
        *("new", "gone, as wide as it was"),
    ]


def test_without_a_baseline_nothing_is_coloured(page: Page) -> None:
    open_(page, result(profile(), None))
    assert {c.get_attribute("class").split()[1] for c in page.all(".cell")} == {"unknown"}
    assert page.texts(".legend") == ["not compared: there is no baseline"]
    assert "change" not in page.texts(".layers th button")


def test_noise_is_not_coloured(page: Page) -> None:
    times = {"stem": 10.0, "body": 24.0, "head": 60.0}
    spent = {path: {"latency_ms": ms, "own_latency_ms": ms} for path, ms in times.items()}
    stored = entry(layers={"stem": 10.0, "body": 20.0, "head": 40.0})
    open_(page, result(timed(layers=spent), baseline(environments={ENVIRONMENT.key: stored}), ALL))
    page.one("input[value=latency]").find_element("xpath", "..").click()
    levels = {path: page.cell(path).get_attribute("class").split()[1] for path in page.cells()}
    assert levels == {"(model)": "unknown", "stem": "same", "body": "same", "head": "up-1"}
    assert "± 25 %" in page.texts(".legend li")


def test_the_metric_is_switched(page: Page) -> None:
    open_(page, result(profile({**NET, "body.1": ("PReLU", 1000, 0)}), None))
    assert page.texts("h3")[0] == "Layers by GFLOPs"
    assert "body.1" not in page.cells()
    page.one("input[value=params]").find_element("xpath", "..").click()
    assert page.texts("h3")[0] == "Layers by params"
    assert width(page.cell("body.1")) == pytest.approx(width(page.cell("(model)")) / 2, abs=1)
    assert "own params" in page.texts(".layers th button")


def test_the_own_part_of_a_layer_stays_uncovered(page: Page) -> None:
    open_(page, result(profile({**NET, "body": ("Block", 0, 60_000_000)}), None))
    whole = width(page.cell("body"))
    assert width(page.cell("body.0")) == pytest.approx(whole / 4, abs=1)
    (rest,) = page.all(".icicle .rest")
    assert (rest.text, width(rest)) == ("own", pytest.approx(whole * 3 / 4, abs=1))


def test_a_peak_is_a_bar_and_not_a_width(page: Page) -> None:
    peaks = {"": 8, "stem": 8, "body": 2, "body.0": 2, "head": 4}
    spent = {path: {"memory_bytes": peak * 10**6} for path, peak in peaks.items()}
    open_(
        page, result(profile(layers=spent, memory_bytes=9_000_000), None, budget_settings("memory"))
    )
    assert page.texts("h3")[0] == "Layers by memory"
    assert page.texts(".note")[0].startswith("A peak is not the sum of the peaks below it")
    third = width(page.cell("(model)")) / 3
    for path, peak in peaks.items():
        cell = page.cell(path or "(model)")
        assert width(cell) == pytest.approx(third if path else 3 * third, abs=1)
        script = "parseFloat(getComputedStyle(arguments[0], '::after').height)"
        assert page.ask(script, cell) == pytest.approx(peak / 8 * 22, abs=0.1)
    assert page.cells() == ["(model)", "stem", "body", "body.0", "head"]


# --------------------------------------------------------------------- by mouse and by keyboard


def test_a_click_zooms_in_and_out(page: Page) -> None:
    open_(page, result(profile(), baseline()))
    whole = width(page.cell("(model)"))
    page.cell("body").click()
    assert page.cells() == ["body", "body.0"]
    assert width(page.cell("body.0")) == pytest.approx(whole, abs=1)
    assert page.texts(".trail > *") == ["(model)", "body"]
    assert [path for (path,) in page.rows("path")] == ["body", "body.0", "body.1"]
    page.one(".trail button").click()
    assert len(page.cells()) == 5
    page.cell("body").click()
    page.cell("body").click()  # the layer on top leads out again
    assert len(page.cells()) == 5
    assert page.focused == "body"


def test_the_keyboard_reaches_every_layer(page: Page) -> None:
    open_(page, result(profile(), baseline()))
    page.driver.execute_script("arguments[0].focus()", page.cell("(model)"))
    seen = []
    for key in ("ArrowDown", "ArrowRight", "ArrowDown", "ArrowUp", "End", "ArrowRight", "Home"):
        page.press(key)
        seen.append(page.focused)
    assert seen == ["stem", "body", "body.0", "body", "head", "head", "stem"]
    page.press("ArrowLeft", "ArrowUp", "ArrowUp")
    assert page.focused == "(model)"


def test_enter_zooms_in_and_escape_out(page: Page) -> None:
    open_(page, result(profile(), baseline()))
    page.driver.execute_script("arguments[0].focus()", page.cell("(model)"))
    page.press("ArrowDown", "ArrowRight", "Enter")
    assert (page.cells(), page.focused) == (["body", "body.0"], "body")
    page.press("ArrowDown", "Enter")  # a layer without layers below it stays where it is
    assert (page.cells(), page.focused) == (["body", "body.0"], "body.0")
    page.press("Escape")
    assert (len(page.cells()), page.focused) == (5, "body")
    page.press("Escape")
    assert (len(page.cells()), page.focused) == (5, "body")
    page.press(" ")
    assert page.cells() == ["body", "body.0"]


def test_one_layer_of_the_icicle_is_in_the_order_of_tabs(page: Page) -> None:
    open_(page, result(profile(), baseline()))
    page.driver.execute_script("arguments[0].focus()", page.cell("(model)"))
    page.press("ArrowDown", "ArrowRight")
    tabs = [cell for cell in page.all(".cell") if cell.get_attribute("tabindex") == "0"]
    assert [cell.get_attribute("aria-label").split(",")[0] for cell in tabs] == ["body"]


def test_a_screen_reader_is_told(page: Page) -> None:
    open_(page, grown())
    tree = page.one(".icicle")
    assert tree.get_attribute("role") == "tree"
    assert tree.get_attribute("aria-label").startswith("Layers by GFLOPs.")
    head = page.cell("head")
    told = {name: head.get_attribute(name) for name in ("role", "aria-level", "aria-label")}
    label = "head, Linear, 0.0720 GFLOPs, +2.9 % against the baseline"
    assert told == {"role": "treeitem", "aria-level": "2", "aria-label": label}
    assert [head.get_attribute(f"aria-{name}") for name in ("posinset", "setsize")] == ["3", "5"]
    assert page.cell("body").get_attribute("aria-expanded") == "true"


def test_what_is_pointed_at_is_described(page: Page) -> None:
    shapes = {"head": {"arguments": "8, 9", "input_shapes": ((1, 8),), "output_shapes": ((1, 9),)}}
    open_(page, result(profile(GROWN, shapes), baseline()))
    page.cell("head").click()
    assert page.texts(".inspector p") == ["head Linear(8, 9)"]
    assert page.texts(".inspector dl > div") == [
        "GFLOPs 0.0720 GFLOPs",
        "share 47.4 %",
        "baseline 0.0700 GFLOPs",
        "change +2.9 %",
        "calls 1",
        "input 1x8",
        "output 1x9",
    ]


# ---------------------------------------------------------------------------------- the table


def test_the_table_sorts_by_any_column(page: Page) -> None:
    open_(page, result(profile(), baseline()))
    order = ["(model)", "stem", "body", "body.0", "body.1", "head"]
    assert [path for (path,) in page.rows("path")] == order

    def press(column: str) -> tuple[list[str], str]:
        header = page.one(f".layers th.{column}")
        header.find_element("css selector", "button").click()
        rows = [path for (path,) in page.rows("path")]
        return rows, page.one(f".layers th.{column}").get_attribute("aria-sort")

    largest = ["(model)", "head", "body", "body.0", "stem", "body.1"]
    assert press("params") == (largest, "descending")
    assert page.focused == "params"
    smallest = ["body.1", "stem", "body", "body.0", "head", "(model)"]
    assert press("params") == (smallest, "ascending")
    assert press("params") == (order, "none")
    assert press("path") == (["(model)", "body", "body.0", "body.1", "head", "stem"], "ascending")
    sorts = [th.get_attribute("aria-sort") for th in page.all(".layers thead th")]
    assert sorts == ["ascending"] + ["none"] * (len(sorts) - 1)


def test_what_changed_comes_first(page: Page) -> None:
    open_(page, grown())
    rows = page.rows("path", "growth", "change")
    assert rows[:4] == [
        ["tail", "+0.0500", "new"],
        ["head", "+0.0020", "+2.9 %"],
        ["neck", "−0.0300", "gone"],
        ["(model)", "–", "+16.9 %"],
    ]
    assert page.texts(".layers .state") == ["new", "missing"]
    assert page.one(".layers th.growth").get_attribute("aria-sort") == "descending"


def test_the_largest_saving_comes_first_where_nothing_grew(page: Page) -> None:
    less = {**NET, "stem": ("Conv2d", 90, 9_000_000), "head": ("Linear", 600, 50_000_000)}
    open_(page, result(profile(less), baseline()))
    assert [row[0] for row in page.rows("path")][:2] == ["head", "stem"]


def test_the_table_is_filtered(page: Page) -> None:
    open_(page, result(profile(), baseline()))
    page.one(".bar input").send_keys("body relu")
    assert page.rows("path") == [["body.1"]]
    assert page.texts(".count") == ["1 of 6 layers"]


def test_a_row_leads_to_its_layer(page: Page) -> None:
    open_(page, result(profile(), baseline()))
    next(b for b in page.all(".layers tbody button") if b.text == "body.0").click()
    assert (page.cells(), page.focused) == (["body", "body.0"], "body.0")
    assert len(page.rows("path")) == 6  # the next one can be picked as well


NUMBERS = [0, 1, 999, 1_000_000, 123_456_789, 15_784_499_200, 15_784_499_201, 71_857 * 10**9]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_are_those_of_the_terminal(page: Page, number: int) -> None:
    spec = {"": ("Net", 0, 0), "one": ("Linear", number, number), "all": ("Linear", 10**6, 10**9)}
    measured = profile(spec)
    open_(page, result(measured, baseline({**spec, "one": ("Linear", 7, 7)})))
    decimals = GFLOPS.decimals_for(measured.flops)
    flops = GFLOPS.text(number, decimals)
    if not flops.strip("0."):  # what rounds to nothing differs from nothing
        flops = f"<{GFLOPS.text(10 ** (9 - decimals), decimals)}" if number else "0"
    change = "gone" if not number else change_text(number, 7).replace("-", "−")
    row = next(row for row in page.rows("path", "params", "gflops", "change") if row[0] == "one")
    assert row == ["one", PARAMS.text(number), flops, change]


# ----------------------------------------------------------------------------- all the budgets


def test_the_worst_budget_comes_first(page: Page) -> None:
    within = result(profile(), baseline(), test="tests/test_a.py::test_within")
    over = replace(grown(), test="tests/test_b.py::test_over")
    unknown = profile(uncounted=(uncounted("shop::warp", calls=1200),))
    hidden = result(unknown, baseline(), test="tests/test_c.py::test_hidden")
    broken = Unjudged(test="tests/test_d.py::test_broken", name=None, error="it broke\n\nhint: x")
    found = Run(settings=settings(), results=(within, over, hidden), unjudged=(broken,))
    page.open(html_text(found))
    assert page.texts("#budgets .title") == [
        "test_broken",
        "test_hidden",
        "test_over",
        "test_within",
    ]
    assert page.texts("#outcome > span") == [
        "1 ! error",
        "1 ? uncounted",
        "1 ✕ exceeded",
        "1 ✓ within",
    ]
    assert page.driver.title == "3 of 4 flop budgets failed"
    assert page.one(".sentence").text == "it broke\n\nhint: x"
    assert page.all(".icicle") == []

    page.choose(1)
    assert page.texts("h2")[0] == "test_hidden"
    assert page.texts(
        "section table:not(.layers) tbody td, section table:not(.layers) tbody th"
    ) == [
        *("shop::warp", "head", "1,200", "1x8"),
    ]
    page.choose(2)
    assert page.texts("h2")[0] == "test_over"
    assert page.texts(".command code") == ["pytest --update-budgets tests/test_net.py::test_net"]
    assert page.texts("[aria-current=true] .title") == ["test_over"]
    page.driver.back()
    page.until(lambda: page.texts("h2")[0] == "test_hidden")


def test_the_link_to_the_budget_keeps_the_budget(page: Page) -> None:
    open_(page, grown(), result(profile(), baseline(), test="tests/test_a.py::test_other"))
    page.choose(1)
    page.driver.execute_script("arguments[0].focus()", page.one(".skip"))
    page.press("Enter")
    page.until(lambda: page.ask("location.hash") == "#budget")
    assert page.texts("h2")[0] == "test_other"


def test_300_budgets_can_be_filtered(page: Page) -> None:
    one = result(large(200), None)
    open_(page, *(replace(one, test=f"tests/test_a.py::test_b[{i}]") for i in range(300)))
    assert len(page.all("#budgets li")) == 300
    page.one("#budgets input").send_keys("b[29")
    assert len(page.texts("#budgets .title")) == 11
    page.choose(299)
    assert page.texts("h2")[0] == "test_b[299]"
    assert len(page.all(".layers tbody tr")) == 100


def test_the_metric_stays_when_the_budget_changes(page: Page) -> None:
    other = result(profile(), baseline(), test="tests/test_a.py::test_other")
    open_(page, grown(), other)
    page.one("input[value=params]").find_element("xpath", "..").click()
    page.choose(1)
    assert page.texts("h3")[0] == "Layers by params"


def test_nothing_was_measured(page: Page) -> None:
    open_(page)
    assert page.texts("main") == ["No budget was measured: no test of this run called the fixture."]
    assert page.texts("nav") == []
    assert "judge params,gflops" in page.one("#run").text


def test_layers_that_cost_nothing(page: Page) -> None:
    spec = {path: (kind, 0, 0) for path, (kind, _, _) in NET.items()}
    open_(page, result(profile(spec), baseline(spec)))
    assert page.texts(".note") == ["No layer has any GFLOPs."]
    assert page.texts(".icicle") == []
    assert len(page.rows("path")) == 6


def test_a_latency_without_layers(page: Page) -> None:
    open_(page, result(timed(), baseline(), ALL))
    page.one("input[value=latency]").find_element("xpath", "..").click()
    assert page.texts(".note") == ["There is no latency of single layers."]
    assert page.texts(".icicle") == []
    assert len(page.rows("path")) == 6
    page.one(".layers tbody button").click()
    page.one("input[value=params]").find_element("xpath", "..").click()
    assert len(page.cells()) == 5


def test_what_was_not_measured_cannot_be_chosen(page: Page) -> None:
    open_(page, result(profile(not_measured={"latency": "no time"}), baseline(), ALL))
    assert page.one("input[value=latency]").is_enabled() is False
    assert "no time" in page.texts(".tile")[2]


# -------------------------------------------------------------------------------- large models


def test_10_000_layers_are_drawn_a_part_at_a_time(page: Page) -> None:
    open_(page, result(large(10_000), None))
    assert 20 < len(page.all(".cell")) < 3000
    assert len(page.all(".layers tbody tr")) == 100
    assert page.texts(".count") == ["10,000 layers"]
    page.one(".more").click()
    assert len(page.all(".layers tbody tr")) == 200
    assert page.texts(".more") == ["Show 200 more of 9,800"]


def test_every_layer_of_a_large_model_can_be_seen(page: Page) -> None:
    open_(page, result(large(10_000), None))
    page.one(".bar input").send_keys("blocks.500.conv7")
    page.one(".layers tbody button").click()
    assert page.focused == "blocks.500.conv7"
    assert width(page.cell("blocks.500.conv7")) > 20


def test_layers_too_narrow_to_be_seen_are_joined(page: Page) -> None:
    spec = {"": ("Net", 0, 0), **{f"l{i:04}": ("Linear", 1, 1) for i in range(5000)}}
    open_(page, result(profile(spec), None))
    groups = page.all(".cell.group")
    assert 10 < len(groups) < 60
    assert sum(map(width, groups)) == pytest.approx(width(page.cell("(model)")), abs=1)
    label = groups[1].get_attribute("aria-label")
    groups[1].click()
    assert page.cells()[0] in label
    while page.all(".cell.group:not([aria-level='1'])"):
        page.all(".cell.group:not([aria-level='1'])")[0].click()
    assert all("layers" not in cell for cell in page.cells()[1:])
    page.press("Escape", "Escape", "Escape")
    assert page.cells()[0] == "(model)"


# ------------------------------------------------------------------------- themes and windows


def background(page: Page) -> str:
    return str(page.ask("getComputedStyle(document.body).backgroundColor"))


def test_the_theme_is_that_of_the_system_until_it_is_switched(page: Page) -> None:
    page.look(scheme="dark")
    open_(page, grown())
    dark = background(page)
    button = page.one("#theme")
    assert button.text == "Light theme"
    button.click()
    light = background(page)
    assert (light != dark, button.text) == (True, "Dark theme")
    page.look(scheme="light")
    assert background(page) == light
    button.click()
    assert background(page) == dark
    open_(page, grown())
    assert background(page) == light


CONTRAST = """
[...document.querySelectorAll(arguments[0])].map((element) => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const light = (colours) => {
    colours.forEach((colour) => { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); });
    const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = [];
  for (let at = element; at; at = at.parentElement) {
    behind.unshift(getComputedStyle(at).backgroundColor);
  }
  const text = getComputedStyle(element).color;
  const pair = [light(behind), light([...behind, text])].sort((a, b) => b - a);
  return [element.textContent, (pair[0] + 0.05) / (pair[1] + 0.05)];
})
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(page: Page, scheme: str) -> None:
    page.look(scheme=scheme)
    other = result(profile(), None, test="tests/test_a.py::test_other")
    open_(page, grown(), other)
    for selector in (
        ".legend li",
        ".badge",
        ".cell",
        "small span",
        "td, th, dt, dd",
        "p, h2",
        "button",
    ):
        found = page.ask(CONTRAST.strip(), selector)
        assert found, selector
        assert [pair for pair in found if pair[1] < 4.5] == []


@pytest.mark.parametrize("width", [320, 375, 800])
def test_nothing_is_cut_off_on_a_phone(page: Page, width: int) -> None:
    page.look(width=width)
    long = {**GROWN, "backbone_" * 12: ("NonDynamicallyQuantizableLinear", 10**8, 10**8)}
    found = result(profile(long), baseline(), test=f"tests/test_a.py::test_{'long_' * 30}")
    open_(page, found, replace(grown(), test="tests/test_b.py::test_b"))
    assert page.ask("document.documentElement.scrollWidth") <= width
    assert page.cell("head").is_displayed()
    table = page.ask(
        "(({ clientWidth, scrollWidth }) => [clientWidth, scrollWidth])(arguments[0])",
        page.one(".scroll:has(.layers)"),
    )
    assert table[1] <= table[0] or width > 560
    columns = page.texts(".layers thead th")
    assert (columns[0], columns[-1]) == ("layer", "change")


def test_the_icicle_fits_a_window_that_changes(page: Page) -> None:
    open_(page, result(profile(), None))
    before = width(page.cell("(model)"))
    page.look(width=375)
    page.until(lambda: width(page.cell("(model)")) < before / 2)
    assert width(page.cell("head")) == pytest.approx(0.7 * width(page.cell("(model)")), abs=1)


# ----------------------------------------------------------------------------- hostile names


UNSEEN = r"/[\u202a-\u202e\u2028\u2029\u2066-\u2069]/.test(document.body.innerText)"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_names(page: Page, name: str) -> None:
    spec = {**NET, name: (name, 5, 5)}
    test = f"tests/test_net.py::test_net[{name}]"
    known = profile(spec, inputs=(name,), uncounted=(uncounted(name, name),), unused=(name,))
    found = result(known, None, test=test, update=UpdateCommand(target=test))
    broken = Unjudged(test=test, name=None, error=name)
    page.open(html_text(Run(settings=settings(), results=(found,), unjudged=(broken,))))
    assert page.driver.title == "2 of 2 flop budgets failed"
    assert page.all("img, main script, iframe") == []
    for place in (0, 1):
        page.choose(place)
        assert page.ask(UNSEEN) is False
    assert page.ask("document.documentElement.scrollWidth") <= 1280
    page.one(".bar input").send_keys("head")
    assert page.rows("path")[0] == ["head"]


def test_a_command_is_copied_as_it_is_to_be_typed(page: Page) -> None:
    test = "tests/test_net.py::test_net[`a|b` </script> $x]"
    found = result(profile(), None, test=test, update=UpdateCommand(target=test))
    open_(page, found)
    (code,) = page.all(".command code")
    assert code.text == f"pytest --update-budgets '{test}'"
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    page.one(".command button").click()
    copied = page.driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[0], arguments[0])"
    )
    assert copied == code.text


# --------------------------------------------------------------------- the guards can fail


def test_the_policy_stops_a_script_that_is_not_ours(page: Page) -> None:
    script = "<script>document.title = 'taken'</script></body>"
    page.open(html_text(run()).replace("</body>", script))
    assert page.driver.title == "Flop budgets"
    (complaint,) = page.console()
    assert "Content Security Policy" in complaint


def test_a_request_would_be_seen(page: Page) -> None:
    image = '<img src="http://127.0.0.1:9/pixel.png"></body>'
    page.open(html_text(run()).replace("</body>", image))
    assert "Content Security Policy" in "".join(page.console())
    assert "http://127.0.0.1:9/pixel.png" in page.requests()
