// The layers as an icicle: the whole on top, below each layer its parts, as wide as they cost.

const ROWS = 14; // below the zoomed layer; deeper ones show when it is zoomed into
const NARROWEST = matchMedia("(pointer: coarse)").matches ? 10 : 5; // pixels; narrower layers are joined
const GROUPED = 26; // pixels that a group fills at the least, where there is so much to join
const LETTER = 8; // pixels

class Icicle {
  constructor({ onZoom, onFocus }) {
    this.onZoom = onZoom;
    this.onFocus = onFocus;
    this.host = element("div", {
      class: "icicle",
      role: "tree",
      keydown: (event) => this.#press(event),
      click: (event) => this.#click(event),
      focusin: (event) => this.#point(event, true),
      mouseover: (event) => this.#point(event, false),
      mouseleave: () => this.current && this.onFocus(this.current.node),
    });
    new ResizeObserver(() => this.#fit()).observe(this.host);
  }

  show(tree, metric, verdict, view = tree.root) {
    if (this.tree !== tree || this.metric !== metric) {
      this.host.replaceChildren();
      this.elements = new Map();
      this.current = null;
    }
    Object.assign(this, { tree, metric, verdict });
    this.zoom(view, { focus: false });
  }

  zoom(view, { focus = true, on = view } = {}) {
    this.view = view;
    this.draw();
    this.#choose(this.cells.find((cell) => cell.node.id === on.id) ?? this.cells[0], focus);
    this.onZoom(view);
  }

  // Show a layer inside of the one around it, and of the group that it is joined into.
  reveal(node) {
    let around = node.children.length || !node.parent ? node : node.parent;
    while (around) {
      this.zoom(around, { on: node });
      if (this.current.node === node) return;
      around = this.cells.find((cell) => cell.node.group && cell.node.children.includes(node))?.node;
    }
  }

  draw() {
    if (!this.tree) return;
    this.width = this.host.clientWidth;
    this.cells = [];
    this.owns = [];
    this.#place(this.view, 0, 1, 0, null);
    const drawn = [...this.cells, ...this.owns];
    const kept = new Set(drawn.map((cell) => cell.key));
    for (const [key, old] of this.elements) {
      if (kept.has(key)) continue;
      old.remove();
      this.elements.delete(key);
    }
    const rows = 1 + Math.max(...this.cells.map((cell) => cell.row));
    this.host.style.setProperty("--rows", rows);
    drawn.forEach((cell, at) => this.#render(cell, at));
    if (this.current) this.#choose(this.cells.find((c) => c.key === this.current.key) ?? this.cells[0], false);
  }

  #fit() {
    const { clientWidth } = this.host;
    if (clientWidth && clientWidth !== this.width) this.draw(); // it has none while it is hidden
  }

  #cost(node) {
    return node.costs[this.metric.key];
  }

