// What the drawing does not say by itself: what its colours mean, and what its widths are not.

function legendOf(budget, metric) {
  const verdict = budget.metrics[metric.key];
  const column = budget.layers.metrics[metric.key];
  if (!isCompared(column)) {
    const stored = verdict.reason || "the baseline has none for single layers";
    const why = budget.hasBaseline ? stored : "there is no baseline";
    return [key("unknown", `not compared: ${why}`)];
  }
  const marks = [
    column.before ? key("up-3 edge", "new") : null,
    column.before ? key("down-3 edge", "gone, as wide as it was") : null,
    column.beforeTotal ? key("unknown", "not stored in the baseline") : null,
  ];
  return [scale(metric, steps(metric, verdict)), element("ul", {}, marks)];
}

function key(colour, text) {
  return element("li", { class: "key" }, element("i", { class: `swatch ${colour}` }), text);
}

function scale(metric, [least, more, most]) {
  const show = (share) => (share ? `${Number((100 * share).toFixed(1))} %` : "0");
  const swatches = [
    most < 1 ? ["down-3", `< −${show(most)}`] : null,
    more < 1 ? ["down-2", `< −${show(more)}`] : null,
    ["down-1", least ? `< −${show(least)}` : "< 0"],
    ["same", least ? `± ${show(least)}` : "same"],
    ["up-1", `> ${show(least)}`],
    ["up-2", `> ${show(more)}`],
    ["up-3", `> ${show(most)}`],
  ];
  const items = swatches.filter(Boolean).map(([colour, text]) => element("li", { class: colour }, text));
  const title = `Change of ${metric.label} against the baseline`;
  return element("ul", { class: "steps", title, "aria-label": title }, items);
}

function remark(metric, column, drawable) {
  if (!metric) return "Nothing was measured.";
  if (!column) return `There is no ${metric.label} of single layers.`;
  if (!drawable) return `No layer has any ${metric.label}.`;
  if (column.own && metric.exact) return "";
  if (column.own) return "Layers are timed in rounds of their own: they explain, and only the whole is judged.";
  return (
    "A peak is not the sum of the peaks below it, so widths say nothing here: all innermost layers are " +
    "equally wide. The bar in each layer is its peak against the highest one."
  );
}
