// The layers of a budget as a tree, with what each costs, cost before, and how wide it is drawn.

function buildTree(budget, texts) {
  const columns = budget.layers;
  const nodes = columns.path.map((path, place) => ({
    id: String(place),
    path: texts[path],
    type: texts[columns.type[place]],
    arguments: texts[columns.arguments[place]],
    inputs: texts[columns.inputs[place]],
    outputs: texts[columns.outputs[place]],
    calls: columns.calls[place],
    state: columns.state[place] ?? null,
    former: place in columns.former ? texts[columns.former[place]] : null,
    parent: columns.parent[place] < 0 ? null : columns.parent[place],
    children: [],
    costs: {}, // by metric: own, total, before (null: unknown) and size, how wide it is drawn
  }));
  for (const node of nodes) {
    if (node.parent === null) continue;
    node.parent = nodes[node.parent];
    node.parent.children.push(node);
  }
  for (const [key, column] of Object.entries(columns.metrics)) {
    if (column.own) addUp(nodes, key, column);
    else standAlone(nodes, key, column);
  }
  return { root: nodes[0] ?? null, nodes, ordered: nodes.length ? inOrder(nodes[0]) : [] };
}

// Own costs add up. A layer that is gone costs nothing, and is drawn as wide as it was.
function addUp(nodes, key, { own, before, beforeTotal }) {
  nodes.forEach((node, place) => {
    const cost = own[place] ?? 0;
    const was = before ? (before[place] ?? cost) : null;
    const size = node.state === "missing" ? (was ?? 0) : cost;
    node.costs[key] = { own: cost, ownBefore: was, total: cost, before: was, size, ownSize: size };
  });
  for (const node of [...nodes].reverse()) {
    if (!node.parent) continue;
    const [mine, sum] = [node.costs[key], node.parent.costs[key]];
    sum.total += mine.total;
    sum.size += mine.size;
    if (before) sum.before += mine.before;
  }
  if (beforeTotal) nodes.forEach((node, place) => (node.costs[key].before = beforeTotal[place] ?? null));
}

// A peak is not the sum of the peaks below: every innermost layer is as wide as any other one.
function standAlone(nodes, key, { total, beforeTotal }) {
  nodes.forEach((node, place) => {
    const before = beforeTotal?.[place] ?? null;
    node.costs[key] = { own: null, total: total[place], before, size: 0, ownSize: 0 };
  });
  for (const node of [...nodes].reverse()) {
    const cost = node.costs[key];
    if (cost.size === 0 && cost.total !== null) cost.size = 1;
    if (node.parent) node.parent.costs[key].size += cost.size;
  }
}

function inOrder(root) {
  const found = [];
  const waiting = [root];
  while (waiting.length) {
    const node = waiting.pop();
    found.push(node);
    for (let i = node.children.length - 1; i >= 0; i--) waiting.push(node.children[i]);
  }
  return found;
}

// Layers side by side that are too small to be drawn one by one.
function group(nodes, key) {
  const sum = (field) => nodes.reduce((total, node) => total + (node.costs[key][field] ?? 0), 0);
  const known = nodes.every((node) => node.costs[key].before !== null);
  const peak = nodes[0].costs[key].own === null;
  const largest = Math.max(...nodes.map((node) => node.costs[key].total ?? 0));
  const costs = {
    own: peak ? null : 0,
    total: peak ? largest : sum("total"),
    before: known && !peak ? sum("before") : null,
    size: sum("size"),
    ownSize: 0,
  };
  const [first, last] = [nodes[0], nodes[nodes.length - 1]];
  const id = `${first.id}-${last.id}`;
  return { id, group: true, first, last, parent: first.parent, children: nodes, costs: { [key]: costs } };
}

function label(node, within = node.parent) {
  if (node.group) return counted(node.children.length, "layer");
  if (!node.path) return "(model)";
  const around = within?.path ?? "";
  return around && node.path.startsWith(`${around}.`) ? node.path.slice(around.length + 1) : node.path;
}

function fullName(node) {
  if (!node.group) return node.path || "(model)";
  return `${label(node)}, ${fullName(node.first)} to ${fullName(node.last)}`;
}

// The relative change: 0.25 is a quarter more, Infinity from nothing, null unknown.
function ratio(node, key) {
  const { total, before } = node.costs[key] ?? { before: null };
  if (before === null || total === null) return null;
  if (before === 0) return total > 0 ? Infinity : 0;
  return (total - before) / before;
}

// The steps of the colours: an exact metric shows any change, a noisy one what is out of tolerance.
function steps(metric, verdict) {
  return metric.exact ? [0, 0.05, 0.25] : [1, 2, 3].map((times) => times * verdict.tolerance);
}

function level(change, [least, more, most]) {
  if (change === null) return "unknown";
  const size = Math.abs(change);
  if (size <= least) return "same";
  const step = size <= more ? 1 : size <= most ? 2 : 3;
  return `${change > 0 ? "up" : "down"}-${step}`;
}
