// Numbers and names as text.

const SMALLEST_SHOWN = 0.05; // percent; less than this rounds to 0.0
const DASH = "–";

// Names come from strangers: they reach the page here, as text, and nowhere as markup.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

// Characters that nobody sees could make a name look like another one, or turn a line around.
const UNSEEN =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]/g;

function visible(text) {
  return text.replace(UNSEEN, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// A name of any length, of which the middle may be left out.
function name(text, tag = "span", attributes = {}, longest = 160) {
  const seen = visible(text);
  const short = seen.length > longest;
  const shown = short ? `${seen.slice(0, longest / 2)} … ${seen.slice(-longest / 2)}` : seen;
  return element(tag, { dir: "ltr", title: short ? seen.slice(0, 2000) : null, ...attributes }, shown);
}

// A sentence, with what stands between backticks as code.
function prose(text) {
  const parts = visible(text).split(/`([^`]*)`/);
  return parts.map((part, at) => (at % 2 ? element("code", {}, part) : part));
}

function counted(number, noun) {
  return `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;
}

const formats = new Map();

function fixed(number, decimals) {
  if (!formats.has(decimals)) {
    const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    formats.set(decimals, new Intl.NumberFormat("en-US", digits));
  }
  return formats.get(decimals).format(number);
}

function whole(number) {
  return fixed(number, 0);
}

// A value in shown units; one that rounds to nothing is never mistaken for none.
function figure(value, metric, decimals) {
  if (value === null || value === undefined) return DASH;
  if (value === 0) return "0";
  const least = 10 ** -decimals;
  const shown = value / metric.scale;
  return shown < least / 2 ? `<${fixed(least, decimals)}` : fixed(shown, decimals);
}

function amount(value, metric, decimals) {
  const text = figure(value, metric, decimals);
  return text === DASH ? text : `${text} ${metric.unit || metric.label}`;
}

// Python writes a hyphen.
function minus(change) {
  return change.replace(/^-/, "−");
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

// A change that rounds to nothing keeps a `<`, so that it is never mistaken for none.
function changeText(ratio) {
  if (ratio === null) return DASH;
  if (ratio === 0) return "0 %";
  if (ratio === Infinity) return "new";
  if (ratio === -1) return "gone";
  const sign = ratio > 0 ? "+" : "−";
  const size = Math.abs(ratio);
  return sign + (100 * size >= SMALLEST_SHOWN ? percent(size) : "<0.1 %");
}
