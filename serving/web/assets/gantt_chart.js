// A schedule: a row for each machine or person, a bar for each task, an axis of time.

import { line, svg } from "./dom.js";
import { number } from "./format.js";

const MOST_ROWS = 60,
  ROW = 34,
  AXIS = 26;

export function gantt(items, width) {
  const rows = [...new Set(items.map((one) => one.row || one.label))]
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .slice(0, MOST_ROWS);
  const first = Math.min(0, ...items.map((one) => one.start)),
    last = Math.max(...items.map((one) => one.end), first + 1e-9);
  const room = Math.min(width * 0.3, 14 + 7 * Math.max(...rows.map((row) => line(row, 24).length)));
  const x = (time) => room + ((time - first) / (last - first)) * (width - room - 14);
  const height = rows.length * ROW + AXIS;
  const ticks = steps(first, last, Math.max(2, Math.floor((width - room) / 90)));
  const nodes = [
    ...ticks.flatMap((time) => [
      svg("line", { x1: x(time), x2: x(time), y1: 0, y2: rows.length * ROW, class: "grid" }),
      svg(
        "text",
        { x: x(time), y: rows.length * ROW + 18, "text-anchor": "middle", class: "chart-value" },
        number(time),
      ),
    ]),
    ...rows.map((row, at) =>
      svg(
        "text",
        { x: room - 10, y: at * ROW + ROW / 2 + 4, "text-anchor": "end", class: "chart-label" },
        line(row, Math.max(3, Math.floor(room / 7))),
      ),
    ),
    ...items.flatMap((one, at) => {
      const row = rows.indexOf(one.row || one.label);
      if (row < 0) return [];
      const left = x(one.start),
        wide = Math.max(2, x(one.end) - left);
      const text = one.label === one.row ? "" : line(one.label, Math.floor((wide - 8) / 7.5));
      return [
        svg(
          "rect",
          {
            x: left + 1,
            y: row * ROW + 5,
            width: Math.max(1, wide - 2),
            height: ROW - 10,
            rx: 4,
            class: `task tone-${at % 4}`,
          },
          svg("title", {}, `${line(one.label)}: ${number(one.start)} to ${number(one.end)}`),
        ),
        wide > 24 && text
          ? svg(
              "text",
              { x: left + wide / 2, y: row * ROW + ROW / 2 + 4, "text-anchor": "middle", class: "task-label" },
              text,
            )
          : null,
      ];
    }),
  ];
  return { height, nodes };
}

function steps(first, last, most) {
  const rough = (last - first) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((one) => one * power >= rough) || 10);
  const found = [];
  for (let time = Math.ceil(first / step) * step; time <= last + 1e-9 && found.length < 50; time += step)
    found.push(Number(time.toPrecision(12)));
  return found;
}
