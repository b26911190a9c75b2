// An answer on the page: the work, the text, the result. Draws only what is new since the last call of `update`.

import { button, el, onFrame, shown } from "./dom.js";
import { post } from "./api.js";
import { duration, plural } from "./format.js";
import { GrowingText } from "./growing_text.js";
import { drawTree } from "./markdown.js";
import { follow } from "./follow_scroll.js";
import { ResultCard } from "./result_card.js";
import { viewOf } from "./work_view.js";

const PARSED = 190_000; // characters of the longest text that the server parses

export class AnswerView {
  // actions: {retry(), save(), ask(text), conversation, turn}.
  constructor(answer, actions) {
    this.answer = answer;
    this.actions = actions;
    this.views = [];
    this.programs = 0;
    this.drawn = 0;
    this.status = el(
      "p",
      { class: "status", hidden: true },
      el("span", { class: "spinner", "aria-hidden": "true" }),
      el("span", {}),
    );
    this.work = el("div", { class: "work-list" });
    this.text = el("div", { class: "answer-text", dir: "auto" });
    this.growing = new GrowingText(this.text);
    this.end = el("div", {});
    this.took = el("span", { class: "took faint" });
    this.node = el(
      "div",
      { class: "answer" },
      el("h2", { class: "hidden" }, "Answer"),
      this.work,
      this.status,
      this.text,
      this.end,
    );
    this.changed = onFrame(() => {
      this.update();
      follow();
    });
    if (this.live) this.timer = setInterval(this.changed, 500);
    this.update();
    if (!this.live) this.finish();
  }

  get live() {
    return this.answer.state === "streaming";
  }

  update() {
    const { answer, live } = this;
    for (const part of answer.parts.slice(this.views.length)) {
      this.views.at(-1)?.update(false);
      if (part.kind === "program") this.programs += 1;
      const view = viewOf(part, this.programs);
      this.views.push(view);
      this.work.append(view.node);
    }
    const answering = Boolean(answer.content);
    this.views.at(-1)?.update(live && !answering);
    if (live && this.drawn < answer.content.length) {
      this.growing.append(answer.content.slice(this.drawn));
      this.drawn = answer.content.length;
    }
    const idle = live && !answering;
    this.status.hidden = !idle;
    if (idle) this.status.lastChild.textContent = this.phase();
  }

  phase() {
    const last = this.answer.parts.at(-1);
    const seconds = Math.floor((Date.now() - this.answer.started) / 1000);
    const doing = !last
      ? "Waiting for the model"
      : last.kind === "program" && last.closed && !last.execution
        ? "The solver is running"
        : last.execution
          ? "Reading the result"
          : "Working";
    return seconds >= 1 ? `${doing} · ${duration(seconds)}` : doing;
  }

  // The answer will not change any more.
  finish() {
    clearInterval(this.timer);
    const { answer } = this;
    this.update();
    for (const view of this.views) view.update(false);
    if (answer.state === "done") this.views.forEach((view) => view.finish());
    this.status.hidden = true;
    if (answer.content) this.drawText();
    this.end.replaceChildren(...this.ending());
  }

  drawText() {
    const { answer } = this;
    const content = answer.words ? answer.content.slice(0, answer.words) : answer.content;
    if (this.drawn !== content.length) {
      this.text.replaceChildren();
      new GrowingText(this.text).append(content);
      this.drawn = content.length;
    }
    if (Array.isArray(answer.tree)) this.text.replaceChildren(drawTree(answer.tree));
    if (answer.tree || content.length > PARSED) return;
    post("v1/markdown", { text: content }).then(
      ({ tree }) => {
        // Kept, so that a long conversation is not a request for each of its answers. Plain text has no tree.
        answer.tree = tree || "plain";
        this.actions.save();
        if (Array.isArray(tree)) this.text.replaceChildren(drawTree(tree));
        follow();
      },
      () => {}, // The text is shown already.
    );
  }

  ending() {
    const { answer } = this;
    const made = [];
    if (answer.state === "stopped") made.push(el("p", { class: "ended" }, "Stopped before the answer was complete."));
    if (answer.state === "failed") made.push(this.failure());
    const hasRun = answer.parts.some((part) => part.kind === "program" && part.execution);
    if (answer.facts && (answer.report || hasRun)) {
      this.card = new ResultCard(answer, this.actions);
      made.push(this.card.node);
    }
    if (answer.state === "done")
      this.took.textContent = `${duration(answer.seconds)}${this.programs ? ` · ${plural(this.programs, "program")}` : ""}`;
    return made;
  }

  failure() {
    const { message, retryAfter, at } = this.answer.failure || { message: "The answer failed." };
    const text = el("span", {}, shown(message));
    const retry = button("Try again", () => this.actions.retry(), { class: "main" });
    const box = el("div", { class: "failure", role: "alert" }, el("p", {}, text), retry);
    const ready = (at || 0) + 1000 * (retryAfter || 0);
    if (retryAfter && ready > Date.now()) {
      const tick = () => {
        const left = Math.ceil((ready - Date.now()) / 1000);
        retry.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
        if (left > 0 && retry.isConnected !== false) setTimeout(tick, 1000);
      };
      tick();
    }
    return box;
  }
}
