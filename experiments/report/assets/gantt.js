// Who trained when: a row per client, a bar per task in the colour of its verdict, a line where a window
// ended.

let ganttChoice = 0;

// Places in --series: the palette stays apart for colour-blind readers, and hover names the verdict.
const verdictColors = {
  accepted: 2,
  rejected: 1,
  discarded: 4,
  lost: 6,
  cancelled: 3
};
const verdictOf = (bars, i) => (known(bars.verdict[i]) ? data.timeline.verdicts[bars.verdict[i]] : null);

// Where things are, in CSS pixels.
function ganttGeometry(canvas, gantt) {
  const width = canvas.parentElement.clientWidth;
  const [left, right, top, below] = [64, 8, 4, 40];
  const row = Math.max(8, Math.min(20, 420 / gantt.clients.length));
  const span = gantt.until - gantt.begin || 1;
  const scale = (width - left - right) / span;
  return {
    width,
    left,
    top,
    row,
    span,
    bottom: top + row * gantt.clients.length,
    height: top + row * gantt.clients.length + below,
    x: (time) => left + scale * (Math.min(time, gantt.until) - gantt.begin),
    right: width - right,
  };
}

function paintBars(pen, g, {bars}) {
  for (let i = 0; i < bars.row.length; ++i) {
    const x = g.x(bars.start[i]);
    const width = Math.max(1, g.x(bars.end[i]) - x - (g.x(bars.end[i]) - x > 3 ? 0.5 : 0));
    const y = g.top + bars.row[i] * g.row;
    const verdict = verdictOf(bars, i);
    if (verdict === null) {
      pen.strokeStyle = style("--soft");
      pen.strokeRect(x + 0.5, y + 1.5, Math.max(0, width - 1), g.row - 3);
      continue;
    }
    pen.fillStyle = seriesColor(verdictColors[verdict]);
    pen.fillRect(x, y + 1, width, g.row - 2);
  }
}

function paintWindows(pen, g, gantt) {
  pen.strokeStyle = withAlpha(style("--ink"), gantt.window_ends.length > 60 ? 0.14 : 0.28);
  pen.lineWidth = 1;
  pen.beginPath();
  for (const end of gantt.window_ends) {
    pen.moveTo(g.x(end), g.top);
    pen.lineTo(g.x(end), g.bottom);
  }
  pen.stroke();
}

// 1, 2 or 5 times a power of ten, so that about eight labels fit.
function niceStep(span) {
  const power = 10 ** Math.floor(Math.log10(span / 8));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= span / 8);
}

function labelGantt(pen, g, gantt) {
  pen.fillStyle = style("--soft");
  pen.strokeStyle = style("--line");
  pen.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  const every = Math.ceil(13 / g.row);
  gantt.clients.forEach((client, i) => {
    if (i % every === 0) pen.fillText(String(client), g.left - 6, g.top + (i + 0.5) * g.row);
  });
  const [unit, length] = timeUnit(gantt.until);
  const step = niceStep(g.span / length);
  pen.textAlign = "center";
  for (let k = Math.ceil(gantt.begin / length / step); k * step * length <= gantt.until; ++k) {
    const x = g.x(k * step * length);
    pen.fillRect(x, g.bottom, 1, 4);
    pen.fillText(String(+(k * step).toPrecision(6)), x, g.bottom + 13);
  }
  pen.fillText(`time (${unit})`, (g.left + g.right) / 2, g.bottom + 31);
}

