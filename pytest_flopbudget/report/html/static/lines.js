// A line over commits, as SVG.

const SVG = "http://www.w3.org/2000/svg";
const [WIDE, HIGH, EDGE] = [720, 90, 10];

function shape(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Steps, since a budget holds from one commit to the next one that changes it.
function lineChart(values, says, label) {
  const known = values.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const x = (at) => EDGE + ((WIDE - 2 * EDGE) * (at + 0.5)) / values.length;
  const y = (value) => (high === low ? HIGH / 2 : HIGH - EDGE - ((HIGH - 2 * EDGE) * (value - low)) / (high - low));
  let path = "";
  let last = null;
  values.forEach((value, at) => {
    if (value === null) return;
    path += last === null ? `M${x(at)} ${y(value)}` : `H${x(at)}V${y(value)}`;
    last = value;
  });
  const dots = values.flatMap((value, at) => {
    if (value === null) return [];
    const grew = at && values[at - 1] !== null && value > values[at - 1];
    const dot = shape("circle", { cx: x(at), cy: y(value), r: 4, class: grew ? "grew" : "" });
    dot.append(shape("title", {}, says(at)));
    return [dot];
  });
  const frame = { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "history", role: "img", "aria-label": label };
  return shape("svg", frame, shape("path", { d: path }), ...dots);
}
