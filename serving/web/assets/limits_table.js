// The constraints: how much of each limit is used, what it is worth, and new limits to try.

import { el, line, shown } from "./dom.js";
import { editable } from "./editable.js";
import { changedValue } from "./changes.js";
import { number, plural } from "./format.js";
import { readable } from "./names.js";
import { cellText, sortedTable } from "./tables.js";

// change: called with {kind, name, value, before}; null if limits cannot be changed.
export function limitsTable(report, changes, change) {
  const rows = report.constraints.map((row) => ({ ...row, tone: row.binding ? "binding" : null }));
  const cell = (side, kind, label) => (row) => {
    // A constraint of another kind, such as an interval, has no limits.
    if (!change || (row.lower === null && row.upper === null)) return row[side] === null ? "" : cellText(row[side]);
    return editable({
      value: row[side],
      changed: changedValue(changes, kind, row.name),
      none: "–",
      label: `${label} limit of ${line(readable(row.name))}`,
      onChange: (value) => change({ kind, name: row.name, value, before: row[side] }),
    });
  };
  const has = (name) => rows.some((row) => row[name] !== null);
  const columns = [
    {
      label: "Constraint",
      value: (row) => `${row.name} ${row.text}`,
      draw: (row) => [
        el("span", { class: "name" }, shown(readable(row.name))),
        el("small", { class: "faint formula-text" }, shown(readable(row.text))),
      ],
    },
    ...(has("activity") ? [{ label: "Used", numeric: true, value: (row) => row.activity }] : []),
    ...(has("lower") || change
      ? [{ label: "At least", numeric: true, value: (row) => row.lower, draw: cell("lower", "row_lower", "Lower") }]
      : []),
    ...(has("upper") || change
      ? [{ label: "At most", numeric: true, value: (row) => row.upper, draw: cell("upper", "row_upper", "Upper") }]
      : []),
    ...(has("slack")
      ? [
          {
            label: "Left",
            title: "Distance to the limit",
            numeric: true,
            value: (row) => row.slack,
            draw: (row) =>
              row.binding ? el("span", { class: "badge at-limit" }, "at its limit") : cellText(row.slack),
          },
        ]
      : []),
    ...(has("worth")
      ? [
          {
            label: "Worth",
            title: "Change of the objective per unit of more of the limit",
            numeric: true,
            value: (row) => row.worth,
            draw: worth,
          },
        ]
      : []),
  ];
  const table = sortedTable(columns, rows, { caption: "Constraints", empty: "The model has no constraints." });
  return [
    table,
    report.constraintsLeftOut
      ? el(
          "p",
          { class: "faint" },
          `${plural(report.constraintsLeftOut, "constraint is", "constraints are")} not shown.`,
        )
      : null,
  ];
}

function worth(row) {
  if (row.worth === null) return row.worthText ? el("small", { class: "faint" }, shown(row.worthText)) : "";
  const [from, to] = row.range || [null, null];
  const range = row.range
    ? from === null && to === null
      ? ""
      : from === null
        ? `up to ${number(to)}`
        : to === null
          ? `from ${number(from)} on`
          : `${number(from)} to ${number(to)}`
    : "";
  return [number(row.worth), range ? el("small", { class: "faint range" }, range) : null];
}
