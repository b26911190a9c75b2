// The verdict on an answer in a few lines: what backs it, what speaks against it, what was not checked.

import { el, shown } from "./dom.js";
import { sentence } from "./format.js";

const BACKING = {
  backed: ["good", "✓", "A solver reported this answer."],
  contradicted: ["bad", "!", "The solver's result differs from this answer."],
  unbacked: ["near", "?", "No solver reported this answer."],
  no_answer: ["near", "–", "There is no answer."],
};
const CHECK = { passed: ["good", "✓"], failed: ["bad", "!"] };

const texts = (value) =>
  Array.isArray(value) ? value.filter((one) => typeof one === "string" && one).slice(0, 20) : [];

// changed: whether the shown plan is of changed numbers or an edited program, about which the answer says nothing.
export function verdictLines(answer, report, changed) {
  const made = [];
  const verdict = answer.facts?.verdict || {};
  if (!changed) {
    const [tone, sign, fallback] = BACKING[verdict.backing] || BACKING.no_answer;
    made.push(row(tone, sign, typeof verdict.summary === "string" && verdict.summary ? verdict.summary : fallback));
    const summary = verdict.summary;
    for (const note of texts(answer.facts?.notes)) if (note !== summary) made.push(row("near", "!", note));
  }
  if (report?.check.text) {
    const [tone, sign] = CHECK[report.check.outcome] || ["none", "·"];
    made.push(row(tone, sign, report.check.text));
  }
  const open = [
    ...(changed ? ["whether the changed model is the one that you mean"] : texts(verdict.not_checked)),
    ...(report?.notChecked || []),
  ];
  if (open.length)
    made.push(
      el(
        "details",
        { class: "not-checked" },
        el("summary", {}, "Not checked"),
        el(
          "ul",
          {},
          [...new Set(open)].map((one) => el("li", {}, shown(sentence(one)))),
        ),
      ),
    );
  return made;
}

function row(tone, sign, text) {
  return el(
    "p",
    { class: `line ${tone}` },
    el("span", { class: "sign", "aria-hidden": "true" }, sign),
    el("span", { dir: "auto" }, shown(text)),
  );
}
