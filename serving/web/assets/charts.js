// Charts as SVG, drawn for the width of their place, each with a title, a description and a table of its numbers.

import { el, line, shown, svg } from "./dom.js";
import { number, plural } from "./format.js";
import { flows } from "./flow_chart.js";
import { gantt } from "./gantt_chart.js";
import { simpleTable } from "./tables.js";

const MOST_BARS = 60;
let made = 0;

// Return a figure for a chart of the report.
export function chartFigure(chart) {
  const { title, draw, about, table } = KINDS[chart.kind](chart);
  const id = `chart-${(made += 1)}`;
  const place = el("div", { class: "chart" });
  let width = 0;
  const redraw = () => {
    const now = Math.floor(place.clientWidth);
    if (!now || now === width) return;
    width = now;
    const { height, nodes } = draw(width);
    place.replaceChildren(
      svg(
        "svg",
        { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": `${id}-title ${id}-desc` },
        svg("title", { id: `${id}-title` }, line(title)),
        svg("desc", { id: `${id}-desc` }, about),
        nodes,
      ),
    );
  };
  new ResizeObserver(redraw).observe(place);
  return el(
    "figure",
    {},
    el("figcaption", {}, shown(title)),
    place,
    el("details", { class: "numbers" }, el("summary", {}, "Numbers of the chart"), table),
  );
}

const KINDS = {
  bars: (chart) => {
    const items = chart.items.slice(0, MOST_BARS);
    return {
      title: chart.title || "Plan",
      about: `Bars of ${plural(items.length, "amount")}: ${items
        .slice(0, 10)
        .map((one) => `${line(one.label, 40)} ${number(one.value)}`)
        .join(", ")}`,
      draw: (width) => bars(items, width),
      table: simpleTable(
        chart.title || "Plan",
        ["Item", "Amount"],
        chart.items.map((one) => [shown(one.label), number(one.value)]),
        [1],
      ),
    };
  },
  flows: (chart) => ({
    title: chart.title || "Flows",
    about: `Flows: ${chart.items
      .slice(0, 10)
      .map((one) => `${line(one.from, 40)} to ${line(one.to, 40)} ${number(one.value)}`)
      .join(", ")}`,
    draw: (width) => flows(chart.items, width),
    table: simpleTable(
      chart.title || "Flows",
      ["From", "To", "Amount"],
      chart.items.map((one) => [shown(one.from), shown(one.to), number(one.value)]),
      [2],
    ),
  }),
  gantt: (chart) => ({
    title: chart.title || "Schedule",
    about: `Schedule of ${plural(chart.items.length, "task")}`,
    draw: (width) => gantt(chart.items, width),
    table: simpleTable(
      chart.title || "Schedule",
      ["Task", "On", "Start", "End"],
      chart.items.map((one) => [shown(one.label), shown(one.row), number(one.start), number(one.end)]),
      [2, 3],
    ),
  }),
};

function bars(items, width) {
  const row = 28,
    room = Math.min(width * 0.38, 10 + 7 * Math.max(...items.map((one) => line(one.label, 28).length), 4));
  const values = Math.max(...items.map((one) => number(one.value).length)) * 8 + 8;
  const most = Math.max(...items.map((one) => Math.abs(one.value)), 1e-12);
  const span = Math.max(20, width - room - values);
  const nodes = items.map((one, at) => {
    const y = at * row;
    const size = Math.max(1, (Math.abs(one.value) / most) * span);
    return [
      svg(
        "text",
        { x: room - 8, y: y + 18, "text-anchor": "end", class: "chart-label" },
        line(one.label, Math.max(4, Math.floor(room / 7))),
      ),
      svg(
        "rect",
        { x: room, y: y + 5, width: size, height: row - 10, rx: 3, class: one.value < 0 ? "bar negative" : "bar" },
        svg("title", {}, `${line(one.label)}: ${number(one.value)}`),
      ),
      svg("text", { x: room + size + 6, y: y + 18, class: "chart-value" }, number(one.value)),
    ];
  });
  return { height: items.length * row, nodes: nodes.flat() };
}
