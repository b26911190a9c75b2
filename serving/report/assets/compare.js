// Two runs compared: the problems that flipped, and their trajectories side by side.

const CHANGES = {
  lost: ["lost", "right in the first run only", "bad"],
  gained: ["gained", "right in the second run only", "good"],
  wrong: ["both wrong", "wrong in both runs", "near"],
  right: ["both right", "right in both runs", "none"],
  unscored: ["not scored", "without a score in one of the runs", "none"],
};

let paired = null;

// Problems of both runs: [{ id, before, after, change }], the lost ones first.
function pairs() {
  if (paired) return paired;
  const grouped = (rows) => {
    const groups = new Map();
    for (const row of rows) {
      const key = JSON.stringify([row.id, row.question]);
      if (groups.has(key)) groups.get(key).push(row);
      else groups.set(key, [row]);
    }
    return groups;
  };
  const later = grouped(state.other.rows);
  const names = Object.keys(CHANGES);
  paired = [...grouped(state.rows)]
    .filter(([key]) => later.has(key))
    .map(([key, before]) => {
      const after = later.get(key);
      const [one, two] = [before, after].map(shareOf);
      const change =
        one === null || two === null
          ? "unscored"
          : two > one
            ? "gained"
            : two < one
              ? "lost"
              : one > 0
                ? "right"
                : "wrong";
      return { id: before[0].id, before, after, change };
    })
    .sort((a, b) => names.indexOf(a.change) - names.indexOf(b.change));
  return paired;
}

// The share of right trajectories among the scored ones; null without any.
function shareOf(rows) {
  const scored = rows.filter((row) => row.right !== null);
  return scored.length ? scored.filter((row) => row.right).length / scored.length : null;
}

const flipped = (pair) => pair.change === "lost" || pair.change === "gained";
const chosen = (filters) =>
  pairs().filter((pair) => (CHANGES[filters.change] ? pair.change === filters.change : flipped(pair)));
const runNames = () => [state.facts.name, state.other.facts.name];
const pairLink = (pair, filters) => link("pair", { change: filters.change }, pair.id);

function comparePage(filters) {
  const all = pairs();
  const [first, second] = runNames();
  const scored = all.filter((pair) => pair.change !== "unscored");
  const share = (side) => mean(scored.map((pair) => shareOf(pair[side])));
  const of = (change) => all.filter((pair) => pair.change === change).length;
  const gain = 100 * (share("after") - share("before"));
  const chip = (change, label, count) =>
    el(
      "a",
      {
        class: `chip ${filters.change === change ? "set" : ""}`,
        href: link("compare", { change }),
        "aria-current": filters.change === change ? "true" : null,
      },
      label,
      el("b", {}, whole(count)),
    );
  return el(
    "div",
    { class: "list" },
    el("h1", { tabindex: "-1", id: "heading" }, "Two runs"),
    el(
      "p",
      { class: "note" },
      `First: `,
      el("b", {}, shown(first)),
      `, second: `,
      el("b", {}, shown(second)),
      `. They share ${plural(all.length, "problem")}`,
      all.length < Math.max(state.rows.length, state.other.rows.length) ? "; others are left out." : ".",
    ),
    el(
      "div",
      { class: "tiles" },
      tile("Right in the first", percent(share("before"), 1, 1), shown(first)),
      tile("Right in the second", percent(share("after"), 1, 1), shown(second)),
      tile("Difference", `${gain > 0 ? "+" : ""}${gain.toFixed(1)}`, "percentage points, on the shared problems"),
      tile("Flipped", whole(all.filter(flipped).length), `${whole(of("gained"))} gained, ${whole(of("lost"))} lost`),
    ),
    el(
      "p",
      { class: "chips" },
      chip(undefined, "flipped", all.filter(flipped).length),
      Object.entries(CHANGES).map(([change, [label]]) => (of(change) ? chip(change, label, of(change)) : null)),
    ),
    pairTable(chosen(filters), filters),
  );
}

