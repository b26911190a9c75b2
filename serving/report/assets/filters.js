// Which rows somebody wants to see, as it stands in the address: #/episodes?outcome=golden&trigger=solver_distrust.

const COURSES = {
  at_once: "right at once, and still",
  corrected: "corrected",
  lost: "lost: right without hints only",
  never: "right in neither run",
};
const RESULTS = { wrong: "wrong", unscored: "not scored", right: "right", golden: "golden" };
// Failures first: a reader wants to know what went wrong.
const rankOf = (row) =>
  row.right === false ? 0 : row.right === null ? 1 : curation() && row.outcome !== "golden" ? 2 : 3;
const ORDERS = {
  "": ["failures first", rankOf],
  run: ["in the run's order", null],
  hints: ["most hints first", (row) => -row.triggers.length],
  share: ["largest hint share first", (row) => -row.share],
  tokens: ["most tokens first", (row) => -row.tokens],
  seconds: ["slowest first", (row) => -row.seconds],
};
const orders = () => (training() ? TRAINING_ORDERS : ORDERS);
const NAMES = [
  "step",
  "reward",
  "advantage",
  "length",
  "flaw",
  "result",
  "outcome",
  "course",
  "family",
  "trigger",
  "stop",
  "finder",
  "hinted",
  "rejected",
  "q",
  "whole",
  "sort",
  "page",
  "change",
  "a",
  "b",
];
const search = { words: "", hits: new Set(), done: 0, running: false };
let last = { key: null, rows: [] };

function courseOf(row) {
  if (row.native === null || row.right === null) return null;
  if (row.right) return row.native ? "at_once" : "corrected";
  return row.native ? "lost" : "never";
}

const IS = {
  wrong: (row) => row.right === false,
  unscored: (row) => row.right === null,
  right: (row) => row.right === true,
  golden: (row) => row.outcome === "golden",
};
const TESTS = {
  step: (row, value) => String(row.step) === value,
  reward: (row, value) => rewardRange(row) === value,
  advantage: (row, value) => signOf(row) === value,
  length: (row, value) => lengthRange(row) === value,
  flaw: (row, value) => (row.flaw || "none") === value,
  result: (row, value) => Object.hasOwn(IS, value) && IS[value](row),
  stop: (row, value) => (row.stop || "none") === value,
  outcome: (row, value) => row.outcome === value,
  course: (row, value) => courseOf(row) === value,
  family: (row, value) => (row.family || "other") === value,
  trigger: (row, value) => row.triggers.includes(value),
  finder: (row, value) => row.finders.includes(value),
  hinted: (row, value) => row.triggers.length > 0 === (value === "yes"),
  rejected: (row, value) => row.rejected_hints.includes(value),
};

function route() {
  const [path, query] = location.hash.replace(/^#/, "").split(/\?(.*)/s);
  const filters = {};
  const given = new URLSearchParams(query || "");
  for (const name of NAMES) if (given.get(name)) filters[name] = given.get(name);
  const [, view, ...rest] = path.split("/");
  let key = null;
  try {
    key = rest.length ? decodeURIComponent(rest.join("/")) : null;
  } catch {
    key = "";
  }
  return { view: view || "overview", key, filters };
}

function link(view, filters, key) {
  const query = new URLSearchParams();
  for (const name of NAMES) if (filters && filters[name]) query.set(name, filters[name]);
  const asked = query.toString();
  return `#/${view}${key === undefined ? "" : `/${encodeURIComponent(key)}`}${asked ? `?${asked}` : ""}`;
}

const episodes = (filters) => link("episodes", filters);

function matching(filters) {
  const { page, ...rest } = filters;
  const key = JSON.stringify([rest, state.version, rest.whole ? [search.words, search.done] : 0]);
  if (key === last.key) return last.rows;
  const tests = Object.entries(TESTS).filter(([name]) => filters[name]);
  const terms = (filters.q || "").toLowerCase().split(/\s+/).filter(Boolean);
  let rows = state.rows.filter((row) => tests.every(([name, test]) => test(row, filters[name])));
  if (terms.length && filters.whole) {
    rows = search.words === filters.q ? rows.filter((row) => search.hits.has(row.key)) : [];
  } else if (terms.length) {
    rows = rows.filter((row) => {
      row.hay ??= `${row.id} ${row.family} ${row.question}`.toLowerCase();
      return terms.every((term) => row.hay.includes(term));
    });
  }
  const order = (orders()[filters.sort] || orders()[""])[1];
  if (order)
    rows = rows
      .map((row) => [order(row), row])
      .sort((a, b) => a[0] - b[0] || a[1].number - b[1].number)
      .map((pair) => pair[1]);
  last = { key, rows };
  return rows;
}

// All texts of a trajectory, for full-text search.
function* textsOf(row, details) {
  yield row.id;
  yield details.question.text;
  for (const run of [details.trajectory, details.native]) {
    if (!run) continue;
    for (const span of run.spans) {
      yield textOf(span);
      if (span.execution) yield `${span.execution.stdout} ${span.execution.stderr}`;
    }
    for (const one of run.interventions) yield `${textOf({ parts: one.removed })} ${one.hint} ${one.finding.evidence} ${one.finding.why}`;
  }
  for (const one of details.left) yield `${one.evidence} ${one.why}`;
  for (const one of details.rejected_hints) yield one.text;
}

// Search full texts for `filters.q`; `went` is called with the progress.
async function searchWhole(filters, went) {
  search.went = went; // The callback of the current list, which may have been redrawn since the search started.
  if (search.words === filters.q && (search.running || search.version === state.version)) return;
  const wanted = filters.q,
    phrase = wanted.toLowerCase();
  Object.assign(search, { words: wanted, hits: new Set(), done: 0, running: true, version: state.version });
  const go = () => search.words === wanted;
  const look = (row, details) => {
    for (const text of textsOf(row, details))
      if (text.toLowerCase().includes(phrase)) {
        search.hits.add(row.key);
        return;
      }
  };
  try {
    await through(
      state.rows,
      look,
      (done) => {
        search.done = done;
        search.went();
      },
      go,
    );
  } finally {
    if (go()) {
      search.running = false;
      search.went();
    }
  }
}
