// The page of the history: a line for each metric of a budget, and its commits.

const budgets = DATA.budgets;

function decimalsOf(metric, value) {
  if (metric.scale === 1 || !value) return 0;
  return Math.min(9, Math.max(2, 3 - Math.floor(Math.log10(value / metric.scale))));
}

function shown(metric, value) {
  return amount(value, metric, decimalsOf(metric, value));
}

function chartOf(metric, revisions) {
  const values = revisions.map(({ total }) => total?.[metric.field] ?? null);
  const known = values.filter((value) => value !== null);
  if (!known.length) return null;
  const [first, last] = [known[0], known.at(-1)];
  const says = (at) => `${shown(metric, values[at])}, ${revisions[at].date} ${visible(revisions[at].subject)}`;
  const label = `${metric.label} over ${counted(known.length, "commit")}`;
  const change = first ? changeText(last / first - 1) : changeText(last ? Infinity : 0);
  const head = element("h3", {}, `${metric.label}: ${shown(metric, last)} `, element("small", {}, `${change} since the first`));
  return element("section", {}, head, lineChart(values, says, label));
}

function tableOf(revisions) {
  const metrics = DATA.metrics.filter(({ field }) => revisions.some(({ total }) => total?.[field] !== undefined));
  const heads = ["commit", "date", ...metrics.map(({ heading }) => heading), "subject"];
  const rows = revisions.toReversed().map(({ commit, date, subject, total, error }) =>
    element(
      "tr",
      {},
      element("td", { class: "mono" }, commit.slice(0, 10)),
      element("td", {}, date),
      ...(total === null
        ? [element("td", { colspan: metrics.length }, name(`skipped: ${error}`))]
        : metrics.map((m) => element("td", { class: "number" }, figure(total[m.field], m, decimalsOf(m, total[m.field]))))),
      element("td", {}, name(subject)),
    ),
  );
  const head = element("tr", {}, heads.map((text) => element("th", {}, text)));
  return element("section", { class: "commits" }, element("h3", {}, "Commits"), element("div", { class: "scrolled", tabindex: 0 }, element("table", {}, element("thead", {}, head), element("tbody", {}, rows))));
}

function show() {
  const place = Number(/^#budget-(\d+)$/.exec(location.hash)?.[1] ?? 0);
  const budget = budgets[place] ?? budgets[0];
  document.querySelectorAll("#budgets a").forEach((link, at) => link.setAttribute("aria-current", budgets[at] === budget));
  const { file, revisions } = budget;
  const summary = element("div", { class: "summary" }, element("h2", {}, name(file)), element("p", { class: "where" }, name(revisions.at(-1)?.test ?? "")));
  const none = revisions.length ? null : element("p", { class: "empty" }, "No commit has it yet.");
  const charts = DATA.metrics.map((metric) => chartOf(metric, revisions));
  document.getElementById("budget").replaceChildren(...[summary, none, ...charts, revisions.length ? tableOf(revisions) : null].filter(Boolean));
}

function list() {
  const items = budgets.map(({ file, revisions }, at) =>
    element("li", {}, element("a", { href: `#budget-${at}` }, name(file.replace(/.*\/|\.yaml$/g, ""), "span", { class: "title" }, 120), element("small", {}, name(file.replace(/\/?[^/]*$/, ""), "span", {}, 80), counted(revisions.length, "commit")))),
  );
  const host = document.getElementById("budgets");
  host.append(element("ol", {}, items));
  host.hidden = budgets.length < 2;
  document.getElementById("columns").classList.toggle("alone", host.hidden);
}

document.title = "History of flop budgets";
document.querySelector("h1").textContent = "History of flop budgets";
document.getElementById("outcome").append(counted(budgets.length, "budget"));
if (DATA.shallow) document.getElementById("run").append("This clone is shallow: older commits are not in it.");
offerThemes();
list();
addEventListener("hashchange", show);
show();
