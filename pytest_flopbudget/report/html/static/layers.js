// The layers of a budget by one metric: icicle, legend, the layer that is pointed at, and table.

const KEYS = "Click or press Enter to zoom in, Escape to zoom out, arrow keys to move.";

class Layers {
  constructor() {
    this.icicle = new Icicle({ onZoom: (view) => this.#zoomed(view), onFocus: (node) => this.#inspect(node) });
    this.table = new Table({ onPick: (node) => this.#pick(node) });
    this.heading = element("h3");
    this.note = element("p", { class: "note" });
    this.trail = element("nav", { class: "trail", "aria-label": "Zoom" });
    this.legend = element("div", { class: "legend" });
    this.inspector = element("div", { class: "inspector" });
    const keys = element("p", { class: "keys" }, KEYS);
    this.drawing = element("div", {}, this.trail, this.icicle.host, this.legend, this.inspector, keys);
    this.host = element("section", {}, this.heading, this.note, this.drawing, this.table.host);
  }

  load(budget) {
    this.budget = budget;
    this.tree = buildTree(budget, DATA.texts);
    this.view = this.tree.root;
  }

  // Draw by a metric, zoomed to the same layer as before if that has any of it.
  show(metric) {
    this.metric = metric;
    const column = this.budget.layers.metrics[metric?.key];
    const { root } = this.tree;
    const drawable = Boolean(column && root?.costs[metric.key].size);
    this.heading.textContent = metric ? `Layers by ${metric.label}` : "Layers";
    this.note.textContent = remark(metric, column, drawable);
    this.note.hidden = !this.note.textContent;
    this.drawing.hidden = !drawable;
    this.table.host.hidden = !root;
    if (!root) return;
    this.table.show(this.tree, columnsOf(this.budget, metric), this.#telling(column));
    if (!drawable) return;
    this.icicle.host.setAttribute("aria-label", `Layers by ${metric.label}. ${KEYS}`);
    this.legend.replaceChildren(...legendOf(this.budget, metric));
    const kept = !this.view.group && this.view.costs[metric.key].size ? this.view : root;
    this.icicle.show(this.tree, metric, this.budget.metrics[metric.key], kept);
  }

  // What says most comes first: the largest growth, or else the largest saving.
  #telling(column) {
    if (!Object.keys(column?.before ?? {}).length) return { key: null };
    const grew = ({ costs }) => costs[this.metric.key].own > costs[this.metric.key].ownBefore;
    return { key: "growth", down: this.tree.nodes.some(grew) };
  }

  #zoomed(view) {
    this.view = view;
    const path = [];
    for (let node = view; node; node = node.parent) path.unshift(node);
    this.trail.replaceChildren(
      ...path.map((node) => {
        const text = visible(label(node)).slice(0, 200);
        if (node === view) return element("span", { "aria-current": "true" }, text);
        return element("button", { type: "button", click: () => this.icicle.zoom(node) }, text);
      }),
    );
    if (!this.picking) this.table.narrow(view);
  }

  // The rows stay as they are, so that the next one can be picked.
  #pick(node) {
    if (this.drawing.hidden) return;
    this.picking = true;
    if (node.costs[this.metric.key].size) this.icicle.reveal(node);
    else this.#inspect(node);
    this.picking = false;
    this.drawing.scrollIntoView({ block: "nearest" });
  }

  #inspect(node) {
    const head = element("p", {}, name(fullName(node), "b"));
    if (node.type) {
      const type = node.arguments ? `${node.type}(${node.arguments})` : node.type;
      head.append(" ", name(type, "span", { class: "type" }, 300));
    }
    if (node.state) head.append(" ", element("em", { class: "state" }, node.state));
    const list = this.#known(node).map(([term, text]) =>
      element("div", {}, element("dt", {}, term), name(text, "dd", {}, 400)),
    );
    this.inspector.replaceChildren(head, element("dl", {}, list));
  }

  #known(node) {
    const { metric, tree } = this;
    const cost = node.costs[metric.key];
    const all = tree.root.costs[metric.key].total;
    const change = ratio(node, metric.key);
    const text = (value) => amount(value, metric, this.budget.metrics[metric.key].decimals);
    return [
      [metric.label, text(cost.total)],
      cost.own !== null && all ? ["share", percent(cost.total / all)] : null,
      cost.own && node.children.length && !node.group ? ["own", text(cost.own)] : null,
      change === null ? null : ["baseline", text(cost.before)],
      change === null ? null : ["change", changeText(change)],
      (node.calls ?? null) === null ? null : ["calls", whole(node.calls)],
      node.inputs ? ["input", node.inputs] : null,
      node.outputs ? ["output", node.outputs] : null,
      node.former ? ["renamed from", node.former] : null,
    ].filter(Boolean);
  }
}
