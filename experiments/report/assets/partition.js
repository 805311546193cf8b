// The partition as a picture: a column per client, a row per class, darker for more examples; above it the
// size of each client. A plain canvas: thousands of cells are no chart.

const partitionView = {
  choice: 0,
  order: "client"
};
const partitionRuns = () => {
  const seen = new Set();
  return data.runs.map((run, index) => ({run, index})).filter(({run}) => {
    if (!run.partition) return false;
    const key = JSON.stringify(run.partition);
    return !seen.has(key) && seen.add(key);
  });
};

const sum = (values) => values.reduce((total, value) => total + value, 0);

function orderedColumns(partition) {
  const columns = partition.counts.map((counts, i) => ({id: partition.ids[i], counts, size: sum(counts)}));
  const centre = ({counts, size}) => sum(counts.map((n, c) => n * c)) / (size || 1);
  const dominant = ({counts}) => counts.indexOf(Math.max(...counts));
  if (partitionView.order === "size") columns.sort((a, b) => b.size - a.size);
  if (partitionView.order === "class")
    columns.sort((a, b) => dominant(a) - dominant(b) || centre(a) - centre(b));
  return columns;
}

// A colour on the straight line from --heat-low (0) to --heat-high (1).
function heat(share) {
  const parse = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const [low, high] = [parse(style("--heat-low")), parse(style("--heat-high"))];
  return `rgb(${low.map((from, i) => Math.round(from + (high[i] - from) * share)).join(",")})`;
}

// Where things are, in CSS pixels; columns are thinned when they would be narrower than two pixels.
function partitionGeometry(canvas, columns, classes) {
  const width = canvas.parentElement.clientWidth;
  const [left, top, bars, gap, below] = [44, 14, 56, 8, 34];
  const shown = Math.min(columns.length, Math.floor((width - left - 4) / 2));
  const kept = Array.from({length: shown}, (_, i) => columns[Math.floor((i * columns.length) / shown)]);
  const row = Math.max(3, Math.min(22, 240 / classes));
  const cells = top + bars + gap;
  return {
    width,
    height: cells + row * classes + below,
    left,
    top,
    bars,
    cells,
    row,
    kept,
    cell: (width - left - 4) / shown
  };
}

function paintPartition(canvas, partition) {
  const columns = orderedColumns(partition);
  const g = partitionGeometry(canvas, columns, partition.classes);
  const ratio = window.devicePixelRatio || 1;
  canvas.width = g.width * ratio;
  canvas.height = g.height * ratio;
  canvas.style.height = `${g.height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const most = Math.max(1, ...columns.flatMap((column) => column.counts));
  const largest = Math.max(1, ...columns.map((column) => column.size));
  const spacing = g.cell > 5 ? 1 : 0;
  const shades = Array.from({length: 65}, (_, i) => heat(i / 64));
  g.kept.forEach((column, i) => {
    const x = g.left + i * g.cell;
    const height = (g.bars * column.size) / largest;
    pen.fillStyle = seriesColor(0);
    pen.fillRect(x, g.top + g.bars - height, g.cell - spacing, height);
    column.counts.forEach((number, c) => {
      pen.fillStyle = shades[Math.round((64 * number) / most)];
      pen.fillRect(
          x, g.cells + c * g.row, g.cell - spacing + (spacing ? 0 : 0.5), g.row - (g.row > 6 ? 1 : 0));
    });
  });
  labelPartition(pen, g, partition.classes, largest, most, shades);
  return {g, columns};
}

function labelPartition(pen, g, classes, largest, most, shades) {
  pen.fillStyle = style("--soft");
  pen.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  pen.fillText(count(largest), g.left - 6, g.top + 4);
  pen.fillText("0", g.left - 6, g.top + g.bars - 4);
  const every = Math.ceil(13 / g.row);
  for (let c = 0; c < classes; c += every) pen.fillText(String(c), g.left - 6, g.cells + (c + 0.5) * g.row);
  const base = g.height - 14;
  pen.textAlign = "left";
  pen.fillText("clients →", g.left, base);
  pen.textAlign = "right";
  pen.fillText(`${count(most)} examples`, g.width - 4, base);
  const legend = {x: g.width - 4 - pen.measureText(`${count(most)} examples`).width - 8 - 65, y: base - 5};
  shades.forEach((shade, i) => {
    pen.fillStyle = shade;
    pen.fillRect(legend.x + i, legend.y, 1.5, 10);
  });
  pen.fillStyle = style("--soft");
  pen.fillText("0", legend.x - 6, base);
}

function followPointer(canvas, {g}, classes) {
  const tip = byId("partition-tip");
  canvas.onpointerleave = () => (tip.style.display = "none");
  canvas.onpointermove = (event) => {
    const column = g.kept[Math.floor((event.offsetX - g.left) / g.cell)];
    const row = Math.floor((event.offsetY - g.cells) / g.row);
    tip.style.display = column && event.offsetX >= g.left && row < classes ? "block" : "none";
    if (tip.style.display === "none") return;
    tip.textContent = row < 0 ?
        `client ${column.id}: ${count(column.size)} examples` :
        `client ${column.id}, class ${row}: ${count(column.counts[row])} of ${count(column.size)} examples`;
    tip.style.left = `${Math.min(event.offsetX + 12, g.width - tip.offsetWidth)}px`;
    tip.style.top = `${Math.max(0, event.offsetY - 34)}px`;
  };
}

function drawPartition() {
  const choices = partitionRuns();
  if (!shows("partition", choices.length > 0)) return;
  const partition = choices[Math.min(partitionView.choice, choices.length - 1)].run.partition;
  const canvas = byId("partition-canvas");
  followPointer(canvas, paintPartition(canvas, partition), partition.classes);
  const shown = partition.counts.length;
  captionOf(
      "partition-caption", "Examples by client (columns) and class (rows)",
      `· bars: examples per client${
          shown < partition.total ? ` · ${count(shown)} of ${count(partition.total)} clients` : ""}`);
  renew(
      byId("partition-controls"),
      ...runPicker(choices, partitionView.choice, (choice) => redrawPartition({choice})),
      choice(
          "order", [["client", "client"], ["main class", "class"], ["size", "size"]], partitionView.order,
          (order) => redrawPartition({order})));
}

function redrawPartition(change) {
  Object.assign(partitionView, change);
  drawPartition();
}
