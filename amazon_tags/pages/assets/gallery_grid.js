const TILE_WIDTH = 265; // pixels, at least
const TILE_HEIGHT = 128; // pixels, with the gap below
const SPARE_ROWS = 2; // rows of tiles above and below the window
const TAG_LINES = 4; // of a tile

/**
 * Show rows of chips as tiles in a list, of which only those near the window are in the page.
 *
 * `open(position)` is called when a tile is chosen. One tile is in the order of the Tab key; arrows move from it.
 */
function chipGrid(list, chips, pictures, open) {
  const tiles = new Map(); // a position -> its list item
  let rows = [];
  let columns = 1;
  let current = 0; // the position that Tab reaches

  function show(newRows) {
    rows = newRows;
    current = 0;
    for (const position of [...tiles.keys()]) remove(position);
    layOut();
  }

  function layOut() {
    const old = columns;
    columns = Math.max(1, Math.floor(list.clientWidth / TILE_WIDTH));
    list.style.height = `${Math.ceil(rows.length / columns) * TILE_HEIGHT}px`;
    if (old !== columns) for (const [position, item] of tiles) place(item, position);
    update();
  }

  function place(item, position) {
    item.style.width = `${100 / columns}%`;
    item.style.height = `${TILE_HEIGHT}px`;
    item.style.transform = `translate(${(position % columns) * 100}%, ${Math.floor(position / columns) * TILE_HEIGHT}px)`;
  }

  function update() {
    const top = -list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / TILE_HEIGHT) - SPARE_ROWS) * columns;
    const last = Math.min(rows.length, (Math.ceil((top + window.innerHeight) / TILE_HEIGHT) + SPARE_ROWS) * columns);
    for (const [position, item] of [...tiles]) {
      const isFocused = item.contains(document.activeElement); // it stays, or the focus would be lost
      if ((position < first || position >= last) && !isFocused) remove(position);
    }
    let before = null;
    for (let position = first; position < last; position++) {
      if (!tiles.has(position)) add(position, before);
      before = tiles.get(position);
    }
    if (!tiles.has(current) && first < last) setCurrent(first);
  }

  function add(position, before) {
    const item = element("li", { "aria-setsize": rows.length, "aria-posinset": position + 1 }, tile(position));
    place(item, position);
    tiles.set(position, item);
    if (before) before.after(item); // the order of the page is that of the chips
    else list.prepend(item);
  }

  function remove(position) {
    const canvas = tiles.get(position).querySelector("canvas");
    if (canvas) {
      pictures.forget(canvas);
      canvas.width = 0; // or its pixels stay until the garbage is collected
    }
    tiles.get(position).remove();
    tiles.delete(position);
  }

  function tile(position) {
    const row = rows[position];
    const name = element("span", { class: "name" }, element("bdi", {}, chips.names[row]));
    const attributes = { type: "button", class: "tile", tabindex: position === current ? 0 : -1 };
    const button = element("button", { ...attributes, onclick: () => open(position), onfocus: () => setCurrent(position) });
    if (chips.errors.has(row)) {
      const reason = element("span", { class: "reason" }, element("bdi", {}, chips.errors.get(row)));
      button.append(element("span", { class: "broken" }, "no picture"), element("span", { class: "text" }, name, reason));
      return button;
    }
    const canvas = element("canvas", { "aria-hidden": "true", width: 96, height: 96 });
    const expected = element("span", { class: "quiet" }, `expected F${chips.beta} ${chips.expected[row].toFixed(2)}`);
    button.append(canvas, element("span", { class: "text" }, name, expected, ...tagLines(row)));
    pictures.draw(canvas, row);
    return button;
  }

  function tagLines(row) {
    const columnsOfTags = tagsOf(chips, row);
    const isLong = columnsOfTags.length > TAG_LINES;
    const shown = isLong ? columnsOfTags.slice(0, TAG_LINES - 1) : columnsOfTags;
    const lines = shown.map((column) => `${chips.labels[column]} ${scoreOf(chips, row, column).toFixed(2)}`);
    if (isLong) lines.push(`and ${columnsOfTags.length - shown.length} more`);
    if (!lines.length) lines.push("no tags");
    return lines.map((line) => element("span", {}, line));
  }

  function setCurrent(position) {
    const old = tiles.get(current);
    if (old) old.firstChild.tabIndex = -1;
    current = position;
    if (tiles.has(position)) tiles.get(position).firstChild.tabIndex = 0;
  }

  /** Scroll to a tile and focus it. */
  function focus(position) {
    const top = list.getBoundingClientRect().top + Math.floor(position / columns) * TILE_HEIGHT;
    if (top < 0) window.scrollBy(0, top - TILE_HEIGHT / 2);
    else if (top + TILE_HEIGHT > window.innerHeight) window.scrollBy(0, top + 1.5 * TILE_HEIGHT - window.innerHeight);
    update();
    tiles.get(position)?.firstChild.focus({ preventScroll: true });
  }

  list.addEventListener("keydown", (event) => {
    const page = columns * Math.max(1, Math.floor(window.innerHeight / TILE_HEIGHT) - 1);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page };
    const ends = { Home: 0, End: rows.length - 1 };
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in steps || event.key in ends)) return;
    event.preventDefault();
    const target = event.key in ends ? ends[event.key] : current + steps[event.key];
    if (target >= 0 && target < rows.length) focus(target);
    else if (event.key.startsWith("Page")) focus(target < 0 ? 0 : rows.length - 1);
  });
  window.addEventListener("scroll", update, { passive: true });
  window.addEventListener("resize", layOut);
  return { show, focus };
}
