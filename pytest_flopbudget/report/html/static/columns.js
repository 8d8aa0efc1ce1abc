// The columns of the table of layers: every metric, and more of the one that is looked at.

function columnsOf(budget, chosen) {
  const columns = [
    { key: "path", label: "layer", value: (node) => node.path },
    {
      key: "calls",
      label: "calls",
      number: true,
      wide: true,
      value: (node) => node.calls,
      text: (node) => (node.calls === null ? DASH : whole(node.calls)),
    },
  ];
  const measured = DATA.metrics.filter(({ key }) => key in budget.layers.metrics);
  columns.push(...measured.map((metric) => totals(budget, metric, metric !== chosen)));
  if (["gflops", "traffic"].every((key) => key in budget.layers.metrics)) columns.push(INTENSITY);
  if (measured.includes(chosen)) columns.push(...details(budget, chosen));
  return columns;
}

// The FLOPs that a layer does for each byte that it moves: with fewer it waits for memory.
const INTENSITY = {
  key: "intensity",
  label: "FLOPs per byte",
  number: true,
  wide: true,
  value: ({ costs }) => (costs.traffic.total ? costs.gflops.total / costs.traffic.total : null),
  text: (node) => INTENSITY.value(node)?.toFixed(1) ?? DASH,
};

function totals(budget, metric, wide) {
  const { decimals } = budget.metrics[metric.key];
  const value = (node) => node.costs[metric.key].total;
  const text = (node) => figure(value(node), metric, decimals);
  return { key: metric.key, label: metric.heading, number: true, wide, value, text };
}

function details(budget, metric) {
  const verdict = budget.metrics[metric.key];
  const column = budget.layers.metrics[metric.key];
  const columns = [];
  const add = (key, label, value, text, more) =>
    columns.push({ key, label, number: true, value, text: (node) => text(value(node)), ...more });
  const size = (value) => figure(value, metric, verdict.decimals);
  const cost = (node) => node.costs[metric.key];
  if (column.own) add("own", `own ${metric.label}`, (node) => cost(node).own, size, { wide: true });
  if (column.before) {
    const signed = (value) => (value ? (value > 0 ? "+" : "−") + size(Math.abs(value)) : DASH);
    add("growth", "own growth", (node) => cost(node).own - cost(node).ownBefore || null, signed, { wide: true });
  }
  if (isCompared(column)) {
    const change = (node) => ratio(node, metric.key);
    add("change", "change", change, changeText, { colour: (node) => level(change(node), steps(metric, verdict)) });
  }
  return columns;
}

function isCompared(column) {
  return Boolean(column && (column.before || column.beforeTotal));
}
