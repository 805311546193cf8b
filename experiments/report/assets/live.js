// While a run goes on: asks for newer data and draws it. A page that came from a file has nobody to ask.

const kEvery = 2000;  // milliseconds
const live = document.documentElement.dataset.live === "1";

/// What the page is made of; when that changes it is made anew.
const shapeOf = (d) => JSON.stringify([
  d.runs.map((run) => [Object.keys(run.splits || {}), Boolean(run.stages)]), d.groups.length,
  d.timeline !== null, Object.keys(d)
]);

function say(text, state) {
  byId("live").textContent = text;
  byId("live").dataset.state = state;
}

async function follow() {
  let fresh = null;
  try {
    const answer = await fetch("data.json", {cache: "no-store"});
    if (answer.ok) fresh = await answer.json();
  } catch (error) {
    fresh = null;
  }
  if (fresh === null) {
    say("the run is over, or its server is gone; this is the last that was heard", "off");
  } else if (shapeOf(fresh) !== shapeOf(data)) {
    location.reload();
    return;
  } else {
    Object.assign(data, fresh);
    drawEverything();
    say("live", "on");
  }
  setTimeout(follow, kEvery);
}

if (live) {
  byId("live").hidden = false;
  setTimeout(follow, kEvery);
}
