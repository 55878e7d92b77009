/** The parts of a page beside its map: the values of a window, a list in pages, and controls of the view. */

const ROWS_A_PAGE = 25;

/** Return a list of names and values. */
function valueList(pairs) {
  return element("dl", { class: "values" }, ...pairs.flatMap(([name, value]) => [
    element("dt", {}, name), element("dd", {}, value),
  ]));
}

/** Return a table; cells of columns that `words` names are texts. */
function plainTable(caption, head, rows, words = []) {
  const kind = (place) => ({ class: words.includes(place) && "words" });
  return element("table", {},
    element("caption", { class: "hidden" }, caption),
    element("thead", {}, element("tr", {}, ...head.map((text, place) => element("th", { scope: "col", ...kind(place) }, text)))),
    element("tbody", {}, ...rows.map(({ cells, mark }) => element("tr", { class: mark },
      ...cells.map((text, place) => element("td", kind(place), text))))));
}

/**
 * Return a list of windows that is shown a page at a time.
 *
 * `show(source)` takes `order`, `head`, `words`, `window(entry)` and `cells(entry)`, the first of which becomes a button.
 */
function pagedList(onChoose) {
  const [table, previous, next, place] = ["list", "previous", "next", "place"].map((id) => document.getElementById(id));
  let source = { order: [] };
  let first = 0;
  let chosen = -1;

  function draw() {
    const rows = source.order.slice(first, first + ROWS_A_PAGE).map((entry) => {
      const window = source.window(entry);
      const [name, ...others] = source.cells(entry);
      const button = element("button", { type: "button", onclick: () => onChoose(window) }, name);
      return element("tr", { "data-window": window, class: window === chosen && "chosen" },
        element("td", {}, button),
        ...others.map((text, at) => element("td", { class: source.words.includes(at + 1) && "words" }, text)));
    });
    const head = source.head.map((text, at) => element("th", { scope: "col", class: source.words.includes(at) && "words" }, text));
    table.replaceChildren(element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
    const count = source.order.length;
    const numbers = [first + 1, first + rows.length, count].map((number) => number.toLocaleString("en"));
    place.textContent = count ? `${numbers[0]} to ${numbers[1]} of ${numbers[2]}` : "none";
    previous.disabled = !first;
    next.disabled = first + ROWS_A_PAGE >= count;
  }

  function turn(by) {
    first += by * ROWS_A_PAGE;
    draw();
  }

  previous.addEventListener("click", () => turn(-1));
  next.addEventListener("click", () => turn(1));
  return {
    show(next) { source = next; first = 0; draw(); },
    mark(window) {
      chosen = window;
      for (const row of table.querySelectorAll("tr[data-window]")) {
        row.classList.toggle("chosen", Number(row.dataset.window) === window);
      }
    },
  };
}

/** Let the buttons and the slider beside the map change its view. */
function connectControls(view) {
  const opacity = document.getElementById("opacity");
  opacity.value = 100 * view.opacity;
  opacity.addEventListener("input", () => { view.opacity = opacity.value / 100; view.redraw(); });
  document.getElementById("zoom-in").addEventListener("click", () => view.zoom(1.5));
  document.getElementById("zoom-out").addEventListener("click", () => view.zoom(1 / 1.5));
  document.getElementById("fit").addEventListener("click", view.fit);
}

/** Show what is known about a window, or that none is chosen. */
function showWindow(summary, ...parts) {
  document.getElementById("summary").textContent = summary;
  document.getElementById("details").replaceChildren(...parts);
}

/** Return a square of a colour. */
function swatch(colour, isDashed = false) {
  const square = element("span", { class: isDashed ? "swatch dashed" : "swatch" });
  square.style.background = colour;
  return square;
}

const NO_WINDOW = "None is chosen. Click one, or take one from the list.";
