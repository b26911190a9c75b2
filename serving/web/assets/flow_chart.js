// Flows from one place to another: places in columns from left to right, bands as wide as their amounts.

import { line, svg } from "./dom.js";
import { number } from "./format.js";

const MOST = 80; // the largest flows are drawn
const GAP = 14,
  LEAST = 3,
  NODE = 10;

export function flows(items, width) {
  const drawn = items
    .filter((one) => one.value > 0)
    .sort((a, b) => b.value - a.value)
    .slice(0, MOST);
  const places = placesOf(drawn);
  const columns = columnsOf(places, drawn);
  const tallest = Math.max(...columns.map((column) => column.length));
  const heaviest = Math.max(...columns.map((column) => column.reduce((sum, one) => sum + one.weight, 0)), 1e-12);
  const height = Math.min(640, Math.max(150, tallest * 46));
  const scale = Math.max(0.0001, (height - GAP * (tallest + 1)) / heaviest);
  const label = Math.min(
    width * 0.26,
    12 + 7 * Math.max(...[...places.values()].map((one) => line(one.name, 20).length)),
  );
  const step = columns.length > 1 ? (width - 2 * label - NODE) / (columns.length - 1) : 0;
  columns.forEach((column, at) => {
    const used = column.reduce((sum, one) => sum + Math.max(LEAST, one.weight * scale), 0);
    const gap = (height - used) / (column.length + 1);
    let y = gap;
    for (const one of column) {
      Object.assign(one, {
        x: label + at * step,
        y,
        size: Math.max(LEAST, one.weight * scale),
        out: 0,
        into: 0,
        column: at,
      });
      y += one.size + gap;
    }
  });
  // Bands leave and enter a place in the order of the places at their other ends, so that few cross.
  const bands = drawn.map((one) => ({
    ...one,
    a: places.get(one.from),
    b: places.get(one.to),
    size: Math.max(1.5, one.value * scale),
  }));
  for (const band of [...bands].sort((p, q) => p.b.y - q.b.y)) {
    band.y1 = band.a.y + band.a.out + band.size / 2;
    band.a.out += band.size;
  }
  for (const band of [...bands].sort((p, q) => p.a.y - q.a.y)) {
    band.y2 = band.b.y + band.b.into + band.size / 2;
    band.b.into += band.size;
  }
  const nodes = [
    ...bands.map((band) => {
      const [x1, x2] = [band.a.x + NODE, band.b.x];
      const middle = (x1 + x2) / 2;
      return svg(
        "path",
        {
          d: `M${x1} ${band.y1}C${middle} ${band.y1} ${middle} ${band.y2} ${x2} ${band.y2}`,
          "stroke-width": band.size,
          class: "flow",
        },
        svg("title", {}, `${line(band.from)} → ${line(band.to)}: ${number(band.value)}`),
      );
    }),
    // Of an assignment, all numbers are 1.
    ...(bands.every((band) => band.value === 1) ? [] : bands.slice(0, 24)).map((band) => {
      // On a quarter of the curve: bands that cross in the middle would have their numbers on each other.
      const t = 0.25;
      const part = t * t * (3 - 2 * t);
      const y = band.y1 + (band.y2 - band.y1) * part;
      const x = band.a.x + NODE + (band.b.x - band.a.x - NODE) * (1.5 * t * (1 - t) + t ** 3);
      return svg("text", { x, y: y + 4, "text-anchor": "middle", class: "chart-value halo" }, number(band.value));
    }),
    ...[...places.values()].map((one) => {
      const last = one.column > 0 && one.column === columns.length - 1;
      return [
        svg(
          "rect",
          { x: one.x, y: one.y, width: NODE, height: one.size, rx: 3, class: "place" },
          svg("title", {}, `${line(one.name)}: ${number(one.weight)}`),
        ),
        svg(
          "text",
          {
            x: last ? one.x + NODE + 6 : one.x - 6,
            y: one.y + one.size / 2 + 4,
            "text-anchor": last ? "start" : "end",
            class: "chart-label",
          },
          line(one.name, Math.max(3, Math.floor(label / 7))),
        ),
      ];
    }),
  ];
  return { height, nodes: nodes.flat() };
}

// If a name is both a source and a target, as in a network, it is one place; in tables of plain numbers it is two.
function placesOf(items) {
  const numbered = items.every((one) => /^\d+$/.test(one.from) && /^\d+$/.test(one.to));
  const places = new Map();
  for (const one of items) {
    if (numbered) {
      one.from = `from ${one.from.replace(/^from /, "")}`;
      one.to = `to ${one.to.replace(/^to /, "")}`;
    }
    for (const name of [one.from, one.to])
      if (!places.has(name)) places.set(name, { name, inward: 0, outward: 0, rank: 0 });
    places.get(one.from).outward += one.value;
    places.get(one.to).inward += one.value;
  }
  for (const place of places.values()) place.weight = Math.max(place.inward, place.outward);
  return places;
}

// A place is to the right of all that flow into it; circles are cut after some rounds.
function columnsOf(places, items) {
  for (let round = 0; round < Math.min(6, places.size); round += 1) {
    for (const { from, to } of items) {
      if (from !== to && places.get(to).rank <= places.get(from).rank && places.get(from).rank < 5)
        places.get(to).rank = places.get(from).rank + 1;
    }
  }
  const ranks = [...new Set([...places.values()].map((one) => one.rank))].sort((a, b) => a - b);
  return ranks.map((rank) =>
    [...places.values()]
      .filter((one) => one.rank === rank)
      .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true })),
  );
}
