// The shown path of a conversation: questions and answers, with what can be done with each.

import { bounded, button, by, el, line, shown } from "./dom.js";
import { AnswerView } from "./answer_view.js";
import { jobOf } from "./answer_job.js";
import { filePreview } from "./data_files.js";
import { copy } from "./notice.js";

export class Thread {
  // actions: {retry(turn), edit(turn, text), ask(text), select(turn), saveAnswer(turn)}.
  constructor(actions) {
    this.actions = actions;
    this.place = by("thread");
    this.views = new Map();
  }

  show(conversation) {
    this.conversation = conversation;
    for (const view of this.views.values()) clearInterval(view.timer);
    this.views.clear();
    this.place.replaceChildren(...(conversation ? conversation.path.map((turn) => this.turn(turn)) : []));
  }

  add(turn) {
    this.place.append(this.turn(turn));
  }

  changed(turn) {
    this.views.get(turn.id)?.changed();
  }

  finished(turn) {
    const view = this.views.get(turn.id);
    if (!view) return;
    view.finish();
    this.place.querySelector(`[data-turn="${turn.id}"]`)?.classList.remove("live");
  }

  turn(turn) {
    const { conversation } = this;
    const view = new AnswerView(turn.answer, {
      retry: () => this.actions.retry(turn),
      save: () => this.actions.saveAnswer(conversation, turn),
      ask: (text) => this.actions.ask(text),
      conversation,
      turn,
    });
    this.views.set(turn.id, view);
    return el(
      "article",
      {
        class: jobOf(turn.id) ? "turn live" : "turn",
        "data-turn": turn.id,
        "aria-label": `Question: ${line(turn.question.text, 60)}`,
      },
      this.question(turn),
      view.node,
      this.tools(turn, view),
    );
  }

  question(turn) {
    const text = el("div", { class: "question-text", dir: "auto" });
    if (turn.question.text) bounded(turn.question.text, shown, text);
    const files = turn.question.files.map((file) => filePreview(file, null));
    const node = el(
      "div",
      { class: "question" },
      el("h2", { class: "hidden" }, "Question"),
      text,
      files.length ? el("div", { class: "question-files" }, files) : null,
    );
    const bar = el(
      "div",
      { class: "question-tools" },
      this.versions(turn),
      button("Edit", () => this.edit(turn, node, bar), {
        class: "quiet",
        "aria-label": `Edit the question: ${line(turn.question.text, 40)}`,
      }),
      button("Copy", () => copy(turn.question.text), { class: "quiet", "aria-label": "Copy the question" }),
    );
    return el("div", { class: "question-block" }, node, bar);
  }

  edit(turn, node, bar) {
    const area = el("textarea", { class: "question-edit", rows: 5, maxlength: "200000", "aria-label": "Question" });
    area.value = turn.question.text;
    const form = el(
      "form",
      {
        class: "edit-form",
        submit: (event) => {
          event.preventDefault();
          if (area.value.trim()) this.actions.edit(turn, area.value.trim());
        },
        keydown: (event) => {
          if (event.key === "Escape") close();
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
        },
      },
      area,
      el(
        "div",
        { class: "bar end" },
        button("Cancel", () => close()),
        el("button", { type: "submit", class: "main" }, "Ask again"),
      ),
    );
    const close = () => {
      form.replaceWith(node);
      bar.hidden = false;
      bar.querySelector("button:not(.version)")?.focus();
    };
    node.replaceWith(form);
    bar.hidden = true;
    area.focus();
  }

  // Other versions of a turn, from retries and edits.
  versions(turn) {
    const all = this.conversation.siblings(turn);
    if (all.length < 2) return null;
    const at = all.indexOf(turn);
    const step = (by, label, sign) => {
      const made = button(sign, () => this.actions.select(all[at + by]), {
        class: "quiet icon version",
        "aria-label": label,
      });
      made.disabled = !all[at + by];
      return made;
    };
    return el(
      "span",
      { class: "versions" },
      step(-1, "Earlier version", "‹"),
      el("span", { class: "faint" }, `${at + 1} of ${all.length}`),
      step(1, "Later version", "›"),
    );
  }

  tools(turn, view) {
    return el(
      "div",
      { class: "turn-tools" },
      button("Copy answer", () => copy(turn.answer.content), { class: "quiet" }),
      button("Retry", () => this.actions.retry(turn), { class: "quiet", "aria-label": "Ask the same question again" }),
      view.took,
    );
  }
}
