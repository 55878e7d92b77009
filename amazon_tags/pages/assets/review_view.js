"use strict";

/** What is shown: the chip at hand, its tags with the marked one, and where the answers are kept. */
class View {
  constructor(page, answers) {
    this.page = page;
    this.answers = answers;
    this.added = new Map(); // chip -> tags that the reviewer searched for
    this.marked = 0; // position in the list of tags
    this.list = byId("tags");
    byId("all-tags").append(...page.labels.map((label) => element("option", { value: label })));
  }

  get chip() {
    return this.page.chips[this.answers.chip];
  }

  /** Return the tags that are listed: those that are asked about, then those that were added or answered. */
  tags() {
    const answered = this.answers.steps.filter((step) => step.chip === this.answers.chip).map((step) => step.tag);
    return [...new Set([...this.chip.asked, ...(this.added.get(this.answers.chip) ?? []), ...answered])];
  }

  get tag() {
    return this.tags()[this.marked];
  }

  /** Return the position of the next tag that was neither answered nor skipped, behind the marked one or from another position; or -1. */
  nextOpen(from = this.marked + 1) {
    return this.tags().findIndex((tag, place) => place >= from && this.answers.of(this.answers.chip, tag) === undefined);
  }

  /** Mark the first tag that was neither answered nor skipped, or the last tag. */
  markUnanswered() {
    const found = this.nextOpen(0);
    this.marked = found < 0 ? this.tags().length - 1 : found;
  }

  show() {
    const { chip, answers } = this;
    byId("name").textContent = chip.name;
    byId("picture").src = chip.picture;
    byId("picture").alt = `chip ${chip.name}`;
    const count = this.page.chips.length;
    byId("place").textContent = `chip ${answers.chip + 1} of ${count}, ${answers.reviewedChips()} with an answer`;
    byId("done").textContent = this.nextOpen(0) < 0 ? this.wordWhenDone(count) : "";
    byId("previous").disabled = answers.chip === 0;
    byId("next").disabled = answers.chip === count - 1;
    byId("undo").disabled = answers.steps.length === 0;
    this.list.replaceChildren(...this.tags().map((tag, place) => this.row(tag, place)));
    this.list.setAttribute("aria-activedescendant", `tag-${this.marked}`);
    this.list.children[this.marked]?.scrollIntoView({ block: "nearest" });
    this.showSaved();
  }

  wordWhenDone(count) {
    const isLast = this.answers.chip === count - 1;
    return isLast ? "All tags are answered or skipped, and this is the last chip: export." : "All tags are answered or skipped: Enter for the next chip.";
  }

  row(tag, place) {
    const holds = this.answers.of(this.answers.chip, tag);
    const answer = holds === undefined ? "" : holds === null ? "skipped" : holds ? "yes" : "no";
    return element("li", { role: "option", id: `tag-${place}`, "aria-selected": String(place === this.marked), "data-place": place },
      element("span", { class: "tag", dir: "auto" }, this.page.labels[tag]),
      element("span", { class: "present" }, this.present(tag)),
      element("span", { class: "score", title: "score" }, this.chip.scores[tag].toFixed(2)),
      element("span", { class: `answer ${answer}` }, answer || "–"));
  }

  /** Return whether a chip has a tag at present, in words. */
  present(tag) {
    const word = this.page.hasLabels ? "labelled" : "predicted";
    return this.chip.tags.includes(tag) ? word : `not ${word}`;
  }

  showSaved() {
    byId("trouble").textContent = this.answers.trouble;
    byId("saved").textContent = this.answers.savedAt ? `saved at ${this.answers.savedAt} in this browser` : "";
  }

  /** Tell a screen reader which tag is marked. */
  speak(before = "") {
    const tag = this.tag;
    byId("spoken").textContent =
      `${before} ${this.page.labels[tag]}, ${this.present(tag)}, score ${this.chip.scores[tag].toFixed(2)}`.trim();
  }
}

function byId(id) {
  return document.getElementById(id);
}
