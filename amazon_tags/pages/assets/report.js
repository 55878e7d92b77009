/** Thresholds that a person moves: the mean F-beta of the out-of-fold scores by them, and the decision file of them. */

const NEVER = 1.01; // the end of a slider, above every score

/** Return the bytes of base64. */
function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Return what the page carries as arrays: of each label its scores, and whether each chip has the tag. */
function readScores(data) {
  const all = new DataView(bytes(data.scores).buffer);
  const bits = bytes(data.truth);
  return data.labels.map((_, label) => {
    const scores = new Float32Array(data.chips);
    const truth = new Uint8Array(data.chips);
    for (let chip = 0; chip < data.chips; chip++) {
      const place = label * data.chips + chip;
      scores[chip] = all.getFloat32(4 * place, true);
      truth[chip] = (bits[place >> 3] >> (place & 7)) & 1;
    }
    return { scores, truth, tagged: new Uint8Array(data.chips) };
  });
}

/** Keep the tags of all chips by the thresholds, and what F-beta needs: hits, predicted and true tags of each chip. */
function makeTagger(data) {
  const columns = readScores(data);
  const hits = new Uint32Array(data.chips);
  const predicted = new Uint32Array(data.chips);
  const actual = new Uint32Array(data.chips);
  for (const { truth } of columns) truth.forEach((holds, chip) => { actual[chip] += holds; });
  const thresholds = data.thresholds.map(() => Infinity);

  /** Move one threshold; return how many chips have the tag, and how many of these rightly. */
  function move(label, threshold) {
    thresholds[label] = Math.fround(threshold); // as the decision file is read
    const { scores, truth, tagged } = columns[label];
    const least = Math.min(thresholds[label], data.floors[label] ?? Infinity);
    const counts = { predicted: 0, hits: 0, actual: 0 };
    for (let chip = 0; chip < data.chips; chip++) {
      const is = scores[chip] >= least ? 1 : 0;
      const step = is - tagged[chip];
      predicted[chip] += step;
      hits[chip] += step * truth[chip];
      tagged[chip] = is;
      counts.predicted += is;
      counts.hits += is & truth[chip];
      counts.actual += truth[chip];
    }
    return counts;
  }

  /** Return F-beta of each chip; 1 where neither true nor predicted tags are. */
  function perChip() {
    const weight = data.beta ** 2;
    return Float64Array.from(hits, (hit, chip) => {
      const whole = weight * actual[chip] + predicted[chip];
      return whole === 0 ? 1 : ((1 + weight) * hit) / whole;
    });
  }

  return { move, perChip, thresholds };
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Return the 95 % interval of the mean of differences, by their standard error. */
function interval(differences) {
  const centre = mean(differences);
  const variance = mean(differences.map((value) => (value - centre) ** 2));
  const reach = 1.96 * Math.sqrt(variance / differences.length);
  return [centre - reach, centre + reach];
}

function signed(value) {
  return (value < 0 ? "−" : "+") + Math.abs(value).toFixed(4);
}

function share(part, whole) {
  return whole ? (part / whole).toFixed(3) : "–";
}

/** Show how the mean F-beta differs from that of the bundle's thresholds. */
function showResult(now, start) {
  const value = mean(now);
  const shown = document.getElementById("live-f");
  shown.value = String(value);
  shown.textContent = value.toFixed(4);
  const differences = now.map((f, chip) => f - start[chip]);
  const [low, high] = interval(differences);
  document.getElementById("live-change").textContent = differences.some((difference) => difference !== 0)
    ? `${signed(mean(differences))} (${signed(low)} to ${signed(high)}) against the bundle's thresholds`
    : "as by the bundle's thresholds";
}

/** Show a tag's threshold in its slider, its number, its picture and its line of figures. */
function showTag(label, threshold, counts) {
  const isNever = threshold > 1;
  const slider = document.getElementById(`slider-${label}`);
  const number = document.getElementById(`number-${label}`);
  slider.value = String(isNever ? NEVER : threshold);
  slider.setAttribute("aria-valuetext", isNever ? "never" : String(Number(threshold.toFixed(4))));
  if (document.activeElement !== number) number.value = String(isNever ? NEVER : Number(threshold.toFixed(4)));
  const mark = slider.closest(".tag").querySelector(".threshold-mark");
  const [left, right] = [Number(mark.dataset.left), Number(mark.dataset.right)];
  const x = String(left + Math.min(threshold, 1) * (right - left));
  mark.setAttribute("x1", x);
  mark.setAttribute("x2", x);
  document.getElementById(`result-${label}`).textContent =
    `precision ${share(counts.hits, counts.predicted)}, recall ${share(counts.hits, counts.actual)}, ` +
    `predicted on ${counts.predicted} of ${document.body.dataset.chips} chips${isNever ? " (never)" : ""}`;
}

/** Let a person save text as a file. */
function save(name, text) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

/** Return the bundle's decision with other thresholds, as `decide --decision` reads it. */
function decisionText(data, thresholds) {
  const cuts = Object.fromEntries(data.labels.map((name, label) => [name, thresholds[label]]));
  return JSON.stringify({ ...data.decision, decoder: "cuts", cuts }, null, 1) + "\n";
}

function start() {
  const data = pageData();
  const tagger = makeTagger(data);
  document.body.dataset.chips = String(data.chips);

  function move(label, threshold) {
    showTag(label, threshold, tagger.move(label, threshold));
  }
  data.thresholds.forEach((threshold, label) => move(label, threshold));
  const first = tagger.perChip();
  showResult(first, first);

  for (const place of document.querySelectorAll(".threshold")) {
    place.addEventListener("input", (event) => {
      const value = Number.parseFloat(event.target.value);
      if (!(value >= 0 && value <= NEVER)) return; // a number that is not written yet
      move(Number(place.dataset.label), value);
      showResult(tagger.perChip(), first);
    });
  }
  document.getElementById("reset").addEventListener("click", () => {
    data.thresholds.forEach((threshold, label) => move(label, threshold));
    showResult(tagger.perChip(), first);
  });
  document.getElementById("export").addEventListener("click", () => {
    save("decision.json", decisionText(data, tagger.thresholds));
  });
}

start();
