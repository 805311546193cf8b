// Accuracy, loss and training loss of every group of runs, against rounds, traffic or time.

const view = {
  x: "round",
  split: "test",
  error: false,
  log: false,
  seeds: false,
  hidden: new Set()
};

const runOf = (group) => data.runs[group.runs[0]];
/// The curve of a group: the mean over its seeds, or its one run's own.
const curveOf = (group, split) => {
  const owner = group.runs.length > 1 ? group : runOf(group);
  return (split === null ? owner.train : owner.splits && owner.splits[split]) || null;
};

const splitNames = () => {
  const names = new Set(data.runs.flatMap((run) => Object.keys(run.splits || {})));
  return ["test", "validation"].filter((name) => names.delete(name)).concat([...names]);
};

function longestOf(name, split) {
  let longest = 0;
  for (const group of data.groups) {
    const curve = curveOf(group, split);
    if (curve && curve[name])  // traffic is not known before the first evaluation
      for (const value of curve[name])
        if (known(value) && value > longest) longest = value;
  }
  return longest;
}

/// The unit, and its seconds, for an axis of so many seconds.
const timeUnit = (longest) => (longest > 7200 ? ["h", 3600] : longest > 180 ? ["min", 60] : ["s", 1]);

/// The x axis that is chosen: where its values are, their factor and its title, in a unit that fits.
function abscissa(split) {
  if (view.x === "bytes") {
    const unit = Math.min(
        byteUnits.length - 1, Math.max(0, Math.floor(Math.log10(longestOf("bytes", split) / 2 || 1) / 3)));
    return {
      key: "bytes",
      factor: 1000 ** -unit,
      title: `traffic, up and down (${byteUnits[unit]})`,
      text: bytes
    };
  }
  const seconds = (key, name) => {
    const [unit, length] = timeUnit(longestOf(key, split));
    return {key, factor: 1 / length, title: `${name} (${unit})`, text: duration};
  };
  if (view.x === "wall") return seconds("wall", "wall time");
  if (view.x === "time" && data.simulated_time === "s") return seconds("time", "simulated time");
  if (view.x === "time")
    return {key: "time", factor: 1, title: "simulated time (ticks)", text: (v) => `tick ${count(v)}`};
  return {key: "round", factor: 1, title: "round", text: (value) => `round ${count(value)}`};
}

function points(curve, x, values, y) {
  return curve[x.key]
      .map((value, i) => ({
             x: known(value) ? value * x.factor : null,
             y: known(values[i]) ? y(values[i]) : null,
             round: curve.round[i],
             at: value,
           }))
      .filter((point) => point.x !== null && point.y !== null);
}

/// Lines and bands of one quantity ("accuracy" or "loss"); y maps a value to what is drawn.
function seriesOf(quantity, split, x, y) {
  const datasets = [];
  data.groups.forEach((group, index) => {
    if (view.hidden.has(index)) return;
    const color = seriesColor(index);
    const line = {
      label: group.label,
      borderColor: color,
      backgroundColor: color,
      borderDash: seriesDash(index),
      order: 1
    };
    const curve = curveOf(group, split);
    if (curve === null || curve.round.length === 0) return;
    datasets.push({
      ...line,
      named: true,
      data: points(curve, x, curve[quantity], y),
      pointRadius: curve.round.length === 1 ? 3 : 0
    });
    if (group.runs.length < 2) return;
    if (view.seeds) {
      for (const run of group.runs.map((i) => data.runs[i])) {
        const own = split === null ? run.train : run.splits && run.splits[split];
        if (own)
          datasets.push({
            ...line,
            borderWidth: 1,
            borderColor: withAlpha(color, 0.6),
            order: 2,
            data: points(own, x, own[quantity], y)
          });
      }
      return;
    }
    const edge = {borderWidth: 0, pointRadius: 0, order: 3, backgroundColor: withAlpha(color, 0.18)};
    datasets.push({...edge, data: points(curve, x, curve[`${quantity}_low`], y)});
    datasets.push({...edge, data: points(curve, x, curve[`${quantity}_high`], y), fill: "-1"});
  });
  return datasets;
}

function targetLines(datasets, y) {
  const targets = new Set(finite(data.runs.map((run) => run.figures.target_accuracy)));
  const xs = datasets.flatMap((set) => set.data.map((point) => point.x));
  if (xs.length === 0) return [];
  return [...targets].map((target) => ({
                            data: [{x: Math.min(...xs), y: y(target)}, {x: Math.max(...xs), y: y(target)}],
                            borderColor: style("--soft"),
                            borderWidth: 1,
                            borderDash: [5, 5],
                            order: 4,
                          }));
}

function captionOf(id, name, more) {
  byId(id).replaceChildren(element("b", {}, name), more ? ` ${more}` : "");
}

function drawLearning() {
  const split = view.split;
  const x = abscissa(split);
  const several = data.groups.some((group) => group.runs.length > 1);
  const band = !several ? "" : view.seeds ? "· mean and single seeds" : "· mean and range over seeds";
  const tip = (show) => ({
    title: (item) => (x.key === "round" ? "" : `round ${count(item.raw.round)}, `) + x.text(item.raw.at),
    label: (set, item) => `${data.groups.length > 1 ? set.label + ": " : ""}${show(item.raw.y)}`,
  });
  // The shorter way to read a curve near 100 %: what is still wrong, on a log axis.
  const share = view.error ? (value) => Math.max(100 * (1 - value), 0.01) : (value) => 100 * value;
  const accuracy = seriesOf("accuracy", split, x, share);
  const target = split === "test" ? targetLines(accuracy, share) : [];
  const lines = accuracy.concat(target);
  draw(
      "accuracy", "line", lines,
      {x: fromZero(x.title, lines), y: view.error ? logAxis("error (%)") : axis("accuracy (%)")},
      tip((value) => `${value.toFixed(2)} %`));
  captionOf(
      "accuracy-caption", view.error ? "Error" : "Accuracy",
      `on ${split} data ${band} ${target.length > 0 ? "· dashed: target" : ""}`);

  const drawLoss = (canvas, from) => {
    const losses = seriesOf("loss", from, x, (value) => value);
    draw(
        canvas, "line", losses, {x: fromZero(x.title, losses), y: view.log ? logAxis("loss") : axis("loss")},
        tip((value) => value.toPrecision(4)));
  };
  drawLoss("loss", split);
  captionOf("loss-caption", "Loss", `on ${split} data ${band}`);
  drawLoss("train", null);
  captionOf("train-caption", "Training loss", `of the accepted clients, during their local work ${band}`);
}
