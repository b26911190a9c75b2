// Change the program and run it without the model.

import { button, el, shown } from "./dom.js";
import { block, python } from "./code.js";
import { outputOf } from "./work_view.js";

// Return nodes. editing: the code in the field, or null. edited: {code, run} of the last run program, or null.
export function programPanel({ original, edited, editing, busy, failure, onEdit, onType, onRun, onStop, onReset }) {
  if (editing === null) {
    const code = edited ? edited.code : original;
    return [
      el(
        "div",
        { class: "bar" },
        button("Edit program", onEdit),
        edited ? button("Back to the answer's program", onReset) : null,
      ),
      block(code, "Program", python),
      edited ? outputOf(edited.run) : null,
    ];
  }
  const area = el("textarea", {
    class: "program-edit",
    rows: Math.min(30, Math.max(10, editing.split("\n").length + 1)),
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    wrap: "off",
    "aria-label": "Program",
  });
  area.value = editing;
  area.addEventListener("input", () => onType(area.value));
  // Tab moves on, as everywhere; Ctrl+Enter runs.
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onRun(area.value);
    }
  });
  const start = button(busy ? "Running…" : "Run program", () => onRun(area.value), { class: "main" });
  start.disabled = busy;
  return [
    area,
    failure ? el("p", { class: "failure", role: "alert" }, shown(failure)) : null,
    el(
      "div",
      { class: "bar" },
      start,
      busy ? button("Stop", onStop) : button("Cancel", onReset),
      el(
        "span",
        { class: "faint" },
        "Runs in the sandbox with the files of the conversation, without the model. Ctrl+Enter runs it.",
      ),
    ),
  ];
}
