// Rows that match filters, a part at a time: from the rows of this page, or from the server of a large run.

const RAIL = 100; // Rows of the list beside an episode.
const PARTS_KEPT = 20;
const partsOf = new Map(); // Answers of the server by request and version.

// Call `use` with a value, or once a promise has one.
const when = (value, use, failed) => (value instanceof Promise ? value.then(use).catch(failed || (() => {})) : use(value));

// Rows `first` to `first + count - 1` that match: { rows, first, total }, or a promise of it.
function partOfList(filters, first, count) {
  if (state.paged) return askPart("window", filters, { first, count });
  const rows = matching(filters);
  return { rows: rows.slice(first, first + count), first, total: rows.length };
}

// The rows around one of them: { rows, first, total, place, row }, or a promise of it. `place` is -1 without the row.
function partAround(key, filters) {
  if (state.paged) return askPart("around", filters, { key, count: RAIL });
  const row = state.byKey.get(key);
  if (!row) return { rows: [], first: 0, total: 0, place: -1, row: null };
  let rows = matching(filters);
  let place = rows.indexOf(row);
  // A link to an episode that the filters exclude: show it among all.
  if (place < 0) {
    rows = matching({});
    place = rows.indexOf(row);
  }
  const first = Math.max(0, Math.min(place - RAIL / 2, rows.length - RAIL));
  return { rows: rows.slice(first, first + RAIL), first, total: rows.length, place, row };
}

// The rows before and after the place of a part.
const beside = (part) => ({ before: part.rows[part.place - part.first - 1], after: part.rows[part.place - part.first + 1] });

function askPart(path, filters, more) {
  const query = new URLSearchParams();
  for (const name of NAMES) if (filters[name] && name !== "page") query.set(name, filters[name]);
  for (const [name, value] of Object.entries(more)) query.set(name, value);
  const request = `${path}?${query}`;
  const known = `${state.version} ${request}`;
  if (partsOf.has(known)) return partsOf.get(known);
  const answer = ask(request).then((found) => {
    const part = { ...found, rows: found.rows.map((values, i) => rowOf(values, found.first + i)) };
    for (const row of part.rows) state.byKey.set(row.key, row);
    if (part.place !== undefined) part.row = part.rows[part.place - part.first] || null;
    partsOf.set(known, part); // No promise any more: a page that is drawn again does not flicker.
    return part;
  });
  partsOf.set(known, answer);
  if (partsOf.size > PARTS_KEPT) partsOf.delete(partsOf.keys().next().value);
  answer.catch(() => partsOf.delete(known));
  return answer;
}
