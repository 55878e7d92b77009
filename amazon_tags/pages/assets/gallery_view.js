/**
 * Return `open(rows, position)`, which shows a chip in the dialog, with all scores, its tags and overlays.
 *
 * Arrow keys go on within `rows`; `closed(position)` is called with the chip that was shown last.
 */
function chipView(chips, closed) {
  const dialog = document.getElementById("view");
  const part = (name) => document.getElementById(`view-${name}`);
  const sheets = chips.full || chips.thumbnails;
  const pictures = sheetDrawer(sheets, chips.root, 2);
  let rows = [];
  let position = 0;

  function open(newRows, newPosition) {
    rows = newRows;
    dialog.showModal();
    show(newPosition);
    part("name").focus();
  }

  function show(newPosition) {
    if (newPosition < 0 || newPosition >= rows.length) return;
    position = newPosition;
    const row = rows[position];
    const error = chips.errors.get(row);
    part("name").replaceChildren(element("bdi", {}, chips.names[row]));
    part("place").textContent = `${(position + 1).toLocaleString("en")} of ${rows.length.toLocaleString("en")}`;
    part("previous").disabled = position === 0;
    part("next").disabled = position === rows.length - 1;

    part("error").hidden = !error;
    part("error").replaceChildren(element("bdi", {}, error || ""));
    part("canvas").setAttribute("aria-label", `Picture of chip ${chips.names[row]}`);
    part("canvas").getContext("2d").clearRect(0, 0, sheets.side, sheets.side);
    if (!error) pictures.draw(part("canvas"), row);
    showOverlays(row, error);
    showScores(row, error);
  }

  function showOverlays(row, error) {
    const choices = error ? [] : chips.overlays[row] || [];
    const buttons = [];
    const choose = (number, column, file) => {
      buttons.forEach((button, other) => button.setAttribute("aria-pressed", other === number));
      part("canvas").hidden = Boolean(error) || file !== null;
      part("overlay").hidden = file === null;
      if (file === null) return;
      part("overlay").src = chips.root + file;
      part("overlay").alt = `Where ${chips.labels[column]} comes from in chip ${chips.names[row]}`;
    };
    for (const [number, [column, file]] of [[-1, null], ...choices].entries()) {
      const label = file === null ? "Chip" : chips.labels[column];
      buttons.push(element("button", { type: "button", "aria-pressed": "false", onclick: () => choose(number, column, file) }, label));
    }
    part("overlays").replaceChildren(...(choices.length ? buttons : []));
    choose(0, -1, null);
  }

  function showScores(row, error) {
    const tags = error ? [] : tagsOf(chips, row);
    const names = tags.map((column) => chips.labels[column]).join(", ") || "none";
    const expected = `expected F${chips.beta} ${chips.expected[row].toFixed(3)}`;
    part("tags").textContent = error ? "It has no scores and no tags." : `Tags: ${names} (${expected})`;
    part("table").hidden = Boolean(error);
    const columns = chips.labels.map((_, column) => column);
    if (!error) columns.sort((one, other) => scoreOf(chips, row, other) - scoreOf(chips, row, one));
    part("table").tBodies[0].replaceChildren(...(error ? [] : columns.map((column) => scoreLine(row, column, tags.includes(column)))));
  }

  function scoreLine(row, column, isTag) {
    const score = scoreOf(chips, row, column);
    const filled = element("span");
    filled.style.width = `${100 * score}%`;
    const name = element("th", { scope: "row" }, chips.labels[column], isTag ? element("span", { class: "hidden" }, ", a tag") : "");
    const bar = element("span", { class: "bar", "aria-hidden": "true" }, filled);
    return element("tr", { class: isTag ? "tagged" : null }, name, element("td", {}, score.toFixed(3)), element("td", {}, bar));
  }

  part("previous").addEventListener("click", () => show(position - 1));
  part("next").addEventListener("click", () => show(position + 1));
  part("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => closed(position));
  dialog.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in steps)) return;
    event.preventDefault();
    show(position + steps[event.key]);
  });
  return open;
}
