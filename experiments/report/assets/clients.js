// How the accuracy spreads over the clients' own held-out data: percentiles over rounds, and the last
// evaluation as a histogram. One run at a time.

const spreadRuns = () => data.runs.map((run, index) => ({run, index})).filter(({run}) => run.spread);

function drawFan(run, color) {
  const spread = run.spread;
  const curve = (name) => spread.round.map((round, i) => ({x: round, y: 100 * spread[name][i], at: i}));
  const edge = {borderWidth: 0, pointRadius: 0, order: 3};
  const band = (low, high, alpha) =>
      [{...edge, data: curve(low)},
       {...edge, data: curve(high), fill: "-1", backgroundColor: withAlpha(color, alpha)},
  ];
  const single = spread.round.length === 1 ? 3 : 0;
  const datasets = [
    ...band("p0", "p100", 0.1),
    ...band("p10", "p90", 0.16),
    ...band("p25", "p75", 0.22),
    {
      data: curve("p50"),
      borderColor: color,
      backgroundColor: color,
      named: true,
      order: 1,
      pointRadius: single
    },
  ];
  const all = (i) => [["best", "p100"], ["90 % below", "p90"], ["median", "p50"], ["10 % below", "p10"],
                      ["worst", "p0"]]
                         .map(([name, key]) => `${name}: ${percent(spread[key][i])}`);
  draw(
      "fan", "line", datasets, {x: fromZero("round", datasets), y: axis("accuracy (%)")},
      {title: (item) => `round ${count(item.raw.x)}`, label: (_, item) => all(item.raw.at)});
  captionOf("fan-caption", "Median client", "· bands: the middle 50 %, the middle 80 %, all");
}

function drawHistogram(run, color) {
  const bins = run.spread.last_histogram;
  const share = bins.map((number) => (100 * number) / run.spread.clients);
  const width = 100 / bins.length;
  const edges = (i) => `${(i * width).toFixed(0)} to ${((i + 1) * width).toFixed(0)} %`;
  const bars = share.map((y, i) => ({x: (i + 0.5) * width, y}));
  draw(
      "histogram", "bar",
      [{data: bars, backgroundColor: withAlpha(color, 0.75), barPercentage: 1, categoryPercentage: 0.94}], {
        x: axis("accuracy of a client (%)", {min: 0, max: 100, offset: false, grid: {display: false}}),
        y: axis("clients (%)", {beginAtZero: true})
      },
      {title: (item) => edges(item.dataIndex), label: (_, item) => `${count(bins[item.dataIndex])} clients`});
  captionOf(
      "histogram-caption", `${count(run.spread.clients)} clients`,
      `at round ${count(run.spread.round[run.spread.round.length - 1])}`);
}

let spreadChoice = 0;

function drawClients() {
  const choices = spreadRuns();
  if (!shows("clients", choices.length > 0)) return;
  const {run, index} = choices[Math.min(spreadChoice, choices.length - 1)];
  const color = seriesColor(data.groups.findIndex((group) => group.runs.includes(index)));
  drawFan(run, color);
  drawHistogram(run, color);
  renew(byId("clients-controls"), ...runPicker(choices, spreadChoice, (choice) => {
    spreadChoice = choice;
    drawClients();
  }));
}
