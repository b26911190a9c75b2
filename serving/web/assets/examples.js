// Problems to try. The tiny demo model solves these kinds only.

import { button, el } from "./dom.js";

const EXAMPLES = [
  [
    "Product mix",
    "How much of each product, with limited labor and wood",
    "A carpentry shop makes shelves and stools. Each unit of shelves takes 6 hours of labor and 11 boards of wood and brings a profit of $66. Each unit of stools takes 14 hours of labor and 9 boards of wood and brings a profit of $62. There are only 168 hours of labor available. There are only 163 boards of wood available. Any fraction of a unit is allowed. Plan production to maximize profit. What profit results?",
  ],
  [
    "Shipping",
    "Which plant supplies which warehouse, at the least cost",
    "A firm ships tons of cement from 2 plants to 2 warehouses. Source 1 can ship at most 34; its costs per unit to destinations 1 to 2 are 8, 11. Source 2 can ship at most 24; its costs per unit to destinations 1 to 2 are 4, 13. Demand at the destinations is at least 21 and 24. How cheaply can all demand be met?",
  ],
  [
    "Demand beyond supply",
    "A problem without a plan, and the least change that helps",
    "A firm ships boxes of fruit from 2 farms to 2 markets. Source 1 has at most 66 and ships at a unit cost of 7, 9 to destinations 1 to 2. Source 2 has at most 41 and ships at a unit cost of 13, 7 to destinations 1 to 2. Demand at the destinations is at least 77 and 53. How cheaply can all demand be met?",
  ],
];

export function drawExamples(place, use) {
  place.replaceChildren(
    el("h2", { class: "small-head" }, "Examples"),
    el(
      "ul",
      { class: "cards" },
      EXAMPLES.map(([title, about, text]) =>
        el(
          "li",
          {},
          button([el("b", {}, title), el("span", { class: "faint" }, about)], () => use(text), {}),
        ),
      ),
    ),
  );
}
