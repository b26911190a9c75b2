// The figures of the overview and of the filters, counted once: here from all rows, or by the server for a large run.

const SHARE_BINS = 30; // Of one percent each; the last one has all larger shares.

let figured = { version: -1, figures: null };

// The figures of the run; null while the server counts.
function figures() {
  return state.figures || (state.paged ? null : figuresOnPage());
}

// The figures of the rows that the list can show. The page of a large run in a file has some of its rows.
function figuresOnPage() {
  if (state.paged) return state.figures;
  if (figured.version !== state.version) figured = { version: state.version, figures: figuresOf(state.rows) };
  return figured.figures;
}

function figuresOf(rows) {
  const golden = rows.filter((row) => row.outcome === "golden");
  const scored = rows.filter((row) => row.right !== null);
  const positions = rows.flatMap((row) => row.positions);
  const problems = byProblem(rows);
  const part = (backed) => {
    const members = scored.filter((row) => row.backed === backed);
    return { count: members.length, right: members.filter((row) => row.right).length };
  };
  return {
    count: rows.length,
    outcomes: counted(rows.map((row) => row.outcome)),
    results: Object.fromEntries(Object.keys(RESULTS).map((name) => [name, rows.filter(IS[name]).length])),
    courses: counted(rows.map(courseOf)).filter(([name]) => name),
    stops: counted(rows.map((row) => row.stop || "none")),
    families: familiesOf(rows),
    triggers: counted(rows.flatMap((row) => row.triggers)),
    finders: counted(rows.flatMap((row) => row.finders)),
    rejected: counted(rows.flatMap((row) => row.rejected_hints)),
    having: {
      trigger: counted(rows.flatMap((row) => [...new Set(row.triggers)])),
      finder: counted(rows.flatMap((row) => [...new Set(row.finders)])),
      rejected: counted(rows.flatMap((row) => [...new Set(row.rejected_hints)])),
    },
    native: rows.filter((row) => row.native).length,
    right: rows.filter((row) => row.right).length,
    scored: scored.length,
    hints: sum(rows.map((row) => row.triggers.length)),
    hinted: rows.filter((row) => row.triggers.length).length,
    golden: {
      count: golden.length,
      share_mean: mean(golden.map((row) => row.share)),
      share_max: largest(golden.map((row) => row.share)),
      without_hints: golden.filter((row) => row.share === 0).length,
      shares: binned(golden.map((row) => row.share).filter(Boolean), SHARE_BINS, 0.01),
    },
    positions: { count: positions.length, mean: mean(positions), bins: binned(positions, 10, 0.1) },
    cost: [0, 1, 2, 3, 4, 5].map((place) => sum(rows.map((row) => (row.cost ? row.cost[place] : 0)))),
    tokens: sum(rows.map((row) => row.tokens)),
    native_tokens: sum(rows.map((row) => row.native_tokens)),
    programs: sum(rows.map((row) => row.programs)),
    seconds: sum(rows.map((row) => row.seconds)),
    wall: largest(rows.map((row) => row.at)),
    problems: problems.length,
    right_per_problem: counted(problems.map((one) => one.filter((row) => row.right).length)),
    samples: largest(problems.map((one) => one.length)),
    backed: { yes: part(true), no: part(false) },
  };
}

function familiesOf(rows) {
  const groups = new Map();
  for (const row of rows) {
    const family = row.family || "other";
    if (!groups.has(family)) groups.set(family, []);
    groups.get(family).push(row);
  }
  return [...groups].map(([family, members]) => ({
    family,
    count: members.length,
    native: members.filter((row) => row.native).length,
    right: members.filter((row) => row.right).length,
    golden: members.filter((row) => row.outcome === "golden").length,
    triggers: counted(members.flatMap((row) => row.triggers)),
  }));
}

function byProblem(rows) {
  const groups = new Map();
  for (const row of rows) groups.has(row.id) ? groups.get(row.id).push(row) : groups.set(row.id, [row]);
  return [...groups.values()];
}

function binned(values, count, width) {
  const bins = Array.from({ length: count }, () => 0);
  for (const value of values) bins[Math.min(count - 1, Math.floor(value / width))] += 1;
  return bins;
}

const countIn = (pairs, name) => (pairs.find(([one]) => one === name) || [name, 0])[1];