function paintGantt(canvas, gantt) {
  const g = ganttGeometry(canvas, gantt);
  const ratio = window.devicePixelRatio || 1;
  canvas.width = g.width * ratio;
  canvas.height = g.height * ratio;
  canvas.style.height = `${g.height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  paintBars(pen, g, gantt);
  paintWindows(pen, g, gantt);
  labelGantt(pen, g, gantt);
  return g;
}

// The bar under the pointer, or the nearest one within three pixels: bars may be thinner than a pointer is
// exact.
function barAt(g, {bars}, x, y) {
  const row = Math.floor((y - g.top) / g.row);
  let best = null;
  for (let i = 0; i < bars.row.length; ++i) {
    if (bars.row[i] !== row) continue;
    const distance = Math.max(0, g.x(bars.start[i]) - x, x - g.x(bars.end[i]));
    if (distance <= 3 && (best === null || distance < best.distance)) best = {distance, i};
  }
  return best === null ? null : best.i;
}

function barText(gantt, g, i) {
  const {bars} = gantt;
  const verdict = verdictOf(bars, i);
  const time = (seconds) => moment(seconds, g.span / 2000);
  return `client ${gantt.clients[bars.row[i]]}, task ${bars.task[i]}: ${time(bars.start[i])} to ${
      time(bars.end[i])}, from version ${bars.version[i]}, ${
      verdict === null ? "still training when the run ended" : `staleness ${bars.staleness[i]}, ${verdict}`}`;
}

function followGantt(canvas, gantt, g) {
  const tip = byId("gantt-tip");
  canvas.onpointerleave = () => (tip.style.display = "none");
  canvas.onpointermove = (event) => {
    const i = barAt(g, gantt, event.offsetX, event.offsetY);
    tip.style.display = i === null ? "none" : "block";
    if (i === null) return;
    tip.textContent = barText(gantt, g, i);
    tip.style.left = `${Math.max(0, Math.min(event.offsetX + 12, g.width - tip.offsetWidth))}px`;
    tip.style.top = `${event.offsetY + (event.offsetY > 40 ? -34 : 16)}px`;
  };
}

function ganttLegend({bars}) {
  const seen = new Set(bars.row.map((_, i) => verdictOf(bars, i)));
  const mark = (color, text) => {
    const box = element("i", {});
    box.style[color === null ? "borderColor" : "backgroundColor"] = color === null ? style("--soft") : color;
    return element("span", {}, box, text);
  };
  const marks = data.timeline.verdicts.filter((verdict) => seen.has(verdict))
                    .map((verdict) => mark(seriesColor(verdictColors[verdict]), verdict));
  if (seen.has(null)) marks.push(mark(null, "still training at the end"));
  byId("gantt-legend").replaceChildren(...marks);
}

function ganttCaption(gantt) {
  const shown = gantt.clients.length;
  const parts = [`${shown < gantt.all_clients ? `${count(shown)} of ` : ""}${
      count(gantt.all_clients)} clients that had a task`];
  if (gantt.until < gantt.end)
    parts.push(`the first ${count(gantt.bars.row.length)} of their tasks, until ${duration(gantt.until)} of ${
        duration(gantt.end)}`);
  const lines = gantt.window_ends.length;
  if (gantt.windows > 0)
    parts.push(
        lines < gantt.windows ? `lines: ${count(lines)} of ${count(gantt.windows)} ends of rounds` :
                                "lines: ends of rounds");
  const groups = timedGroups().length;
  if (data.timeline.gantts.length < groups)
    parts.push(
        `to choose from: the first ${count(data.timeline.gantts.length)} of ${count(groups)} configurations`);
  captionOf("gantt-caption", "Tasks by client (rows)", `· ${parts.join(" · ")}`);
}

function drawGantt() {
  if (!shows("gantt", data.timeline !== null)) return;
  const choices = data.timeline.gantts.map((gantt) => ({run: data.runs[gantt.run], index: gantt.run, gantt}));
  const gantt = choices[Math.min(ganttChoice, choices.length - 1)]?.gantt;
  if (!shows("gantt", gantt && gantt.bars.row.length > 0)) return;
  const canvas = byId("gantt-canvas");
  followGantt(canvas, gantt, paintGantt(canvas, gantt));
  ganttLegend(gantt);
  ganttCaption(gantt);
  renew(byId("gantt-controls"), ...runPicker(choices, ganttChoice, (choice) => {
    ganttChoice = choice;
    drawGantt();
  }));
}
