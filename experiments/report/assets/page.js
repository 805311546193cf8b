// Puts the page together: title, controls, theme, and the view in the address so that a link shows the same.
//   #x=bytes&split=validation&y=error&loss=log&seeds=1&theme=dark

/// A row of buttons of which one is pressed. options: [[text, value], …].
function choice(name, options, chosen, choose) {
  return element(
      "div", {class: "choice", role: "group", "aria-label": name}, element("span", {}, name),
      ...options.map(
          ([text, value]) => element(
              "button",
              {type: "button", "aria-pressed": String(value === chosen), onclick: () => choose(value)},
              text)));
}

/// Nothing for one run; a list to pick from for more.
function runPicker(choices, chosen, choose) {
  if (choices.length < 2) return [];
  const select = element(
      "select", {"aria-label": "run", onchange: () => choose(Number(select.value))},
      ...choices.map(({run, index}, i) => {
        const group = data.groups.find((candidate) => candidate.runs.includes(index));
        const text = data.groups.length > 1 ? `${run.name} (${group.label}, seed ${run.seed})` :
                                              `${run.name} (seed ${run.seed})`;
        return element("option", {value: i, selected: i === chosen ? "" : null}, text);
      }));
  select.style.maxWidth = "100%";
  return [select];
}

function abscissae() {
  const has = (name) =>
      data.runs.some((run) => Object.values(run.splits || {}).some((curve) => curve[name].some(known)));
  const options = [["rounds", "round"], ["traffic", "bytes"]];
  if (has("wall")) options.push(["wall time", "wall"]);
  if (data.simulated_time) options.push(["simulated time", "time"]);
  return options;
}

/// Federations that take time are compared by it; rounds of an asynchronous one are no measure.
const usualAbscissa = () => (data.simulated_time === "s" ? "time" : "round");

function drawControls() {
  const change = (part) => {
    Object.assign(view, part);
    rememberView();
    drawControls();
    drawLearning();
    drawReported();
  };
  const splits = splitNames();
  renew(
      byId("controls"), choice("against", abscissae(), view.x, (x) => change({x})),
      splits.length > 1 ?
          choice("data", splits.map((name) => [name, name]), view.split, (split) => change({split})) :
          null,
      choice("show", [["accuracy", false], ["error, log", true]], view.error, (error) => change({error})),
      choice("loss", [["linear", false], ["log", true]], view.log, (log) => change({log})),
      data.groups.some((group) => group.runs.length > 1) ?
          choice("seeds", [["range", false], ["single", true]], view.seeds, (seeds) => change({seeds})) :
          null);
  const toggle = (index) => () => {
    if (!view.hidden.delete(index)) view.hidden.add(index);
    change({});
  };
  renew(byId("legend"), ...(
      data.groups.length < 2 ?
          [] :
          data.groups.map(
              (group, index) => element(
                  "button",
                  {type: "button", "aria-pressed": String(!view.hidden.has(index)), onclick: toggle(index)},
                  swatch(index),
                  group.label + (group.runs.length > 1 ? ` (${group.runs.length} seeds)` : "")))));
}

const theme = () => document.documentElement.dataset.theme;

function rememberView() {
  const parts = new URLSearchParams();
  if (view.x !== usualAbscissa()) parts.set("x", view.x);
  if (view.split !== splitNames()[0]) parts.set("split", view.split);
  if (view.error) parts.set("y", "error");
  if (view.log) parts.set("loss", "log");
  if (view.seeds) parts.set("seeds", "1");
  if (themeChosen) parts.set("theme", theme());
  history.replaceState(null, "", `#${parts}`);
}

let themeChosen = false;
const systemDark = window.matchMedia("(prefers-color-scheme: dark)");

function recallView() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const splits = splitNames();
  view.x = abscissae().some(([, value]) => value === parts.get("x")) ? parts.get("x") : usualAbscissa();
  view.split = splits.includes(parts.get("split")) ? parts.get("split") : splits[0];
  view.error = parts.get("y") === "error";
  view.log = parts.get("loss") === "log";
  view.seeds = parts.get("seeds") === "1";
  themeChosen = ["light", "dark"].includes(parts.get("theme"));
  document.documentElement.dataset.theme = themeChosen ? parts.get("theme") :
      systemDark.matches                               ? "dark" :
                                                         "light";
}

function drawAll() {
  fillCards();
  if (shows("learning", splitNames().length > 0)) {
    drawControls();
    drawLearning();
  }
  drawReported();
  if (shows("timing", data.timeline !== null)) drawTiming();
  drawGantt();
  drawStages();
  drawClients();
  drawPartition();
}

function switchTheme(name) {
  document.documentElement.dataset.theme = name;
  drawAll();
}

function fillHead() {
  const s = data.started;
  const one = data.groups.length === 1;
  const title =
      one ? s.experiment || s.strategy : `${data.groups.length} configurations, ${data.runs.length} runs`;
  byId("title").textContent = title;
  document.title = `${title} · fedloom report`;
  const parts = [
    one ? s.strategy : null, s.model, s.data, `${count(s.clients)} clients`,
    `${count(s.parameters)} parameters`, one && data.runs.length > 1 ? `${data.runs.length} runs` : null
  ];
  byId("subtitle").textContent = parts.filter(Boolean).join(" · ");
  byId("notes").replaceChildren(...data.notes.map((note) => element("p", {class: "note"}, note)));
  byId("footer").textContent =
      `Written by ${data.generator}. Accuracies are of the global model; traffic is what deployed ` +
      "clients send and receive; ± is the standard deviation over seeds, and " +
      "means end at the last round that all seeds have.";
}

function drawEverything() {
  recallView();  // of what there was not when the page was opened, too
  fillHead();
  drawAll();
  fillResults();
  fillMachine();
  fillSettings();
}

drawEverything();
byId("theme").onclick = () => {
  themeChosen = true;
  switchTheme(theme() === "dark" ? "light" : "dark");
  rememberView();
};
systemDark.addEventListener("change", (event) => {
  if (!themeChosen) switchTheme(event.matches ? "dark" : "light");
});
let resizing = 0;
window.addEventListener("resize", () => {
  cancelAnimationFrame(resizing);
  resizing = requestAnimationFrame(() => {
    drawPartition();
    drawGantt();
  });
});
