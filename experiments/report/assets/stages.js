// Learning stage by stage: the accuracy on each stage over the rounds, and the matrix of accuracies at their ends.
// One run at a time.

const stageRuns = () => data.runs.map((run, index) => ({run, index})).filter(({run}) => run.stages);

function drawStageCurves(stages) {
  const number = Math.max(...stages.accuracy.map((row) => row.length));
  const datasets = [];
  for (let stage = 0; stage < number; ++stage) {
    const points = stages.round.map((round, i) => ({x: round, y: stages.accuracy[i][stage]}))
                       .filter(({y}) => known(y))
                       .map(({x, y}) => ({x, y: 100 * y}));
    datasets.push({
      data: points,
      label: `stage ${stage + 1}`,
      borderColor: seriesColor(stage),
      backgroundColor: seriesColor(stage),
      borderDash: seriesDash(stage),
      pointRadius: points.length === 1 ? 3 : 0,
      named: true
    });
  }
  datasets.push({
    data: stages.round.map((round, i) => ({x: round, y: 100 * stages.mean[i]})),
    label: "mean",
    borderColor: style("--ink"),
    backgroundColor: style("--ink"),
    borderWidth: 3,
    pointRadius: 0,
    named: true
  });
  draw(
      "stages-curves", "line", datasets, {x: fromZero("round", datasets), y: axis("accuracy (%)")},
      {title: (item) => `round ${count(item.raw.x)}`, label: (set, item) => `${set.label}: ${item.raw.y.toFixed(2)} %`});
  captionOf("stages-caption", "Accuracy on each stage", "· thick: the mean over those seen so far");
}

/// Row t, column i: the accuracy on stage i when stage t had just ended.
function fillStageMatrix(stages) {
  const number = Math.max(0, ...stages.matrix.map(({accuracy}) => accuracy.length));
  const columns = [...Array(number).keys()];
  const low = Math.min(1, ...stages.matrix.flatMap(({accuracy}) => accuracy.filter(known)));
  const cell = (value) => {
    if (!known(value)) return element("td", {});
    const node = element("td", {}, (100 * value).toFixed(1));
    const share = low < 1 ? (value - low) / (1 - low) : 1;
    node.style.background = heat(0.15 + 0.85 * share);
    node.style.color = share > 0.45 ? style("--back") : style("--ink");
    return node;
  };
  byId("stages-matrix")
      .replaceChildren(
          element("tr", {}, element("th", {}, "after"), ...columns.map((i) => element("th", {}, `on ${i + 1}`))),
          ...stages.matrix.map(
              ({stage, accuracy}) =>
                  element("tr", {}, element("th", {}, `stage ${stage}`), ...columns.map((i) => cell(accuracy[i])))));
  const last = stages.round.length - 1;
  captionOf(
      "stages-matrix-caption", `ACC ${percent(stages.mean[last])}`,
      `· FGT ${percent(stages.forgetting[last])} · BWT ${percent(stages.backward_transfer[last])} · accuracies in %`);
}

let stageChoice = 0;

function drawStages() {
  const choices = stageRuns();
  if (!shows("stages", choices.length > 0)) return;
  const {run} = choices[Math.min(stageChoice, choices.length - 1)];
  drawStageCurves(run.stages);
  fillStageMatrix(run.stages);
  renew(byId("stages-controls"), ...runPicker(choices, stageChoice, (choice) => {
    stageChoice = choice;
    drawStages();
  }));
}
