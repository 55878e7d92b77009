"use strict";

const page = pageData();
const answers = new Answers(page);
const view = new View(page, answers);
const help = byId("help");

/** Go to a chip, and mark its first tag without an answer. */
function goTo(chip) {
  if (chip < 0 || chip >= page.chips.length) return;
  answers.chip = chip;
  answers.save();
  view.markUnanswered();
  view.show();
  view.speak(`${view.chip.name}.`);
}

/** Answer the marked tag, and mark the next one; Enter goes to the next chip, so that none is answered unseen. */
function answer(holds) {
  const { chip } = answers;
  const { tag } = view;
  if (holds === null) answers.add(chip, [[tag, null]]);
  else answers.answer(chip, tag, holds);
  const next = view.nextOpen();
  if (next >= 0) view.marked = next;
  view.show();
  view.speak(`${page.labels[tag]}: ${holds === null ? "skipped" : holds ? "yes" : "no"}.`);
}

/** Confirm the tags of the chip that were neither answered nor skipped as they stand, and go to the next chip. */
function confirmRest() {
  const { chip } = answers;
  const open = view.tags().filter((tag) => answers.of(chip, tag) === undefined);
  answers.add(chip, open.map((tag) => [tag, page.chips[chip].tags.includes(tag)]));
  if (chip < page.chips.length - 1) goTo(chip + 1);
  else view.show();
}

function undo() {
  const step = answers.undo();
  if (step === undefined) return;
  answers.chip = step.chip;
  answers.save();
  view.marked = Math.max(0, view.tags().indexOf(step.tag));
  view.show();
  view.speak("Undone.");
}

function mark(place) {
  view.marked = Math.min(Math.max(0, place), view.tags().length - 1);
  view.show();
  view.speak();
}

/** Add the tag that the search names: a whole name, or the only one that contains the text. */
function addTag() {
  const search = byId("search");
  const text = search.value.trim().toLowerCase();
  const matching = page.labels.filter((label) => label.toLowerCase().includes(text));
  const exact = page.labels.filter((label) => label.toLowerCase() === text);
  const found = exact.length === 1 ? exact : matching;
  if (!text || found.length !== 1) {
    byId("search-message").textContent = found.length && text ? `${found.length} tags match: ${found.join(", ")}` : "no tag matches";
    return;
  }
  const tag = page.labels.indexOf(found[0]);
  view.added.set(answers.chip, [...(view.added.get(answers.chip) ?? []), tag]);
  answers.answer(answers.chip, tag, true);
  search.value = "";
  byId("search-message").textContent = `${found[0]} is added`;
  search.blur();
  view.markUnanswered();
  view.show();
}

/** Download corrections.csv. */
function exportCsv() {
  const url = URL.createObjectURL(new Blob([answers.toCsv()], { type: "text/csv" }));
  const link = element("a", { href: url, download: "corrections.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function toggleHelp() {
  if (help.open) help.close();
  else help.showModal();
}

const ACTIONS = {
  y: () => answer(true), n: () => answer(false), s: () => answer(null), u: undo, e: exportCsv, Enter: confirmRest,
  ArrowUp: () => mark(view.marked - 1), ArrowDown: () => mark(view.marked + 1),
  ArrowLeft: () => goTo(answers.chip - 1), ArrowRight: () => goTo(answers.chip + 1),
  "/": () => byId("search").focus(), r: () => byId("reviewer").focus(), "?": toggleHelp,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.matches("input")) {
    if (event.key === "Escape") event.target.blur();
    if (event.key === "Enter" && event.target.id === "search") addTag();
    else if (event.key === "Enter") event.target.blur();
    return;
  }
  if (help.open && event.key !== "?") return;
  if (event.key === "Enter" && event.target.matches("button")) return; // presses the button
  const action = ACTIONS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

const BUTTONS = {
  yes: () => answer(true), no: () => answer(false), skip: () => answer(null), undo, confirm: confirmRest,
  previous: () => goTo(answers.chip - 1), next: () => goTo(answers.chip + 1),
  export: exportCsv, "show-help": toggleHelp, "close-help": toggleHelp,
};
for (const [id, action] of Object.entries(BUTTONS)) byId(id).addEventListener("click", action);

byId("tags").addEventListener("click", (event) => {
  const row = event.target.closest("li");
  if (row) mark(Number(row.dataset.place));
});

byId("reviewer").addEventListener("input", (event) => {
  answers.reviewer = event.target.value;
  answers.save();
  view.showSaved();
});

window.addEventListener("storage", (event) => { // another tab with this page has answered
  if (event.key !== page.key) return;
  answers.load();
  view.markUnanswered();
  view.show();
});

window.addEventListener("beforeunload", (event) => { // what is not kept would be lost
  if (answers.trouble && answers.steps.length) event.preventDefault();
});

byId("reviewer").value = answers.reviewer;
view.markUnanswered();
view.show();
