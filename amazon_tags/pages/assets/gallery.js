const WISHES = ["", "with", "without"]; // of a tag's button, in the order of clicks

document.addEventListener("DOMContentLoaded", () => {
  const chips = readChips();
  const field = (name) => document.getElementById(name);
  const wanted = new Map(); // a tag's column -> 1 for with it, -1 for without it
  let order = sortRows(chips, "name", 1);
  let shown = order;

  const openView = chipView(chips, (position) => grid.focus(position));
  const thumbnails = sheetDrawer(chips.thumbnails, chips.root);
  const grid = chipGrid(field("grid"), chips, thumbnails, (position) => openView(shown, position));

  function number(name, otherwise) {
    const text = field(name).value;
    return text === "" ? otherwise : Number(text);
  }

  function range(name) {
    const values = [number(`${name}-least`, -Infinity), number(`${name}-most`, Infinity)];
    return values.some(Number.isFinite) ? values : null;
  }

  function apply() {
    const column = Number(field("range-label").value);
    const filters = { wanted, name: field("name-part").value, column, score: range("score"), expected: range("expected") };
    shown = filterRows(chips, order, filters);
    const [count, all] = [shown.length, chips.names.length].map((value) => value.toLocaleString("en"));
    field("count").textContent = shown.length === chips.names.length ? `All ${all} chips` : `${count} of ${all} chips`;
    if (field("grid").getBoundingClientRect().top < 0) window.scrollTo(0, field("count").offsetTop - 8);
    grid.show(shown);
  }

  function sort() {
    order = sortRows(chips, field("sort-key").value, Number(field("sort-order").value));
    apply();
  }

  function setWish(button, column, wish) {
    button.className = WISHES[wish];
    button.firstChild.textContent = wish ? `${WISHES[wish]} ` : "";
    if (wish) wanted.set(column, wish === 1 ? 1 : -1);
    else wanted.delete(column);
  }

  const counts = countTags(chips);
  const buttons = chips.labels.map((label, column) => {
    const count = counts[column].toLocaleString("en");
    const button = element("button", { type: "button" }, document.createTextNode(""), element("bdi", {}, label), ` (${count})`);
    button.addEventListener("click", () => {
      setWish(button, column, (WISHES.indexOf(button.className) + 1) % WISHES.length);
      apply();
    });
    return button;
  });
  field("tag-buttons").append(...buttons);

  field("range-label").append(...chips.labels.map((label, column) => element("option", { value: column }, label)));
  field("sort-key").append(element("option", { value: "name" }, "name"));
  field("sort-key").append(element("option", { value: "expected" }, `expected F${chips.beta}`));
  field("sort-key").append(...chips.labels.map((label, column) => element("option", { value: column }, `score of ${label}`)));

  for (const name of ["sort-key", "sort-order"]) field(name).addEventListener("change", sort);
  for (const name of ["name-part", "score-least", "score-most", "expected-least", "expected-most"]) {
    field(name).addEventListener("input", apply);
  }
  field("range-label").addEventListener("change", apply);
  field("filters").addEventListener("submit", (event) => event.preventDefault());
  field("filters").addEventListener("reset", () => {
    buttons.forEach((button, column) => setWish(button, column, 0));
    setTimeout(sort); // when the fields have their first values again
  });
  field("filters").reset(); // a browser keeps fields over a reload
});
