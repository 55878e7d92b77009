/** The page of a map: windows by predicted tags, or by the scores of a tag. */

const RAMP = [[38, 24, 95], [29, 93, 138], [31, 154, 138], [140, 207, 77], [255, 240, 90]]; // of scores from 0 to 1

const data = pageData();
const windows = sceneWindows(data);
const scores = unpack(data.scores, Uint16Array);
const expected = unpack(data.expected, Uint16Array);
const bits = unpack(data.tags, Uint8Array);
const bytesOfTags = Math.ceil(data.labels.length / 8);
const hidden = new Set(); // labels that the legend switches off
const choice = document.getElementById("colour-by");
const list = pagedList((place) => chooseWindow(place, true));
const view = sceneView(document.getElementById("map"), windows, data.pictures, (place) => chooseWindow(place));

function hasTag(place, label) {
  return Boolean(bits[place * bytesOfTags + (label >> 3)] & (128 >> (label & 7)));
}

function scoreOf(place, label) {
  return scores[place * data.labels.length + label];
}

function tagsOf(place) {
  const names = data.labels.filter((_, label) => hasTag(place, label));
  return names.length ? names.join(", ") : "no tags";
}

/** Return red, green and blue of a score from 0 to 1, between the colours of the ramp. */
function rampColour(score) {
  const place = Math.min(score * (RAMP.length - 1), RAMP.length - 1 - 1e-9);
  const [low, high] = [RAMP[Math.floor(place)], RAMP[Math.floor(place) + 1]];
  return low.map((value, part) => Math.round(value + (high[part] - value) * (place % 1)));
}

function colourByTags() {
  const pixels = data.colours.map(pixelOf);
  const visible = data.legend.filter((label) => !hidden.has(label));
  view.recolour((place) => {
    const label = visible.find((one) => hasTag(place, one));
    return label === undefined ? 0 : pixels[label];
  });
}

function colourByScore(label) {
  const pixels = Array.from({ length: STEPS + 1 }, (_, score) => opaque(...rampColour(score / STEPS)));
  view.recolour((place) => pixels[scoreOf(place, label)]);
}

function legendOfTags() {
  const counts = data.legend.map((label) => {
    let count = 0;
    for (let place = 0; place < windows.count; place += 1) count += hasTag(place, label);
    return count;
  });
  const entries = data.legend.map((label, place) => element("li", {}, element("label", {},
    element("input", {
      type: "checkbox", checked: !hidden.has(label),
      onchange: (event) => { hidden[event.target.checked ? "delete" : "add"](label); colourByTags(); },
    }),
    swatch(data.colours[label]), `${data.labels[label]} (${counts[place].toLocaleString("en")})`)));
  return [
    element("p", { class: "quiet" }, "A window has the colour of its first tag in this list, which begins with the rarest. " +
      "A tag that is switched off uncovers the next one."),
    element("ul", { class: "legend" }, ...entries),
  ];
}

function legendOfScores(label) {
  const ramp = element("div", { class: "ramp" });
  ramp.style.background = `linear-gradient(to right, ${RAMP.map((colour) => `rgb(${colour})`).join(", ")})`;
  return [
    element("p", {}, `Score of ${data.labels[label]}`), ramp,
    element("div", { class: "ends" }, ...["0", "0.25", "0.5", "0.75", "1"].map((text) => element("span", {}, text))),
  ];
}

/** Colour, legend and list by the choice. */
function show() {
  const label = choice.value === "tags" ? -1 : Number(choice.value);
  const isByTags = label < 0;
  if (isByTags) colourByTags();
  else colourByScore(label);
  document.getElementById("legend").replaceChildren(...(isByTags ? legendOfTags() : legendOfScores(label)));
  document.getElementById("list-order").textContent = isByTags
    ? "Row by row, from the upper left." : `The highest scores of ${data.labels[label]} first.`;
  list.show({
    order: byFalling(windows.count, (place) => (isByTags ? 0 : scoreOf(place, label))),
    head: ["Window", "Tags", isByTags ? "Expected F" : "Score"],
    words: [1],
    window: (place) => place,
    cells: (place) => [windows.name(place), tagsOf(place), shown(isByTags ? expected[place] : scoreOf(place, label))],
  });
}

function chooseWindow(place, move = false) {
  view.choose(place, move);
  list.mark(place);
  if (place < 0) { showWindow(NO_WINDOW); return; }
  const rows = byFalling(data.labels.length, (label) => scoreOf(place, label)).map((label) => ({
    cells: [data.labels[label], shown(scoreOf(place, label)), hasTag(place, label) ? "tag" : ""],
    mark: hasTag(place, label) && "has-tag",
  }));
  showWindow(
    `${windows.name(place)}: ${tagsOf(place)}`,
    valueList([
      ...windows.coordinates(place), ["Expected F", shown(expected[place])], ["Pixels with data", shown(windows.valid[place])],
    ]),
    plainTable("Scores of the window", ["Label", "Score", ""], rows),
  );
}

const scored = element("optgroup", { label: "Score of a tag" });
data.labels.forEach((name, label) => scored.append(element("option", { value: label }, name)));
choice.append(scored);
choice.addEventListener("change", show);
connectControls(view);
show();
