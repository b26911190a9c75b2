// Bars and tables made of plain elements, which screen readers read as lists and tables.

function bars(items, most) {
  return el(
    "ol",
    { class: "bars" },
    items.map((item) => {
      const parts = [
        el("span", { class: "label" }, item.label),
        el(
          "span",
          { class: "track", "aria-hidden": "true" },
          el("i", {
            class: item.tone || "",
            share: most ? item.value / most : 0,
            start: most ? (item.start || 0) / most : 0,
          }),
        ),
        el("span", { class: "value" }, whole(item.value), item.note ? el("small", {}, item.note) : null),
      ];
      return el(
        "li",
        { class: item.strong ? "strong" : null },
        item.href ? el("a", { href: item.href }, parts) : el("div", {}, parts),
      );
    }),
  );
}

// bins: [{label, value}]; each column shows its count.
function histogram(bins, caption, axis) {
  const most = Math.max(1, ...bins.map((bin) => bin.value));
  return el(
    "figure",
    { class: "histogram" },
    el(
      "ol",
      {},
      bins.map((bin) =>
        el(
          "li",
          { title: `${bin.label}: ${whole(bin.value)}` },
          el("b", {}, bin.value ? compact(bin.value) : ""),
          el("i", { share: bin.value / most, "aria-hidden": "true" }),
          el("span", { class: "hidden" }, `${bin.label}: ${bin.value}`),
          el("small", { "aria-hidden": "true" }, bin.tick || ""),
        ),
      ),
    ),
    el("div", { class: "axis", "aria-hidden": "true" }, axis),
    el("figcaption", {}, caption),
  );
}

function tile(label, value, note, href) {
  const parts = [el("span", { class: "label" }, label), el("strong", {}, value), el("small", {}, note)];
  return href ? el("a", { class: "tile", href }, parts) : el("div", { class: "tile" }, parts);
}

function card(title, note, ...children) {
  return el(
    "section",
    { class: "card" },
    el("h2", {}, title),
    note ? el("p", { class: "note" }, note) : null,
    children,
  );
}

function table(caption, heads, rows, kind) {
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el(
      "table",
      { class: kind || null },
      el("caption", { class: "hidden" }, caption),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          heads.map((head) => (head instanceof Node ? head : el("th", { scope: "col" }, head))),
        ),
      ),
      el(
        "tbody",
        {},
        rows.map((cells) =>
          el(
            "tr",
            {},
            cells.map((cell, column) => {
              if (cell instanceof HTMLTableCellElement) return cell;
              return column === 0 ? el("th", { scope: "row" }, cell) : el("td", {}, cell);
            }),
          ),
        ),
      ),
    ),
  );
}

const numeric = (head, title) => el("th", { scope: "col", class: "n", title }, head);
const figure = (...content) => el("td", { class: "n" }, ...content);
const badge = (outcome) => el("span", { class: `badge ${toneOf(outcome)}` }, words(outcome));

function toneOf(outcome) {
  if (outcome === "golden" || outcome === "correct") return "good";
  if (outcome === "infrastructure" || outcome === "unscored") return "none";
  return ["finding_left", "hint_share", "unjudged"].includes(outcome) ? "near" : "bad";
}

const counted = (values) => {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
};
const sum = (values) => values.reduce((total, value) => total + value, 0);
// Not Math.max(...values): that many arguments are too many for a call.
const largest = (values) => values.reduce((most, value) => Math.max(most, value), 0);
const mean = (values) => (values.length ? sum(values) / values.length : 0);

// Not a literal address: the namespace is a name, nothing is loaded from it.
const DRAWING = ["http:", "", "www.w3.org", "2000", "svg"].join("/");

function drawn_(tag, attributes) {
  const made = document.createElementNS(DRAWING, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// A line over the steps of a training, with its largest and smallest value. values: null for none.
function lineChart(title, steps, values, format) {
  const points = steps.map((step, i) => [step, values[i]]).filter(([, value]) => typeof value === "number");
  if (!points.length) return null;
  const found = points.map(([, value]) => value);
  const low = found.reduce((least, value) => Math.min(least, value)),
    high = found.reduce((most, value) => Math.max(most, value));
  const [first, last] = [points[0][0], points[points.length - 1][0]];
  const x = (step) => (last > first ? (100 * (step - first)) / (last - first) : 50);
  const y = (value) => (high > low ? 38 - (36 * (value - low)) / (high - low) : 20);
  const picture = drawn_("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", "aria-hidden": "true" });
  // A line of one point is drawn as a dot by its round ends.
  const place = points.map(([step, value]) => `${x(step).toFixed(2)},${y(value).toFixed(2)}`);
  picture.append(drawn_("polyline", { points: (place.length > 1 ? place : [place[0], place[0]]).join(" ") }));
  return el(
    "figure",
    { class: "curve" },
    el("figcaption", {}, title, el("b", {}, format(found[found.length - 1]))),
    el(
      "div",
      { class: "plot" },
      picture,
      high > low ? [el("small", { class: "high" }, format(high)), el("small", { class: "low" }, format(low))] : null,
    ),
    el("div", { class: "ticks" }, el("small", {}, `step ${whole(first)}`), last > first ? el("small", {}, whole(last)) : null),
    el("p", { class: "hidden" }, `${title}: ${format(found[0])} at step ${first}, ${format(found[found.length - 1])} at step ${last}, from ${format(low)} to ${format(high)}`),
  );
}
