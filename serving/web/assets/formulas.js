// The model in mathematical notation.

import { el, line, shown } from "./dom.js";
import { plural } from "./format.js";
import { mathematics } from "./markdown.js";

export function formulas(report) {
  return [
    el(
      "div",
      { class: "scroll formulas", tabindex: "0", role: "region", "aria-label": "The model in mathematical notation" },
      report.notation.map((one) =>
        el(
          "div",
          { class: "formula-row" },
          el("span", { class: "faint" }, shown(line(one.name, 60))),
          mathematics(one.math),
        ),
      ),
    ),
    report.notationLeftOut
      ? el("p", { class: "faint" }, `${plural(report.notationLeftOut, "constraint is", "constraints are")} not shown.`)
      : null,
  ];
}
