"use strict";

/**
 * The answers of a review, step by step, as the browser keeps them.
 *
 * A step is {chip, tag, holds, time, reviewer, batch}: holds is true, false, or null for a tag that was skipped. Steps of
 * one batch were made, and are undone, at once. The last step of a tag counts.
 */
class Answers {
  constructor(page) {
    this.page = page;
    this.steps = [];
    this.reviewer = "";
    this.chip = 0;
    this.trouble = "";
    this.savedAt = "";
    this.load();
  }

  /** Read what the browser has kept; another tab may have written it. */
  load() {
    let kept = null;
    try {
      kept = localStorage.getItem(this.page.key);
    } catch {
      this.refuseStorage();
    }
    if (kept === null) return;
    try {
      const value = JSON.parse(kept);
      const isStep = (step) => this.page.chips[step.chip] && step.tag in this.page.labels;
      this.steps = value.steps.filter(isStep);
      this.reviewer = String(value.reviewer);
      this.chip = Math.min(Math.max(0, Math.trunc(value.chip)), this.page.chips.length - 1) || 0;
      this.savedAt = String(value.savedAt);
    } catch {
      this.trouble = "The answers that this browser kept for the page cannot be read, and are replaced by new ones.";
    }
  }

  /** Keep everything in the browser. */
  save() {
    const savedAt = new Date().toTimeString().slice(0, 8);
    const value = { steps: this.steps, reviewer: this.reviewer, chip: this.chip, savedAt };
    try {
      localStorage.setItem(this.page.key, JSON.stringify(value));
      this.savedAt = savedAt;
      this.trouble = "";
    } catch {
      this.refuseStorage();
    }
  }

  refuseStorage() {
    this.savedAt = "";
    this.trouble = "This browser keeps nothing for this page (local storage is off or full): export before you close it.";
  }

  /** Return what was answered to a tag of a chip: true, false, null if it was skipped, or undefined. */
  of(chip, tag) {
    return this.steps.findLast((step) => step.chip === chip && step.tag === tag)?.holds;
  }

  /** Add one batch: pairs of a tag and what was answered. */
  add(chip, pairs) {
    if (!pairs.length) return;
    const time = `${new Date().toISOString().slice(0, 19)}Z`;
    const batch = (this.steps.at(-1)?.batch ?? 0) + 1;
    const reviewer = this.reviewer.trim();
    for (const [tag, holds] of pairs) this.steps.push({ chip, tag, holds, time, reviewer, batch });
    this.save();
  }

  /** Answer a tag; a yes to one tag of a group is a no to the others that are on the chip. */
  answer(chip, tag, holds) {
    const pairs = [[tag, holds]];
    for (const group of holds ? this.page.groups.filter((one) => one.includes(tag)) : []) {
      for (const other of group) {
        const now = this.of(chip, other) ?? this.page.chips[chip].tags.includes(other);
        if (other !== tag && now) pairs.push([other, false]);
      }
    }
    this.add(chip, pairs);
  }

  /** Take the last batch back, and return its first step, or undefined if there is none. */
  undo() {
    const batch = this.steps.at(-1)?.batch;
    if (batch === undefined) return undefined;
    const undone = this.steps.filter((step) => step.batch === batch);
    this.steps = this.steps.filter((step) => step.batch !== batch);
    this.save();
    return undone[0];
  }

  /** Return how many chips have an answer. */
  reviewedChips() {
    const isAnswered = (step) => this.of(step.chip, step.tag) !== null;
    return new Set(this.steps.filter(isAnswered).map((step) => step.chip)).size;
  }

  /** Return corrections.csv: the last answer to each tag, chip by chip. */
  toCsv() {
    const last = new Map();
    for (const step of this.steps) last.set(`${step.chip} ${step.tag}`, step);
    const rows = [...last.values()].filter((step) => step.holds !== null).sort((a, b) => a.chip - b.chip);
    const cells = rows.map((step) => [
      this.page.chips[step.chip].name, this.page.labels[step.tag], step.holds ? "yes" : "no", step.reviewer, step.time,
    ]);
    return [this.page.columns, ...cells].map((row) => `${row.map(csvCell).join(",")}\n`).join("");
  }
}

/** Return a cell of a CSV file, quoted where it must be. */
function csvCell(text) {
  return /[",\r\n]/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text;
}