function pairTable(list, filters) {
  if (!list.length) return el("p", { class: "empty" }, "No such problem.");
  const [first, second] = runNames();
  const head = (name) => el("th", { scope: "col" }, shown(name));
  const outcomes = (rows) =>
    el(
      "td",
      {},
      rows.length === 1
        ? badge(rows[0].outcome)
        : el("span", {}, `${whole(rows.filter((row) => row.right).length)} of ${whole(rows.length)} right`),
    );
  const page = Math.max(1, Number.parseInt(filters.page, 10) || 1);
  const rows = list.slice((page - 1) * ROWS, page * ROWS).map((pair) => [
    el("td", {}, el("span", { class: `badge ${CHANGES[pair.change][2]}` }, CHANGES[pair.change][0])),
    el("th", { scope: "row" }, el("a", { class: "open", href: pairLink(pair, filters) }, shown(pair.id))),
    el("td", { class: "wide" }, el("div", { class: "clamp", dir: "auto" }, shown(pair.before[0].question.slice(0, 240)))),
    outcomes(pair.before),
    outcomes(pair.after),
  ]);
  const count = Math.ceil(list.length / ROWS);
  const to = (target, label, id) =>
    target >= 1 && target <= count
      ? el("a", { class: "button", id, href: link("compare", { ...filters, page: String(target) }) }, label)
      : null;
  return el(
    "div",
    { class: "found" },
    table(
      "Problems",
      [head("change"), head("problem"), el("th", { scope: "col", class: "wide" }, "question"), head(first), head(second)],
      rows,
      "episodes",
    ),
    count > 1
      ? el("nav", { class: "pager" }, to(page - 1, "Previous", "page-before"), to(page + 1, "Next", "page-after"))
      : null,
  );
}

function neighbouringPairs(at) {
  let list = chosen(at.filters);
  let place = list.findIndex((pair) => pair.id === at.key);
  if (place < 0) {
    list = pairs();
    place = list.findIndex((pair) => pair.id === at.key);
  }
  return { list, place, pair: list[place], before: list[place - 1], after: list[place + 1] };
}

// The samples that show the difference, unless the address names others.
function shownRows(pair, filters) {
  const pick = (rows, asked_, right) => rows[Number(asked_)] || rows.find((row) => row.right === right) || rows[0];
  const gained = pair.change === "gained";
  return [
    pick(pair.before, filters.a ?? Number.NaN, pair.change === "lost"),
    pick(pair.after, filters.b ?? Number.NaN, gained),
  ];
}

function pairPage(at) {
  const { list, place, pair, before, after } = neighbouringPairs(at);
  if (!pair) return el("p", { class: "empty" }, "No such problem in both runs.");
  const body = el("div", { class: "body", "aria-busy": "true" });
  const step_ = (to, label, key) =>
    to
      ? el("a", { class: "button", href: pairLink(to, at.filters), id: `step-${key}`, title: `${label} (${key})` }, label)
      : el("span", { class: "button off", "aria-disabled": "true" }, label);
  const page = el(
    "article",
    { class: "episode" },
    el(
      "div",
      { class: "bar" },
      el(
        "div",
        { class: "steps" },
        el("a", { class: "button", href: link("compare", { change: at.filters.change }) }, "All"),
        el("span", { class: "faint" }, `${whole(place + 1)} of ${whole(list.length)}`),
        step_(before, "Previous", "k"),
        step_(after, "Next", "j"),
      ),
      readingBar(""),
    ),
    el("h1", { tabindex: "-1", id: "heading" }, shown(pair.id)),
    el(
      "p",
      { class: "meta" },
      el("span", { class: `badge ${CHANGES[pair.change][2]}` }, CHANGES[pair.change][0]),
      CHANGES[pair.change][1],
    ),
    body,
  );
  const rows = shownRows(pair, at.filters);
  const has = (found_, words_) => found_.some((details, side) => holds(rows[side], details, words_));
  fill_(body, Promise.all(rows.map(detailsOf)), (found_) => pairContents(pair, rows, found_, at), has);
  return page;
}

function pairContents(pair, rows, found_, at) {
  const side = (number, of) => {
    const name = number ? "b" : "a";
    const samples = of.map((row, sample) =>
      el(
        "a",
        {
          class: `chip ${row === rows[number] ? "set" : ""}`,
          href: link("pair", { ...at.filters, [name]: String(sample) }, pair.id),
        },
        el("i", { class: `dot ${toneOf(row.outcome)}` }),
        `sample ${sample + 1}`,
      ),
    );
    return el(
      "section",
      { class: "run" },
      el("h2", {}, shown(runNames()[number]), " ", badge(rows[number].outcome), usage(found_[number].trajectory)),
      of.length > 1 ? el("p", { class: "chips" }, samples) : null,
      trajectory(found_[number].trajectory, found_[number].left),
    );
  };
  return [
    el("section", { class: "question" }, el("h2", {}, "Problem"), questionOf(found_[0].question)),
    el("div", { class: "runs two even" }, side(0, pair.before), side(1, pair.after)),
  ];
}
