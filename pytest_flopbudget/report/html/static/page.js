// The page: all budgets, one of them in full, and the run.

const LISTED = 12; // budgets; more than that can be filtered
const GRAVITY = Object.keys(SIGNS);

const layers = new Layers();
const state = { entry: null, metric: null };

const errors = DATA.errors.map((one) => ({ ...one, verdict: "error", failed: true }));
const entries = [...errors, ...DATA.budgets];
entries.sort(
  (a, b) => b.failed - a.failed || GRAVITY.indexOf(a.verdict) - GRAVITY.indexOf(b.verdict),
);

function showOutcome() {
  const failed = entries.filter((one) => one.failed).length;
  if (failed) document.title = `${failed} of ${counted(entries.length, "flop budget")} failed`;
  for (const word of GRAVITY) {
    const found = entries.filter((one) => one.verdict === word);
    if (!found.length) continue;
    const made = badge(word, found.some((one) => one.failed));
    made.prepend(`${whole(found.length)} `);
    document.getElementById("outcome").append(made);
  }
}

// What says most about a budget: what failed, then what grew. Noise says nothing.
function headline(budget) {
  const says = ([key, { change, verdict }]) =>
    change && change !== "0 %" && (METRICS.get(key).exact || ["exceeded", "improved"].includes(verdict));
  const grew = ({ change }) => !change.startsWith("-");
  const changed = Object.entries(budget.metrics ?? {}).filter(says);
  changed.sort(([, a], [, b]) => b.failed - a.failed || grew(b) - grew(a));
  return changed.length ? `${METRICS.get(changed[0][0]).label} ${minus(changed[0][1].change)}` : null;
}

function listEntries() {
  const items = entries.map((entry, place) => {
    const small = element("small", {}, name(entry.testFile ?? "", "span", {}, 80), headline(entry));
    const title = name(entry.title, "span", { class: "title" }, 120);
    const link = element("a", { href: `#budget-${place}` }, title, badge(entry.verdict, entry.failed), small);
    return element("li", {}, link);
  });
  const filter = element("input", {
    type: "search",
    placeholder: `filter ${counted(entries.length, "budget")}`,
    "aria-label": "Filter the budgets",
    input: () => {
      const words = filter.value.toLowerCase().split(/\s+/);
      entries.forEach(({ title, test = "", verdict, model = "" }, place) => {
        const text = `${title} ${test} ${verdict} ${model}`.toLowerCase();
        items[place].hidden = !words.every((word) => text.includes(word));
      });
    },
  });
  const host = document.getElementById("budgets");
  host.append(...(entries.length > LISTED ? [filter] : []), element("ol", {}, items));
  host.hidden = entries.length < 2;
  document.getElementById("columns").classList.toggle("alone", host.hidden);
}

function showEntry() {
  const place = /^#budget-(\d+)$/.exec(location.hash)?.[1];
  if (place === undefined && location.hash && state.entry) return; // a link within the page
  const entry = entries[Number(place ?? 0)] ?? entries[0];
  if (entry === state.entry) return;
  state.entry = entry;
  document.querySelectorAll("#budgets a").forEach((link, at) => {
    link.setAttribute("aria-current", entries[at] === entry);
  });
  const host = document.getElementById("budget");
  if (entry.error === undefined) showBudget(host, entry);
  else host.replaceChildren(errorSummary(entry));
}

function showBudget(host, budget) {
  layers.load(budget);
  const metric = firstMetric(budget);
  const choice = tiles(budget, metric, (chosen) => {
    state.metric = chosen;
    layers.show(chosen);
  });
  const more = [uncounted(budget), section("Measured", facts(budget.facts))].filter(Boolean);
  host.replaceChildren(summary(budget), choice, layers.host, ...more);
  layers.show(metric);
}

// What was chosen last, or else what failed, what changed, what there is.
function firstMetric(budget) {
  const judged = DATA.metrics.filter(({ key }) => key in budget.metrics);
  const drawn = judged.filter(({ key }) => key in budget.layers.metrics);
  if (drawn.includes(state.metric)) return state.metric;
  const failed = drawn.filter(({ key }) => budget.metrics[key].failed);
  const changed = drawn.filter(({ key, exact }) => exact && ![null, "0 %"].includes(budget.metrics[key].change));
  const some = [failed, changed, drawn, judged].find((found) => found.length) ?? [];
  return some.find(({ key }) => key === "gflops") ?? some[0] ?? null;
}

function showRun() {
  const versions = Object.entries(DATA.environment).map((pair) => pair.join(" "));
  const settings = DATA.settings.map((line, at) => [at ? "" : "settings", line]);
  const stale = DATA.stale.length ? [[counted(DATA.stale.length, "stale baseline"), DATA.stale.join(", ")]] : [];
  const skipped = DATA.notJudged.map((line, at) => [at ? "" : "not judged", line]);
  const pairs = [...settings, ["environment", versions.join(", ")], ...skipped, ...stale];
  document.getElementById("run").append(element("h2", {}, "This run"), facts(pairs));
}

offerThemes();
showOutcome();
listEntries();
showRun();
addEventListener("hashchange", showEntry);
if (entries.length) showEntry();
else {
  const text = "No budget was measured: no test of this run called the fixture.";
  document.getElementById("budget").append(element("p", { class: "empty" }, text));
}
