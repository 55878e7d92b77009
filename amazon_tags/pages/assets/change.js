/** The page of a change: two dates with a seam, alerts by odds, and the probabilities of each window. */

const KINDS = ["appeared", "vanished"];
const COLOURS = ["#d95f02", "#2f5fd0"]; // of tags that appeared, and that vanished
const RAMP_ENDS = [[255, 255, 255], [217, 95, 2]]; // of probabilities from 0 to 1
const RAMP_ENDS_VANISHED = [[255, 255, 255], [47, 95, 208]];

const data = pageData();
const windows = sceneWindows(data);
const probabilities = [unpack(data.appeared, Uint16Array), unpack(data.vanished, Uint16Array)];
const clouds = unpack(data.clouds, Uint16Array);
const alertRows = unpack(data.alertRows, Uint32Array);
const alertLabels = unpack(data.alertLabels, Uint16Array);
const alertKinds = unpack(data.alertKinds, Uint8Array);
const alertProbabilities = unpack(data.alertProbabilities, Float64Array);
const choice = document.getElementById("show");
const list = pagedList((place) => chooseWindow(place, true));
const view = sceneView(document.getElementById("map"), windows, data.pictures, (place) => chooseWindow(place));
let marks = new Map(); // the most probable alert of a window, of those that are shown

function odds(probability) {
  return Number((probability / (1 - probability)).toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
}

function probabilityOf(kind, place, label) {
  return probabilities[kind][place * data.labels.length + label];
}

function alertText(alert) {
  return `${data.labels[alertLabels[alert]]} ${KINDS[alertKinds[alert]]}`;
}

/** Mark the windows of alerts, those of one label or all, and list the alerts. */
function showAlerts(label) {
  const alerts = [...alertRows.keys()].filter((alert) => label < 0 || alertLabels[alert] === label);
  marks = new Map();
  for (const alert of alerts) if (!marks.has(alertRows[alert])) marks.set(alertRows[alert], alertKinds[alert]);
  const pixels = COLOURS.map(pixelOf);
  view.outline = (place) => (marks.has(place)
    ? { colour: COLOURS[marks.get(place)], isDashed: marks.get(place) === 1 } : null);
  view.recolour((place) => (marks.has(place) ? pixels[marks.get(place)] : 0));

  document.getElementById("legend").replaceChildren(
    element("p", { class: "quiet" }, "A window has the colour of its most probable alert."),
    element("ul", { class: "legend" }, ...KINDS.map((kind, place) => element("li", {}, element("label", {},
      swatch(COLOURS[place], place === 1), `a tag ${kind}${place ? " (dashed)" : ""}`)))),
  );
  document.getElementById("list-order").textContent = "The highest odds first.";
  list.show({
    order: alerts,
    head: ["Alert", "Window", "Odds", "Probability"],
    words: [1],
    window: (alert) => alertRows[alert],
    cells: (alert) => [
      alertText(alert), windows.name(alertRows[alert]), odds(alertProbabilities[alert]), alertProbabilities[alert].toFixed(4),
    ],
  });
}

/** Colour all windows by the probability that a label appeared (0) or vanished (1), and list them by it. */
function showProbabilities(kind, label) {
  const [low, high] = kind ? RAMP_ENDS_VANISHED : RAMP_ENDS;
  view.outline = () => null;
  view.recolour((place) => {
    const share = probabilityOf(kind, place, label) / STEPS;
    return opaque(...low.map((value, part) => Math.round(value + (high[part] - value) * share)));
  });
  const what = `${data.labels[label]} ${KINDS[kind]}`;
  const ramp = element("div", { class: "ramp" });
  ramp.style.background = `linear-gradient(to right, rgb(${low}), rgb(${high}))`;
  document.getElementById("legend").replaceChildren(
    element("p", {}, `Probability: ${what}`), ramp,
    element("div", { class: "ends" }, ...["0", "0.5", "1"].map((text) => element("span", {}, text))),
  );
  document.getElementById("list-order").textContent = `Windows by the probability: ${what}.`;
  list.show({
    order: byFalling(windows.count, (place) => probabilityOf(kind, place, label)),
    head: ["Window", "Probability"],
    words: [],
    window: (place) => place,
    cells: (place) => [windows.name(place), shown(probabilityOf(kind, place, label))],
  });
}

function show() {
  const [what, label] = choice.value.split(":");
  if (what === "alerts") showAlerts(Number(label));
  else showProbabilities(KINDS.indexOf(what), Number(label));
}

function chooseWindow(place, move = false) {
  view.choose(place, move);
  list.mark(place);
  if (place < 0) { showWindow(NO_WINDOW); return; }
  const own = [...alertRows.keys()].filter((alert) => alertRows[alert] === place).map(alertText);
  const largest = (label) => Math.max(probabilityOf(0, place, label), probabilityOf(1, place, label));
  const rows = byFalling(data.labels.length, largest).map((label) => ({
    cells: [data.labels[label], ...[0, 1].map((kind) => shown(probabilityOf(kind, place, label)))],
  }));
  showWindow(
    `${windows.name(place)}: ${own.length ? own.join(", ") : "no alert"}`,
    valueList([
      ...windows.coordinates(place),
      ["Pixels with data", `${shown(windows.valid[place])}, at both dates`],
      ["Clouds", `${shown(clouds[2 * place])} before, ${shown(clouds[2 * place + 1])} after`],
    ]),
    plainTable("Probabilities of change of the window", ["Label", "Appeared", "Vanished"], rows),
  );
}

function fillChoice() {
  const found = [...new Set(alertLabels)].sort((one, other) => one - other);
  choice.append(element("option", { value: "alerts:-1" }, "all alerts"));
  const groups = [
    element("optgroup", { label: "Alerts of a tag" }, ...found.map((label) => element("option", { value: `alerts:${label}` },
      data.labels[label]))),
    ...KINDS.map((kind) => element("optgroup", { label: `Probability that a tag ${kind}` }, ...data.labels.map((name, label) =>
      element("option", { value: `${kind}:${label}` }, `${name} ${kind}`)))),
  ];
  choice.append(...groups.filter((group) => group.childElementCount));
}

const seam = document.getElementById("seam");
seam.addEventListener("input", () => { view.seam = seam.value / 100; view.redraw(); });
Object.assign(view, { seam: 0.5, opacity: 0.3 });
fillChoice();
choice.addEventListener("change", show);
connectControls(view);
show();
