// The plan as tables: variables with two indices as a matrix, others as a list; and all variables with their bounds.

import { el, line, shown } from "./dom.js";
import { editable } from "./editable.js";
import { changedValue } from "./changes.js";
import { number, plural } from "./format.js";
import { readable } from "./names.js";
import { cellText, scroll, sortedTable } from "./tables.js";

const MOST_COLUMNS = 60,
  MOST_ROWS = 200;

// Return the groups of a plan as tables. state: {zeros}. onZeros: called with the state of the box.
export function planTables(report, zeros, onZeros) {
  const made = [];
  const hasZero = report.groups.some((group) => group.values.includes(0));
  if (hasZero) made.push(el("label", { class: "check small" }, box(zeros, onZeros), "Show zeros"));
  for (const group of report.groups) {
    // Times of a schedule have no sum.
    const table = group.size === 2 ? matrix(group, zeros, report.chart?.kind !== "gantt") : null;
    made.push(table || list(group, zeros));
  }
  if (report.leftOut)
    made.push(
      el(
        "p",
        { class: "faint" },
        `${plural(report.leftOut, "variable is", "variables are")} not shown. The downloads have all.`,
      ),
    );
  return made;
}

function box(checked, onChange) {
  const input = el("input", { type: "checkbox", change: (event) => onChange(event.target.checked) });
  input.checked = checked;
  return input;
}

function matrix(group, zeros, summed) {
  const rows = new Map(),
    columns = new Set();
  group.indices.forEach(([row, column], at) => {
    if (!zeros && group.values[at] === 0) return;
    if (!rows.has(row)) rows.set(row, new Map());
    rows.get(row).set(column, group.values[at]);
    columns.add(column);
  });
  const sparse = rows.size * columns.size > 4 * group.values.length + 20;
  if (!rows.size || columns.size > MOST_COLUMNS || rows.size > MOST_ROWS || sparse) return null;
  const order = inOrder([...columns]);
  const sums = summed && group.values.some((value) => value !== 0 && value !== 1);
  const total = (values) => number(values.reduce((sum, value) => sum + (value || 0), 0));
  const name = title(group);
  return el(
    "div",
    { class: "table-block" },
    el("h4", {}, shown(name)),
    scroll(
      `Plan: ${name}`,
      el(
        "table",
        { class: "matrix" },
        el("caption", { class: "hidden" }, `Plan: ${line(name)}`),
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("td", {}),
            order.map((column) => el("th", { scope: "col", class: "n" }, shown(column))),
            sums ? el("th", { scope: "col", class: "n total" }, "Total") : null,
          ),
        ),
        el(
          "tbody",
          {},
          inOrder([...rows.keys()])
            .map((row) => [row, rows.get(row)])
            .map(([row, cells]) =>
              el(
                "tr",
                {},
                el("th", { scope: "row" }, shown(row)),
                order.map((column) => figure(cells.get(column))),
                sums ? el("td", { class: "n total" }, total([...cells.values()])) : null,
              ),
            ),
        ),
        sums
          ? el(
              "tfoot",
              {},
              el(
                "tr",
                {},
                el("th", { scope: "row" }, "Total"),
                order.map((column) =>
                  el("td", { class: "n" }, total([...rows.values()].map((cells) => cells.get(column)))),
                ),
                el("td", { class: "n total" }, total([...rows.values()].flatMap((cells) => [...cells.values()]))),
              ),
            )
          : null,
      ),
    ),
  );
}

// Numbers in their order; other labels, such as days, in that of the program.
const inOrder = (labels) =>
  labels.every((one) => one.trim() && Number.isFinite(Number(one))) ? labels.sort((a, b) => a - b) : labels;
const figure = (value) => el("td", { class: value ? "n" : "n zero" }, value === undefined ? "·" : number(value));
const title = (group) => group.name || "Plan";

function list(group, zeros) {
  const rows = group.indices
    .map((index, at) => ({ index, value: group.values[at] }))
    .filter((row) => zeros || row.value !== 0);
  const heads = Math.max(1, group.size || 1);
  const columns = [
    ...Array.from({ length: heads }, (_, at) => ({
      label: heads === 1 ? (group.name ? "Item" : "Variable") : `Index ${at + 1}`,
      value: (row) => row.index[at] ?? "",
    })),
    { label: "Amount", numeric: true, value: (row) => row.value },
  ];
  const table = sortedTable(columns, rows, { caption: `Plan: ${title(group)}`, empty: "All are 0." });
  return group.name ? el("div", {}, el("h4", {}, shown(group.name)), table) : table;
}

// All variables with bounds and costs. change: called with {kind, name, value, before}; null if they cannot be changed.
export function variableTable(report, changes, change) {
  const cell = (kind, label, none) => (row) => {
    if (!change) return row[kind] === null ? none : cellText(row[kind]);
    return editable({
      value: row[kind],
      changed: changedValue(changes, kind, row.name),
      none,
      nullable: kind !== "cost",
      label: `${label} of ${line(readable(row.name))}`,
      onChange: (value) => change({ kind, name: row.name, value, before: row[kind] }),
    });
  };
  const costs = report.variables.some((row) => row.cost !== null);
  const reduced = report.variables.some((row) => row.reducedCost);
  const columns = [
    {
      label: "Variable",
      value: (row) => readable(row.name),
      draw: (row) => [shown(readable(row.name)), row.integer ? el("small", { class: "faint" }, " whole") : null],
    },
    ...(report.variables.some((row) => row.value !== null)
      ? [{ label: "Amount", numeric: true, value: (row) => row.value }]
      : []),
    { label: "Least", numeric: true, value: (row) => row.lower, draw: cell("lower", "Least", "none") },
    { label: "Most", numeric: true, value: (row) => row.upper, draw: cell("upper", "Most", "none") },
    ...(costs
      ? [
          {
            label: "Per unit",
            title: "Coefficient in the objective",
            numeric: true,
            value: (row) => row.cost,
            draw: cell("cost", "Coefficient in the objective", "–"),
          },
        ]
      : []),
    ...(reduced
      ? [
          {
            label: "Reduced cost",
            title: "Change of the objective per unit of more of it",
            numeric: true,
            value: (row) => row.reducedCost,
          },
        ]
      : []),
  ];
  return sortedTable(columns, report.variables, { caption: "Variables" });
}
