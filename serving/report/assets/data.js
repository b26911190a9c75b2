// Index rows, and trajectories on demand: from blocks in this file, or from the server.

const LIVE = document.body.hasAttribute("data-live");
const KEPT = 4; // Unpacked blocks in memory.
const state = {
  facts: null,
  rows: [],
  total: 0, // Records of the run; more than `rows` if the page has only a part of them.
  paged: false, // The server has the rows, and sends a part of them on demand.
  figures: null, // Of the whole run, if `rows` is a part of it.
  byKey: new Map(),
  stamp: "",
  have: 0,
  version: 0,
  vocabulary: {}, // Token ids by their text.
  other: null, // The run that this one is compared with: { facts, rows }.
  view: "text",
};
const unpacked = new Map();

async function unpack(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

async function open() {
  const { facts, rows, vocabulary, other, figures: counts, total } = await unpack(by("index").textContent);
  Object.assign(state, { facts, vocabulary: vocabulary || {}, figures: counts || null, paged: Boolean(facts.paged) });
  take(rows);
  if (total) state.total = total;
  if (other) state.other = { facts: other.facts, rows: other.rows.map((values, number) => rowOf(values, number)) };
}

function rowOf(values, number) {
  const row = { number };
  [...state.facts.fields, "block", "place"].forEach((name, i) => {
    row[name] = values[i];
  });
  return row;
}

// Add rows; a row replaces an earlier one with the same key.
function take(rows) {
  for (const values of rows) {
    const row = rowOf(values);
    const known = state.byKey.get(row.key);
    row.number = known ? known.number : state.rows.length;
    state.rows[row.number] = row;
    state.byKey.set(row.key, row);
  }
  if (rows.length) state.version += 1;
  if (!state.paged) state.total = state.rows.length;
}

// Resolves when the whole file is loaded; until then an element may contain a part of its block.
const loaded = new Promise((resolve) => {
  if (document.readyState !== "loading") resolve();
  else document.addEventListener("DOMContentLoaded", () => resolve());
});

async function block(number) {
  if (unpacked.has(number)) return unpacked.get(number);
  await loaded;
  const opening = unpack(by(`block-${number}`).textContent).then(withTokens);
  unpacked.set(number, opening);
  if (unpacked.size > KEPT) unpacked.delete(unpacked.keys().next().value);
  return opening;
}

// Put the tokens of a block into its spans: lengths, and the ids that the vocabulary does not have.
function withTokens({ runs, tokens }) {
  runs.forEach((details, place) => {
    details.trajectory.spans.forEach((span, i) => {
      const found = tokens[place][i];
      if (found === null) return;
      const [lengths, other] = Array.isArray(found) ? found : [found, null];
      span.lengths = [...lengths].map((code) => code.codePointAt(0) - 48);
      span.other = other;
    });
  });
  return runs;
}

async function ask(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response.json();
}

const asked = (first, last) => ask(`runs?stamp=${encodeURIComponent(state.stamp)}&first=${first}&last=${last}`);

// All data of one trajectory; null if the rows of the server have changed since.
async function detailsOf(row) {
  if (!LIVE) return (await block(row.block))[row.place];
  if (state.paged) return ask(`trajectory?key=${encodeURIComponent(row.key)}`);
  const found = await asked(row.block, row.block + 1);
  return found && found[0];
}

// Calls `look(row, details)` for all rows, block by block, and `went(done)` after each; `go()` says whether to go on.
async function through(rows, look, went, go) {
  const parts = new Map();
  for (const row of rows) {
    const part = LIVE ? Math.floor(row.block / 25) : row.block;
    if (!parts.has(part)) parts.set(part, []);
    parts.get(part).push(row);
  }
  let done = 0;
  for (const [part, members] of parts) {
    const found = LIVE ? await asked(part * 25, part * 25 + 25) : await block(part);
    if (!go() || !found) return;
    for (const row of members) {
      const details = found[LIVE ? row.block - part * 25 : row.place];
      if (details) look(row, details);
    }
    done += members.length;
    went(done);
    await new Promise((resolve) => setTimeout(resolve));
    if (!go()) return;
  }
}

// Fetch new rows from the server; true if anything changed.
async function refresh() {
  const news = await ask(`rows?have=${state.have}&stamp=${encodeURIComponent(state.stamp)}`);
  const before = state.version,
    finished = state.facts.finished,
    steps = state.facts.curve && state.facts.curve.step.length;
  state.facts = news.facts;
  if (news.stamp !== state.stamp) {
    state.rows = [];
    state.byKey = new Map();
    state.have = 0;
    state.stamp = news.stamp;
    state.version += 1;
  }
  state.have += news.rows.length;
  take(news.rows);
  if (state.paged) {
    if (state.total !== news.total || JSON.stringify(state.figures) !== JSON.stringify(news.figures)) state.version += 1;
    Object.assign(state, { total: news.total, figures: news.figures });
  }
  const measured = steps !== (state.facts.curve && state.facts.curve.step.length);
  return { changed: state.version !== before || state.facts.finished !== finished || measured, error: news.error };
}
