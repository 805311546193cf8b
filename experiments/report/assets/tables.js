// Key figures, the table of runs, the table of what the machine spent, and the settings.

const figuresOf = (group) => group.runs.map((index) => data.runs[index].figures);
const speedOf = (figures) =>
    (figures.client_trainings > 0 && figures.wall_seconds > 0 ?
         figures.client_trainings / figures.wall_seconds :
         null);
const trafficOf = (figures) => figures.bytes_up + figures.bytes_down;

function card(name, value, more, mark) {
  return element(
      "div", {class: "card"}, element("div", {class: "name"}, mark, name),
      element("div", {class: "value"}, value), element("div", {class: "more"}, more || ""));
}

function targetText(all) {
  const target = finite(all.map((figures) => figures.target_accuracy))[0];
  if (target === undefined) return null;
  const reached = finite(all.map((figures) => figures.rounds_to_target));
  if (reached.length === 0) return `target ${percent(target, 1)} not reached`;
  const by = all.length > 1 ? ` (${reached.length} of ${all.length} seeds)` : "";
  return `target ${percent(target, 1)} in round ${count(mean(reached))}${by}`;
}

function groupCard(group, index) {
  const all = figuresOf(group);
  const parts = [
    targetText(all), overRuns(all.map((f) => f.rounds), count) + " rounds",
    overRuns(all.map(trafficOf), bytes), overRuns(all.map((f) => f.wall_seconds), duration)
  ];
  return card(
      group.label, percentOverRuns(all.map((f) => f.final_test_accuracy)),
      parts.filter((part) => part !== null).join(" · "), swatch(index));
}

/// How much of earlier stages is lost at the end, where there are stages.
function stageCard() {
  const last = data.groups[0].runs.map((index) => data.runs[index].stages)
                   .filter((stages) => stages)
                   .map((stages) => stages.forgetting[stages.forgetting.length - 1]);
  if (finite(last).length === 0) return [];
  return [card("forgetting", percentOverRuns(last), "mean over earlier stages")];
}

function fillCards() {
  const cards = byId("cards");
  if (data.groups.length > 1) {
    cards.classList.add("groups");
    cards.replaceChildren(...data.groups.map(groupCard));
    return;
  }
  const all = figuresOf(data.groups[0]);
  const seeds = all.length > 1 ? `mean ± sd of ${all.length} runs` : "";
  const best = all.length === 1 && known(all[0].best_round) ?
      `best ${percent(all[0].best_test_accuracy)} in round ${count(all[0].best_round)}` :
      `best ${percentOverRuns(all.map((f) => f.best_test_accuracy))}`;
  cards.replaceChildren(
      card("test accuracy", percentOverRuns(all.map((f) => f.final_test_accuracy)), seeds || best),
      ...stageCard(),
      card("test loss", overRuns(all.map((f) => f.final_test_loss), decimal), seeds),
      card("rounds", overRuns(all.map((f) => f.rounds), count), targetText(all)),
      card(
          "traffic", overRuns(all.map(trafficOf), bytes),
          `${overRuns(all.map((f) => f.bytes_up), bytes)} up, ${
              overRuns(all.map((f) => f.bytes_down), bytes)} down`),
      card(
          "wall time", overRuns(all.map((f) => f.wall_seconds), duration),
          finite(all.map(speedOf)).length > 0 ? `${overRuns(all.map(speedOf), rate)} client trainings/s` :
                                                ""));
}

function header(names) {
  return element("thead", {}, element("tr", {}, ...names.map((name) => element("th", {}, name))));
}

const row = (cells, attributes) => element("tr", attributes, ...cells.map((cell) => element("td", {}, cell)));
const hash = (text) => (text ? element("code", {title: text}, text.slice(0, 12)) : none);
const endings = {
  rounds: "all rounds done",
  target: "target reached",
  signal: "stopped by a signal",
  unfinished: "unfinished",
};

