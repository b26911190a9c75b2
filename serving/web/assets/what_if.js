// What-if: the changes that are tried, and what the solver found for them.

import { button, el, line, shown } from "./dom.js";
import { describeChange, question, same } from "./changes.js";
import { number, plural, sentence, signed, words } from "./format.js";
import { icon } from "./icons.js";
import { readable } from "./names.js";
import { readReport } from "./plan_report.js";
import { simpleTable } from "./tables.js";

const MOST_DIFFERENCES = 30;

export function askBar(ask) {
  return el(
    "div",
    { class: "what-if idle" },
    button("Ask what if…", () => ask("What if "), { class: "quiet" }),
  );
}

// The changes and what to do with them. whatIf: {changes, result}.
export function changeBar({ changes, result }, { busy, failure, onUndo, onSolve, onStop, onAsk, onReset }) {
  const solve = button(busy ? "Solving…" : "Solve again", onSolve, { class: "main" });
  solve.disabled = busy || !changes.length || Boolean(result && isFor(result, changes));
  const items = changes.map((one) => {
    const label = `Undo the change of ${line(readable(one.name))}`;
    const undo = button(icon("close"), () => onUndo(one), { class: "quiet icon", "aria-label": label });
    return el("li", {}, shown(sentence(describeChange(one))), undo);
  });
  return el(
    "div",
    { class: "what-if" },
    el("ul", { class: "changes", "aria-label": "Changes" }, items),
    failure ? el("p", { class: "failure", role: "alert" }, shown(failure)) : null,
    el(
      "div",
      { class: "bar" },
      solve,
      busy ? button("Stop", onStop) : null,
      button("Ask in words", () => onAsk(question(changes))),
      button("Reset", onReset, { class: "quiet" }),
    ),
  );
}

// Whether a result is of exactly these changes.
function isFor(result, changes) {
  const has = (one) => result.of.some((other) => same(one, other) && one.value === other.value);
  return changes.length === result.of.length && changes.every(has);
}

// The result beside that of the answer; null without one.
export function comparison(result) {
  if (!result) return null;
  const before = typeof result.objective_before === "number" ? result.objective_before : null;
  const after = readReport(result.report)?.objective ?? null;
  const moved = before !== null && after !== null;
  return el(
    "div",
    { class: "compared", role: "status" },
    el("p", {}, moved ? objectives(before, after) : outcome(result)),
    differences(result) || (moved ? el("p", { class: "faint" }, "The plan stays the same.") : null),
  );
}

function objectives(before, after) {
  const delta = ` (${signed(Number((after - before).toPrecision(10)))})`;
  return ["Objective ", el("b", {}, number(before)), " → ", el("b", {}, number(after)), delta];
}

function outcome(result) {
  const status = line(result.status, 40);
  const text = status === "infeasible" ? "With these changes there is no plan." : sentence(`${words(status)}.`);
  return [text, result.reason ? [" ", shown(line(result.reason, 400))] : null];
}

function differences(result) {
  const given = Array.isArray(result.differences) ? result.differences : [];
  const found = given.filter((one) => one && typeof one === "object");
  if (!found.length) return null;
  const count = found.length + (Number(result.differences_left_out) || 0);
  const rows = found
    .slice(0, MOST_DIFFERENCES)
    .map((one) => [shown(readable(line(one.name ?? "", 200))), number(one.before), number(one.after)]);
  return el(
    "details",
    { class: "numbers", open: count <= 8 },
    el("summary", {}, plural(count, "amount changes", "amounts change")),
    simpleTable("Differences", ["Variable", "Before", "After"], rows, [1, 2]),
    count > rows.length ? el("p", { class: "faint" }, `${count - rows.length} more`) : null,
  );
}
