// Numbers as people read them, and building of elements. Text of a run only ever becomes textContent.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

/// An element with attributes and children; strings become text nodes, null children are left out.
function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "onclick" || name === "onchange")
      node[name] = value;
    else if (value !== null && value !== undefined)
      node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/// Hides the section where it has nothing to show, and says whether it has: a run that goes on may come to it.
function shows(id, something) {
  byId(id).hidden = !something;
  return something;
}

/// Children anew, unless they would look as the old ones: what is as it was keeps the focus of the keyboard.
function renew(parent, ...children) {
  const fresh = element("div", {}, ...children);
  if (fresh.innerHTML !== parent.innerHTML) parent.replaceChildren(...fresh.childNodes);
}

const none = "–";
const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
const percent = (share, digits = 2) => (known(share) ? `${(100 * share).toFixed(digits)} %` : none);
const count = (value) => (known(value) ? Math.round(value).toLocaleString("en-US") : none);
const decimal = (value, digits = 4) => (known(value) ? value.toFixed(digits) : none);

// Three digits, decimal units: 12.4 MB.
function scaled(value, units) {
  let unit = 0;
  for (; value >= 999.5 && unit + 1 < units.length; ++unit) value /= 1000;
  return `${value.toFixed(unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2)} ${units[unit]}`;
}
const byteUnits = ["B", "kB", "MB", "GB", "TB", "PB"];
const bytes = (value) => (known(value) ? scaled(value, byteUnits) : none);

function duration(seconds) {
  if (!known(seconds)) return none;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (n) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h ${two(Math.floor(whole / 60) % 60)}m`;
  return `${Math.floor(whole / 86400)}d ${two(Math.floor(whole / 3600) % 24)}h`;
}

function rate(value) {
  if (!known(value)) return none;
  return value >= 9.95 ? count(value) : value.toFixed(value >= 0.995 ? 1 : 2);
}

const finite = (values) => values.filter(known);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
/// Sample standard deviation; of at least two values.
function deviation(values) {
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}
/// "97.31 %" for one run, "97.31 ± 0.12 %" for several.
function percentOverRuns(shares) {
  const values = finite(shares);
  if (values.length === 0) return none;
  if (values.length === 1) return percent(values[0]);
  return `${(100 * mean(values)).toFixed(2)} ± ${(100 * deviation(values)).toFixed(2)} %`;
}
const overRuns = (values, format) => (finite(values).length > 0 ? format(mean(finite(values))) : none);
