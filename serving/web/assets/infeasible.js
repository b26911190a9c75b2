// Why there is no plan, in words, and the least change that helps.

import { button, el, shown } from "./dom.js";
import { readable } from "./names.js";

// apply: called with changes of the model; null if the model cannot be changed.
export function infeasible(report, apply) {
  const { conflict, relaxation } = report;
  const made = [];
  if (conflict) {
    const count = conflict.members.length;
    made.push(
      el("h4", {}, count === 1 ? "This limit cannot hold" : `These ${count} limits cannot hold together`),
      el(
        "ul",
        { class: "conflict" },
        conflict.members.slice(0, 100).map((one) => el("li", { dir: "auto" }, shown(readable(one.text)))),
      ),
      conflict.irreducible && count > 1
        ? el("p", { class: "faint" }, "Without any one of them, the others can be met.")
        : null,
    );
  }
  if (relaxation && (relaxation.changes.length || relaxation.dropped.length)) {
    made.push(el("h4", {}, "The least change that helps"));
    made.push(
      el(
        "ul",
        { class: "relaxation" },
        relaxation.changes.map((one) => el("li", { dir: "auto" }, shown(readable(one.text)))),
        relaxation.dropped.map((one) => el("li", { dir: "auto" }, "Without: ", shown(readable(one)))),
      ),
    );
    const changes = relaxation.changes.filter((one) => one.after !== null);
    if (apply && changes.length) {
      made.push(
        button(
          "Apply this change and solve",
          () => apply(changes.map((one) => ({ kind: one.kind, name: one.name, value: one.after, before: one.before }))),
          { class: "main" },
        ),
      );
    }
  }
  if (!made.length)
    made.push(el("p", { class: "faint" }, "The limits that conflict could not be found for this model."));
  return made;
}
