// Figures that strategies and the server report round by round: aggregation errors, norms, spent epsilon. One
// chart each; a line per run, for the seeds of a group in its colour.

const reportedNames = () => [...new Set(data.runs.flatMap((run) => Object.keys(run.reported || {})))].sort();

function reportedLines(name) {
  return data.groups.flatMap((group, index) => {
    if (view.hidden.has(index)) return [];
    return group.runs.map((at) => [data.runs[at], (data.runs[at].reported || {})[name]])
        .filter(([, figures]) => figures)
        .map(([run, figures]) => ({
               label: group.runs.length > 1 ? `${group.label}, seed ${run.seed}` : group.label,
               named: true,
               borderColor: seriesColor(index),
               backgroundColor: seriesColor(index),
               borderDash: seriesDash(index),
               borderWidth: group.runs.length > 1 ? 1 : 2,
               pointRadius: figures.round.length === 1 ? 3 : 0,
               data: figures.round.map((round, i) => ({x: round, y: figures.value[i]}))
                         .filter((point) => known(point.y)),
             }));
  });
}

function drawReported() {
  const names = reportedNames();
  if (!shows("reported", names.length > 0)) return;
  const charts = byId("reported-charts");
  if (charts.childElementCount !== names.length)
    charts.replaceChildren(...names.map(
        (name) => element(
            "figure", {}, element("figcaption", {}, element("b", {}, name.replaceAll("_", " "))),
            element("div", {class: "chart"}, element("canvas", {id: `reported-${name}`})))));
  for (const name of names) {
    const lines = reportedLines(name);
    draw(`reported-${name}`, "line", lines, {x: fromZero("round", lines), y: axis("")}, {
      title: (item) => `round ${count(item.raw.x)}`,
      label: (set, item) => `${data.groups.length > 1 || data.runs.length > 1 ? set.label + ": " : ""}${
          item.raw.y.toPrecision(4)}`,
    });
  }
}