  #place(node, x, width, row, around) {
    const cell = { key: node.id, node, x, width, row, around, below: [] };
    this.cells.push(cell);
    if (around) around.below.push(cell);
    if (row === ROWS || (node.group && around)) return;
    const { size, ownSize } = this.#cost(node);
    const scale = size ? width / size : 0;
    let at = x;
    for (const child of this.#merged(node, scale)) {
      const share = this.#cost(child).size * scale;
      if (share * this.width >= 1) {
        this.#place(child, at, share, row + 1, cell);
      }
      at += share;
    }
    const own = ownSize * scale;
    if (cell.below.length && own * this.width >= 1)
      this.owns.push({ key: `${node.id}:own`, x: at, width: own, row: row + 1, own: true });
  }

  // The parts of a layer that cost anything; those too narrow to be seen are joined into groups.
  #merged(node, scale) {
    const parts = [];
    let run = [];
    let length = 0; // of the run, in pixels
    const flush = () => {
      parts.push(...(run.length > 1 ? [group(run, this.metric.key)] : run));
      [run, length] = [[], 0];
    };
    for (const child of node.children) {
      const wide = this.#cost(child).size * scale * this.width;
      if (wide >= NARROWEST) {
        flush();
        parts.push(child);
      } else if (wide > 0) {
        run.push(child);
        length += wide;
        if (length >= GROUPED) flush(); // so that a group of any length can be taken apart
      }
    }
    flush();
    return parts;
  }

  #render(cell, at) {
    let made = this.elements.get(cell.key);
    if (!made) {
      made = cell.own ? element("div", { class: "rest", "aria-hidden": "true" }) : this.#make(cell);
      this.elements.set(cell.key, made);
    }
    if (this.host.children[at] !== made) this.host.insertBefore(made, this.host.children[at] ?? null);
    made.style.setProperty("--x", cell.x);
    made.style.setProperty("--w", cell.width);
    made.style.setProperty("--at", cell.row);
    const text = cell.own ? "own" : visible(label(cell.node)).slice(0, 200);
    const labelled = cell.width * this.width >= 14 + LETTER * Math.min(text.length, 6);
    if (cell.own) {
      made.textContent = labelled ? text : "";
      return;
    }
    cell.element = made;
    made.setAttribute("aria-level", cell.row + 1);
    made.setAttribute("aria-setsize", cell.around ? cell.around.below.length : 1);
    made.setAttribute("aria-posinset", cell.around ? cell.around.below.indexOf(cell) + 1 : 1);
    if (cell.node.children.length) made.setAttribute("aria-expanded", cell.below.length > 0);
    const change = ratio(cell.node, this.metric.key);
    const texts = [element("b", {}, text)];
    if (change && cell.width * this.width >= 110) texts.push(element("span", {}, changeText(change)));
    made.querySelector(".label").replaceChildren(...(labelled ? texts : []));
  }

  #make(cell) {
    const change = ratio(cell.node, this.metric.key);
    const colour = level(change, steps(this.metric, this.verdict));
    const edge = change === Infinity || change === -1 ? "edge" : "";
    const made = element(
      "div",
      {
        class: `cell ${colour} ${edge} ${cell.node.group ? "group" : ""}`,
        role: "treeitem",
        tabindex: -1,
        "aria-label": this.#describe(cell.node, change),
      },
      element("span", { class: "label" }),
    );
    if (this.#cost(cell.node).own === null) {
      const highest = this.#cost(this.tree.root).total || 1;
      made.classList.add("peak");
      made.style.setProperty("--share", Math.min(1, this.#cost(cell.node).total / highest));
    }
    return made;
  }

  #describe(node, change) {
    const text = amount(this.#cost(node).total, this.metric, this.verdict.decimals);
    const parts = [fullName(node), node.type, text];
    if (change !== null) parts.push(change ? `${changeText(change)} against the baseline` : "unchanged");
    return visible(parts.filter(Boolean).join(", ")).slice(0, 1000);
  }

  #choose(cell, focus) {
    if (this.current?.element) this.current.element.tabIndex = -1;
    this.current = cell;
    cell.element.tabIndex = 0;
    if (focus) cell.element.focus({ preventScroll: true });
    this.onFocus(cell.node);
  }

  #cellOf(event) {
    const target = event.target.closest(".cell");
    return target && this.cells.find((cell) => cell.element === target);
  }

  #point(event, choose) {
    const cell = this.#cellOf(event);
    if (!cell) return;
    if (choose && cell !== this.current) this.#choose(cell, false);
    else this.onFocus(cell.node);
  }

  #click(event) {
    const cell = this.#cellOf(event);
    if (cell) this.#enter(cell);
  }

  #enter(cell) {
    if (cell.node === this.view) this.#out();
    else if (cell.node.children.length) this.zoom(cell.node);
    else this.#choose(cell, true);
  }

  #out() {
    if (this.view.parent) this.zoom(this.view.parent, { on: this.view });
  }

  #press(event) {
    const cell = this.current;
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = this.cells.filter((other) => other.row === cell.row);
    const place = row.indexOf(cell);
    const go = (other) => other && this.#choose(other, true);
    const keys = {
      ArrowLeft: () => go(row[place - 1]),
      ArrowRight: () => go(row[place + 1]),
      ArrowUp: () => go(cell.around),
      ArrowDown: () => go(cell.below[0]),
      Home: () => go(row[0]),
      End: () => go(row[row.length - 1]),
      Enter: () => this.#enter(cell),
      " ": () => this.#enter(cell),
      Escape: () => this.#out(),
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  }
}
