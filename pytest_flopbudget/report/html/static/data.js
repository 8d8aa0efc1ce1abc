// What the page was given; everything else is drawn from it.

const DATA = JSON.parse(document.getElementById("data").textContent);
const METRICS = new Map(DATA.metrics.map((metric) => [metric.key, metric]));

