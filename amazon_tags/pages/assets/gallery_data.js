/** Return the bytes of a text in base64. */
function bytesOf(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let place = 0; place < characters.length; place++) bytes[place] = characters.charCodeAt(place);
  return bytes;
}

/** Return the chips of the page: names, scores (chips x labels, NaN if there are none), tags and expected F. */
function readChips() {
  const chips = pageData();
  document.getElementById("page-data").remove(); // it would take twice the memory of what is made of it
  chips.scores = new Float32Array(bytesOf(chips.scores).buffer);
  chips.tags = bytesOf(chips.tags);
  chips.expected = new Float32Array(bytesOf(chips.expected).buffer);
  chips.errors = new Map(Object.entries(chips.errors).map(([row, error]) => [Number(row), error]));
  return chips;
}

/** Return the score of a chip for a label. */
function scoreOf(chips, row, column) {
  return chips.scores[row * chips.labels.length + column];
}

/** Return the columns of a chip's tags, the highest score first. */
function tagsOf(chips, row) {
  const columns = chips.labels.map((_, column) => column).filter((column) => chips.tags[row * chips.labels.length + column]);
  return columns.sort((one, other) => scoreOf(chips, row, other) - scoreOf(chips, row, one));
}

/** Return how many chips have each tag. */
function countTags(chips) {
  const counts = chips.labels.map(() => 0);
  for (let place = 0; place < chips.tags.length; place++) counts[place % counts.length] += chips.tags[place];
  return counts;
}

/**
 * Return all rows in an order: by name, `expected`, or the score of a column; those without a value come last.
 *
 * Chips that are equal stay in the order of their names.
 */
function sortRows(chips, key, direction) {
  const rows = Array.from(chips.names.keys());
  if (key === "name") return direction < 0 ? rows.reverse() : rows;
  const values = key === "expected" ? chips.expected : rows.map((row) => scoreOf(chips, row, Number(key)));
  const place = (row) => (Number.isNaN(values[row]) ? Infinity : direction * values[row]);
  const places = Float64Array.from(rows, place);
  return rows.sort((one, other) => (places[one] === places[other] ? one - other : places[one] - places[other]));
}

/**
 * Return the rows that pass all filters, in their order.
 *
 * `wanted` has a column's 1 (with the tag) or -1 (without it); `score` and `expected` are ranges [least, most] of
 * numbers or null. Scores are 32-bit, so a bound is rounded to 32 bits too: 0.2 is in the range from 0.2 to 0.2.
 */
function filterRows(chips, rows, filters) {
  const width = chips.labels.length;
  const tags = [...filters.wanted];
  const part = filters.name.toLowerCase();
  const needsScores = tags.length || filters.score || filters.expected;
  return rows.filter((row) => {
    if (needsScores && chips.errors.has(row)) return false;
    if (part && !chips.names[row].toLowerCase().includes(part)) return false;
    for (const [column, sign] of tags) if (chips.tags[row * width + column] !== (sign > 0 ? 1 : 0)) return false;
    if (filters.score && !isWithin(scoreOf(chips, row, filters.column), filters.score)) return false;
    return !filters.expected || isWithin(chips.expected[row], filters.expected);
  });
}

function isWithin(value, [least, most]) {
  return value >= Math.fround(least) && value <= Math.fround(most);
}
