// Tables: sorted by their heads, filtered by text, drawn in pieces.

import { el, line, moreButton, shown } from "./dom.js";
import { number, plural } from "./format.js";

const ROWS = 200;

// columns: [{label, numeric, value(row), draw(row), title}]. rows: objects. options: {caption, filter, empty}.
export function sortedTable(
  columns,
  rows,
  { caption, filterable = rows.length > 12, extra = null, empty = "Nothing to show." },
) {
  let sorted = null;
  let filter = "";
  const body = el("tbody", {});
  const count = el("span", { class: "faint count", role: "status" });
  const more = el("div", {});
  const heads = columns.map((column, at) =>
    el(
      "th",
      { scope: "col", class: column.numeric ? "n" : null, title: column.title || null },
      el(
        "button",
        { type: "button", class: "head", click: () => sort(at) },
        column.label,
        el("span", { class: "arrow", "aria-hidden": "true" }),
      ),
    ),
  );
  const sort = (at) => {
    sorted = { at, down: sorted?.at === at ? !sorted.down : Boolean(columns[at].numeric) };
    heads.forEach((head, number) =>
      number === at
        ? head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending")
        : head.removeAttribute("aria-sort"),
    );
    draw();
  };
  const draw = () => {
    let found = filter
      ? rows.filter((row) =>
          columns.some((column) =>
            String(column.value(row) ?? "")
              .toLowerCase()
              .includes(filter),
          ),
        )
      : rows.slice();
    if (sorted) {
      const { value } = columns[sorted.at];
      found.sort((a, b) => compare(value(a), value(b), sorted.down ? -1 : 1));
    }
    count.textContent = filter ? `${plural(found.length, "row")} of ${rows.length}` : "";
    body.replaceChildren();
    more.replaceChildren();
    if (!found.length) body.append(el("tr", {}, el("td", { colspan: columns.length, class: "faint" }, empty)));
    let done = 0;
    const add = () => {
      for (const row of found.slice(done, done + ROWS)) body.append(rowOf(row));
      done += ROWS;
      if (done < found.length) moreButton(more, `Show more (${plural(found.length - done, "row")} left)`, add);
    };
    add();
  };
  const rowOf = (row) =>
    el(
      "tr",
      { class: row.tone || null },
      columns.map((column, at) => {
        const content = column.draw ? column.draw(row) : cellText(column.value(row));
        return at === 0
          ? el("th", { scope: "row", dir: "auto" }, content)
          : el("td", { class: column.numeric ? "n" : null, dir: column.numeric ? null : "auto" }, content);
      }),
    );
  draw();
  const search = filterable
    ? el("input", {
        type: "search",
        class: "filter",
        placeholder: "Filter",
        "aria-label": `Filter: ${caption}`,
        input: (event) => {
          filter = event.target.value.trim().toLowerCase();
          draw();
        },
      })
    : null;
  const tools = search || extra ? el("div", { class: "table-tools" }, search, extra, count) : null;
  return el(
    "div",
    { class: "table-block" },
    tools,
    scroll(
      caption,
      el("table", {}, el("caption", { class: "hidden" }, line(caption)), el("thead", {}, el("tr", {}, heads)), body),
    ),
    more,
  );
}

function compare(a, b, sign) {
  // Missing values come last in both directions.
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
  if (b === null || b === undefined) return -1;
  return (
    sign *
    (typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true }))
  );
}

export const cellText = (value) =>
  typeof value === "number" ? number(value) : shown(String(value ?? "").slice(0, 1000));

export function scroll(caption, table) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": line(caption) }, table);
}

// A table of plain cells: heads and rows of nodes or texts; `numeric` are the numbers of right-aligned columns.
export function simpleTable(caption, heads, rows, numeric = []) {
  const kind = (at) => (numeric.includes(at) ? "n" : null);
  return scroll(
    caption,
    el(
      "table",
      {},
      el("caption", { class: "hidden" }, line(caption)),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          heads.map((head, at) => el("th", { scope: "col", class: kind(at) }, head)),
        ),
      ),
      el(
        "tbody",
        {},
        rows.map((cells) =>
          el(
            "tr",
            {},
            cells.map((cell, at) =>
              at === 0 ? el("th", { scope: "row" }, cell) : el("td", { class: kind(at) }, cell),
            ),
          ),
        ),
      ),
    ),
  );
}
