// Runs whose ticks are time: how stale the accepted updates were, how long clients waited, what travelled
// when, and who trained when. The tasks are a plain canvas, like the partition: two thousand bars are no
// chart.

/// A moment of simulated time, to `step` seconds: "12.35 s", "1:02:03.5".
function moment(seconds, step) {
  const digits = Math.min(6, Math.max(0, -Math.floor(Math.log10(step || 1))));
  if (seconds < 60) return `${seconds.toFixed(digits)} s`;
  const whole = Math.floor(seconds / 60);
  const rest = (seconds - 60 * whole).toFixed(digits).padStart(digits > 0 ? digits + 3 : 2, "0");
  const minutes = whole % 60;
  return whole < 60 ? `${minutes}:${rest}` :
                      `${Math.floor(whole / 60)}:${String(minutes).padStart(2, "0")}:${rest}`;
}

const timedGroups = () =>
    data.groups.map((group, index) => ({group, index, time: data.timeline.groups[index]}))
        .filter(({time}) => time);
/// "fedbuff 3.2, fedavg 0.0", or the value alone when there is one group.
const perGroup = (show) =>
    timedGroups()
        .map((entry) => (data.groups.length > 1 ? `${entry.group.label} ` : "") + show(entry))
        .join(" · ");
const figuresOverTime = (group) => group.runs.map((index) => data.timeline.runs[index]).filter(Boolean);

function fillTiming() {
  const body = timedGroups().map(({group, index}) => {
    const all = figuresOverTime(group);
    const over = (key, format) => overRuns(all.map((figures) => figures[key]), format);
    const name = element("span", {}, data.groups.length > 1 ? swatch(index) : null, ` ${group.label}`);
    return row([
      name, over("seconds", duration), over("seconds_to_target", duration), over("tasks", count),
      over("clients", count), over("mean_staleness", (value) => decimal(value, 2)),
      over("max_staleness", count), percentOverRuns(all.map((figures) => figures.idle))
    ]);
  });
  byId("timing-table")
      .replaceChildren(
          header([
            "", "duration", "to target", "tasks", "clients with tasks", "mean staleness", "largest",
            "idle share"
          ]),
          element("tbody", {}, ...body));
}

function drawStaleness() {
  const {low, high} = data.timeline;
  const name = (i) => (low[i] === high[i] ? String(low[i]) : `${low[i]}–${high[i]}`);
  const datasets = timedGroups().map(({group, index, time}) => ({
                                       label: group.label,
                                       named: true,
                                       counts: time.staleness.counts,
                                       backgroundColor: withAlpha(seriesColor(index), 0.8),
                                       barPercentage: 1,
                                       categoryPercentage: 0.85,
                                       data: time.staleness.shares.map((share, x) => ({x, y: 100 * share})),
                                     }));
  const ticks =
      {color: style("--soft"), maxRotation: 0, precision: 0, callback: (at) => (at in low ? name(at) : "")};
  draw(
      "staleness", "bar", datasets, {
        x: axis(
            "staleness (server steps between start and end of a task)",
            {min: -0.5, max: low.length - 0.5, offset: false, grid: {display: false}, ticks}),
        y: axis("accepted tasks (%)", {beginAtZero: true})
      },
      {
        title: (item) => `staleness ${name(item.dataIndex)}`,
        label: (set, item) => `${data.groups.length > 1 ? set.label + ": " : ""}${item.raw.y.toFixed(1)} % (${
            count(set.counts[item.dataIndex])} tasks)`
      });
  captionOf(
      "staleness-caption", "Staleness",
      `of accepted tasks · mean ${perGroup(({time}) => decimal(time.staleness.mean, 2))}`);
}

function drawBusy() {
  const datasets = timedGroups().map(({group, index, time}) => {
    const color = seriesColor(index);
    const points = time.busy.from.map((from, i) => ({x: 100 * from, y: 100 * time.busy.busy[i]}));
    if (points.length > 0) points.push({x: 100, y: points[points.length - 1].y});
    return {
      label: group.label,
      named: true,
      stepped: "before",
      data: points,
      borderColor: color,
      backgroundColor: withAlpha(color, data.groups.length > 1 ? 0.12 : 0.45),
      borderDash: seriesDash(index),
      borderWidth: 1.5,
      fill: "origin",
    };
  });
  draw(
      "busy", "line", datasets, {
        x: axis("clients that had a task, busiest first (%)", {min: 0, max: 100}),
        y: axis("time in training (%)", {beginAtZero: true})
      },
      {
        title: (item) => `busier than this: ${item.raw.x.toFixed(0)} % of the clients`,
        label: (set, item) => `${data.groups.length > 1 ? set.label + ": " : ""}${item.raw.y.toFixed(1)} %`
      });
  const several = timedGroups().some(({group}) => group.runs.length > 1);
  captionOf(
      "busy-caption", "Time in training",
      `per client${several ? ", first run of a group" : ""} · idle ${
          perGroup(({group}) => percentOverRuns(figuresOverTime(group).map((figures) => figures.idle)))}`);
}

function drawTraffic() {
  const [unit, length] = timeUnit(longestOf("time", null));
  const power = Math.min(
      byteUnits.length - 1,
      Math.max(
          0, Math.floor(Math.log10(Math.max(longestOf("up", null), longestOf("down", null)) / 2 || 1) / 3)));
  const x = {key: "time", factor: 1 / length};
  const datasets = timedGroups().flatMap(({group, index}) => {
    const curve = curveOf(group, null);
    if (!curve || !curve.up) return [];
    const line = (way, dash) => ({
      label: `${data.groups.length > 1 ? group.label + " " : ""}${way}`,
      named: true,
      data: points(curve, x, curve[way], (value) => value / 1000 ** power),
      borderColor: seriesColor(index),
      backgroundColor: seriesColor(index),
      borderDash: dash,
      pointRadius: curve.round.length === 1 ? 3 : 0,
    });
    return [line("up", []), line("down", [6, 4])];
  });
  draw(
      "traffic", "line", datasets,
      {x: fromZero(`time (${unit})`, datasets), y: axis(`traffic (${byteUnits[power]})`)}, {
        title: (item) => `round ${count(item.raw.round)}, ${duration(item.raw.at)}`,
        label: (set, item) => `${set.label}: ${bytes(item.raw.y * 1000 ** power)}`
      });
  captionOf(
      "traffic-caption", "Traffic", "since the start · solid: up, from clients · dashed: down, to clients");
}

function drawTiming() {
  fillTiming();
  drawStaleness();
  drawBusy();
  drawTraffic();
}
