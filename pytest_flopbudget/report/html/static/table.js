// The layers as a table: sorted by any column, filtered by a text, a part of the rows at a time.

const STEP = 100; // rows

class Table {
  constructor({ onPick }) {
    this.onPick = onPick;
    this.limit = STEP;
    this.filter = element("input", {
      type: "search",
      placeholder: "filter by layer or type",
      "aria-label": "Filter the layers",
      input: () => this.#refresh(),
    });
    this.head = element("tr");
    this.body = element("tbody");
    this.count = element("p", { class: "count", role: "status" });
    this.more = element("button", { type: "button", class: "more", click: () => this.#extend() });
    const table = element("table", { class: "layers" }, element("thead", {}, this.head), this.body);
    this.host = element(
      "div",
      {},
      element("div", { class: "bar" }, this.filter, this.count),
      element("div", { class: "scroll" }, table),
      this.more,
    );
  }

  show(tree, columns, sorted) {
    const known = this.columns?.some((column) => column.key === this.sorted.key) ?? false;
    if (!known || this.tree !== tree) this.sorted = sorted;
    if (!columns.some((column) => column.key === this.sorted.key)) this.sorted = sorted;
    if (this.tree !== tree) this.filter.value = "";
    Object.assign(this, { tree, columns });
    this.within = tree.root;
    this.#refresh();
  }

  // Keep to the layers below one, as the icicle does when it is zoomed.
  narrow(node) {
    this.within = node;
    this.#refresh();
  }

  #refresh() {
    this.limit = STEP;
    this.rows = this.#sort(this.#found());
    this.#drawHead();
    this.#drawBody();
  }

  #extend() {
    const first = this.limit;
    this.limit *= 2;
    this.#drawBody();
    this.body.children[first]?.querySelector("button").focus();
  }

  #found() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const below = this.within === this.tree.root ? this.tree.ordered : insideOf(this.within);
    if (!words.length) return below;
    const text = (node) => `${node.path} ${node.type}`.toLowerCase();
    return below.filter((node) => words.every((word) => text(node).includes(word)));
  }

  // Layers without a value come last, whichever way the others are.
  #sort(rows) {
    const { key, down } = this.sorted;
    if (!key) return rows;
    const { value } = this.columns.find((column) => column.key === key);
    const order = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
    const keyed = rows.map((node) => [value(node), node]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return a === b ? 0 : (down ? -1 : 1) * order(a, b);
    });
    return keyed.map(([, node]) => node);
  }

  // The first press sorts numbers the largest first, the second the other way, the third as they ran.
  #press(column) {
    const first = Boolean(column.number);
    if (this.sorted.key !== column.key) this.sorted = { key: column.key, down: first };
    else if (this.sorted.down === first) this.sorted = { key: column.key, down: !first };
    else this.sorted = { key: null };
    this.#refresh();
    [...this.head.children][this.columns.indexOf(column)].querySelector("button").focus();
  }

  #drawHead() {
    this.head.replaceChildren(
      ...this.columns.map((column) => {
        const now = this.sorted.key === column.key ? (this.sorted.down ? "descending" : "ascending") : "none";
        const press = element("button", { type: "button", click: () => this.#press(column) }, column.label);
        return element("th", { scope: "col", "aria-sort": now, class: classOf(column) }, press);
      }),
    );
  }

  #drawBody() {
    const shown = this.rows.slice(0, this.limit);
    this.body.replaceChildren(...shown.map((node) => this.#row(node)));
    const left = this.rows.length - shown.length;
    const all = this.tree.nodes.length;
    this.count.textContent =
      this.rows.length === all ? counted(all, "layer") : `${whole(this.rows.length)} of ${counted(all, "layer")}`;
    this.more.hidden = left <= 0;
    this.more.textContent = `Show ${whole(Math.min(left, this.limit))} more of ${whole(left)}`;
  }

  #row(node) {
    const row = element("tr", { class: node.state });
    for (const column of this.columns) {
      const cell = column.key === "path" ? this.#pathCell(node) : element("td", {}, column.text(node));
      cell.className = `${classOf(column)} ${column.colour?.(node) ?? ""}`;
      row.append(cell);
    }
    return row;
  }

  #pathCell(node) {
    const press = name(node.path || "(model)", "button", { type: "button", click: () => this.onPick(node) }, 240);
    const state = node.state ? element("em", { class: "state" }, node.state) : null;
    const kind = element("span", { class: "kind" }, name(node.type, "small"), state);
    return element("th", { scope: "row" }, press, kind);
  }
}

function insideOf(node) {
  return node.group ? node.children.flatMap(inOrder) : inOrder(node);
}

function classOf(column) {
  return `${column.key} ${column.number ? "number" : ""} ${column.wide ? "wide" : ""}`;
}