function fillResults() {
  const body = element("tbody", {});
  data.groups.forEach((group) => {
    const all = figuresOf(group);
    if (group.runs.length > 1) {
      body.append(row(
          [
            group.label, percentOverRuns(all.map((f) => f.final_test_accuracy)),
            percentOverRuns(all.map((f) => f.best_test_accuracy)),
            overRuns(all.map((f) => f.rounds_to_target), count),
            overRuns(all.map((f) => f.final_test_loss), decimal), overRuns(all.map((f) => f.rounds), count),
            "", overRuns(all.map((f) => f.bytes_up), bytes), overRuns(all.map((f) => f.bytes_down), bytes),
            "", "", ""
          ],
          {class: "group"}));
    }
    const labelled = data.groups.length > 1 && group.runs.length === 1;
    for (const run of group.runs.map((index) => data.runs[index])) {
      const f = run.figures;
      body.append(row([
        labelled ? `${group.label} (${run.name})` : run.name, percent(f.final_test_accuracy),
        percent(f.best_test_accuracy), count(f.rounds_to_target), decimal(f.final_test_loss), count(f.rounds),
        String(run.seed), bytes(f.bytes_up), bytes(f.bytes_down), endings[run.state] || run.state,
        hash(f.model_hash), hash(f.events_hash)
      ]));
    }
  });
  byId("results-table")
      .replaceChildren(
          header([
            "run", "test accuracy", "best", "to target", "test loss", "rounds", "seed", "up", "down", "ended",
            "model hash", "events hash"
          ]),
          body);
}

function fillMachine() {
  const withFigures = data.runs.filter((run) => run.figures.cpu || run.figures.client_trainings > 0);
  if (!shows("machine", withFigures.length > 0)) return;
  const memory = (figures) => {
    const peaks = Object.entries(figures.peak_rss_bytes || {});
    if (peaks.length === 0) return none;
    const each = peaks.map(([name, value]) => `${name}: ${bytes(value)}`).join("\n");
    return element(
        "span", {title: each}, `${bytes(sum(peaks.map(([, value]) => value)))} (${peaks.length} processes)`);
  };
  byId("machine-table")
      .replaceChildren(
          header([
            "run", "wall time", "client trainings", "per second", "sent", "received", "peak memory",
            "version", "cpu"
          ]),
          element("tbody", {}, ...withFigures.map(({name, figures: f}) => row([
                                                    name, duration(f.wall_seconds), count(f.client_trainings),
                                                    rate(speedOf(f)), bytes(f.socket_bytes_sent),
                                                    bytes(f.socket_bytes_received), memory(f),
                                                    f.version || none, f.cpu || none
                                                  ]))));
}

function settingsTable(rows) {
  const names = data.groups.length > 1 ? data.groups.map((group) => group.label) : ["value"];
  return element(
      "div", {class: "scroll"},
      element(
          "table", {}, header(["setting", ...names]),
          element(
              "tbody", {},
              ...rows.map(
                  (setting) =>
                      row([element("code", {}, setting.key), ...setting.values],
                          setting.differs ? {class: "differs"} : {})))));
}

let settingsShown = null;

function fillSettings() {
  if (!shows("settings", data.settings.length > 0)) return;
  // Once, so that the list stays open or closed as its reader left it.
  if (settingsShown === JSON.stringify(data.settings)) return;
  settingsShown = JSON.stringify(data.settings);
  const differing = data.settings.filter((setting) => setting.differs);
  const equal = data.settings.filter((setting) => !setting.differs);
  const body = byId("settings-body");
  body.replaceChildren();
  if (differing.length > 0) body.append(settingsTable(differing));
  if (equal.length === 0) return;
  const title =
      differing.length > 0 ? `${equal.length} settings that do not differ` : `${equal.length} settings`;
  body.append(element(
      "details", differing.length > 0 ? {} : {open: ""}, element("summary", {}, title),
      settingsTable(equal)));
}
