// What all charts share: theme, axes, and a tooltip that reads every line at the pointer.

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const seriesColor = (index) => {
  const colors = style("--series").split(" ");
  return colors[index % colors.length];
};
// Beyond the seventh series colours repeat, so the strokes change.
const seriesDash = (index) => [[], [8, 4], [2, 3]][Math.floor(index / 7) % 3];
const withAlpha = (hex, alpha) => hex + Math.round(255 * alpha).toString(16).padStart(2, "0");

/// A short stroke as it is drawn in the charts.
function swatch(index) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "line");
  for (const [name, value] of Object.entries({width: 22, height: 10, "aria-hidden": true}))
    svg.setAttribute(name, value);
  for (const [name, value] of Object.entries({
         x1: 1,
         x2: 21,
         y1: 5,
         y2: 5,
         stroke: seriesColor(index),
         "stroke-width": 3,
         "stroke-dasharray": seriesDash(index).join(" "),
       }))
    line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

// The nearest point of each line, whatever its x values: runs are not evaluated at the same bytes or seconds.
Chart.Interaction.modes.everyLine = (chart, event) => {
  const x = Chart.helpers.getRelativePosition(event, chart).x;
  const items = [];
  for (const meta of chart.getSortedVisibleDatasetMetas()) {
    if (!chart.data.datasets[meta.index].named) continue;
    let best = null;
    meta.data.forEach((point, index) => {
      if (point.skip) return;
      const distance = Math.abs(point.x - x);
      if (best === null || distance < best.distance)
        best = {distance, element: point, datasetIndex: meta.index, index};
    });
    if (best !== null && best.distance < 60) items.push(best);
  }
  return items;
};

function axis(title, extra) {
  return Object.assign(
      {
        type: "linear",
        title: {display: true, text: title, color: style("--soft")},
        grid: {color: style("--line"), drawBorder: false},
        ticks: {color: style("--soft"), maxTicksLimit: 8, maxRotation: 0},
      },
      extra);
}

/// A logarithmic y axis with labels at 1, 2 and 5 times the powers of ten.
function logAxis(title) {
  const label = (value) =>
      ([1, 2, 5].includes(Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9))) ?
           String(+value.toPrecision(3)) :
           "");
  return axis(
      title, {type: "logarithmic", ticks: {color: style("--soft"), callback: label, autoSkip: false}});
}

/// An x axis from zero to the last point, so that no width is lost to a round number beyond it.
function fromZero(title, datasets) {
  const last = Math.max(0, ...datasets.flatMap((set) => set.data.map((point) => point.x)));
  return axis(title, {
    min: 0,
    max: last > 0 ? last : 1,
    ticks: {color: style("--soft"), maxTicksLimit: 8, maxRotation: 0, includeBounds: false}
  });
}

const drawn = new Map();

/// Draws (or redraws) the chart of a canvas. tip: { title(x), label(dataset, point) }.
function draw(canvasId, type, datasets, scales, tip) {
  const config = {
    type,
    data: {datasets},
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      parsing: false,
      interaction: type === "line" ? {mode: "everyLine"} : {mode: "nearest", axis: "x", intersect: false},
      elements: {point: {radius: 0, hitRadius: 0, hoverRadius: 3.5}, line: {borderWidth: 2, tension: 0}},
      plugins: {
        legend: {display: false},
        tooltip: {
          backgroundColor: style("--ink"),
          titleColor: style("--back"),
          bodyColor: style("--back"),
          displayColors: datasets.filter((set) => set.named).length > 1,
          boxPadding: 4,
          padding: 8,
          callbacks: {
            title: (items) => (items.length > 0 ? tip.title(items[0]) : ""),
            label: (item) => tip.label(item.dataset, item),
          },
        },
      },
      scales,
    },
  };
  const before = drawn.get(canvasId);
  if (before && before.canvas === byId(canvasId)) {  // a tooltip stays where the pointer is
    before.data = config.data;
    before.options = config.options;
    before.update();
    return;
  }
  if (before) before.destroy();
  drawn.set(canvasId, new Chart(byId(canvasId), config));
}
