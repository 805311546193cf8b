// While a run goes on: asks for newer data and draws it. A page that came from a file has nobody to ask.

const kEvery = 2000;  // milliseconds
const live = document.documentElement.dataset.live === "1";

function say(text, state) {
  byId("live").textContent = text;
  byId("live").dataset.state = state;
}

async function look() {
  let fresh = null;
  try {
    const answer = await fetch("data.json", {cache: "no-store"});
    if (answer.ok) fresh = await answer.json();
  } catch (error) {
    fresh = null;
  }
  if (fresh === null) {
    say("the run is over, or its server is gone; this is the last that was heard", "off");
  } else {
    Object.assign(data, fresh);
    drawEverything();
    say("live", "on");
  }
}

// What cannot be drawn at one time may be at the next.
const follow = () => look().finally(() => setTimeout(follow, kEvery));

if (live) {
  byId("live").hidden = false;
  say("live", "on");
  setTimeout(follow, kEvery);
}
