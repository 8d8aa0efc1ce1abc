// One budget: its verdicts, the metrics to choose from, and what else was measured.

const SIGNS = {
  error: "!",
  uncounted: "?",
  exceeded: "✕",
  unbudgeted: "○",
  inconclusive: "~",
  "not compared": "–",
  improved: "↓",
  within: "✓",
}; // the gravest first

const MISSING = { uncounted: "without the uncounted operators", unbudgeted: "no baseline" };

function badge(word, failed) {
  const sign = element("span", { "aria-hidden": "true" }, SIGNS[word]);
  return element("span", { class: `badge ${failed ? "failed" : word.replace(" ", "-")}` }, sign, ` ${word}`);
}

function summary(budget) {
  const where = [budget.testFile, budget.model].map((text) => name(text));
  return element(
    "div",
    { class: "summary" },
    badge(budget.verdict, budget.failed),
    name(budget.title, "h2"),
    element("p", { class: "where" }, where),
    budget.sentence ? element("p", { class: "sentence" }, prose(budget.sentence)) : null,
    hint(budget.hint),
  );
}

function errorSummary({ title, error }) {
  const text = element("pre", { class: "sentence" }, visible(error));
  return element("div", { class: "summary" }, badge("error", true), name(title, "h2"), text);
}

// What to type stands on its own, so that it can be copied whole.
function hint(lines) {
  if (!lines.length) return null;
  const parts = lines.map((line) => {
    if (!line.startsWith("  ")) return element("p", {}, prose(line));
    const command = line.trim();
    const shown = element("code", { dir: "ltr" }, visible(command));
    const copy = element("button", { type: "button", click: () => copyText(command, shown, copy) }, "Copy");
    return element("div", { class: "command" }, shown, copy);
  });
  return element("div", { class: "hint" }, parts);
}

async function copyText(text, shown, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(shown); // where a page may not write to the clipboard
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

function tiles(budget, chosen, onChoose) {
  const judged = DATA.metrics.filter(({ key }) => key in budget.metrics);
  const made = judged.map((metric) => tile(metric, budget.metrics[metric.key], metric === chosen, onChoose));
  return element("fieldset", { class: "tiles" }, element("legend", {}, "Show the layers by"), made);
}

function tile(metric, verdict, checked, onChoose) {
  const measured = verdict.measured !== "-";
  const change = () => onChoose(metric);
  const radio = { type: "radio", name: "metric", value: metric.key, checked, disabled: !measured, change };
  const value = element("b", {}, measured ? verdict.measured : DASH);
  return element(
    "label",
    { class: `tile ${verdict.failed ? "failed" : ""}` },
    element("input", radio),
    element("span", { class: "head" }, metric.label, badge(verdict.verdict, verdict.failed)),
    element("span", { class: "value" }, value, measured && metric.unit ? ` ${metric.unit}` : null),
    bar(verdict),
    element("small", {}, comparison(verdict)),
  );
}

function comparison(verdict) {
  const parts = [];
  if (verdict.change !== null) parts.push(minus(verdict.change));
  if (verdict.budget !== "-") parts.push(`budget ${verdict.budget}`);
  if (!parts.length) parts.push(visible(verdict.reason || MISSING[verdict.verdict] || ""));
  return parts.map((part) => element("span", {}, part));
}

// How much of the budget is used; the mark is the budget.
function bar({ used }) {
  if (used === null) return element("span", { class: "used" });
  const made = element("span", { class: `used ${used > 1 ? "over" : ""}` }, element("i"), element("u"));
  made.style.setProperty("--used", Math.min(1, used));
  made.style.setProperty("--mark", used > 1 ? 1 / used : 1);
  return made;
}

function section(title, ...children) {
  return element("section", {}, element("h3", {}, title), children);
}

function uncounted({ uncounted: operators }) {
  if (!operators.length) return null;
  const number = { class: "number" };
  const heads = [["operator"], ["layer"], ["calls", number], ["shapes"]];
  const head = heads.map(([text, more]) => element("th", { scope: "col", ...more }, text));
  const rows = operators.map((one) => {
    const ignored = one.ignored ? element("em", { class: "state" }, "ignored by agreement") : null;
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, name(one.operator, "code"), ignored),
      element("td", {}, name(one.layer, "code")),
      element("td", number, whole(one.calls)),
      element("td", {}, name(one.shapes, "code")),
    );
  });
  const table = element("table", {}, element("thead", {}, element("tr", {}, head)), element("tbody", {}, rows));
  return section("Uncounted operators", element("div", { class: "scroll" }, table));
}

function facts(pairs) {
  const list = pairs.map(([term, text]) => [element("dt", {}, term), name(text, "dd", {}, 4000)]);
  return element("dl", { class: "facts" }, list.flat());
}
