// Overview of an evaluation: the funnel, problems, and answers backed by a solver.

function evaluationTiles(rows) {
  const scored = rows.filter((row) => row.right !== null),
    right = scored.filter((row) => row.right);
  const problems = byProblem(rows);
  return [
    tile(
      "Right",
      percent(right.length, scored.length, 1),
      `${whole(right.length)} of ${plural(scored.length, "scored trajectory", "scored trajectories")}`,
      episodes({ outcome: "correct" }),
    ),
    tile(
      "Problems",
      whole(problems.length),
      `${plural(Math.round(rows.length / Math.max(1, problems.length)), "trajectory", "trajectories")} per problem`,
    ),
    tile(
      "Solved at least once",
      percent(problems.filter((one) => one.some((row) => row.right)).length, problems.length),
      "of the problems",
    ),
    tile(
      "Backed by a solver",
      percent(scored.filter((row) => row.backed).length, scored.length),
      "answers that a solver report confirms",
    ),
    tile("Tokens per trajectory", whole(mean(rows.map((row) => row.tokens))), "mean"),
    tile("Wall time", duration(largest(rows.map((row) => row.at))), `${plural(rows.length, "trajectory", "trajectories")}`),
  ];
}

function byProblem(rows) {
  const groups = new Map();
  for (const row of rows) groups.has(row.id) ? groups.get(row.id).push(row) : groups.set(row.id, [row]);
  return [...groups.values()];
}

function evaluationFunnel(rows) {
  const all = rows.length;
  const answered = rows.filter((row) => ["correct", "wrong_answer", "no_answer"].includes(row.outcome)).length;
  const read = rows.filter((row) => ["correct", "wrong_answer"].includes(row.outcome)).length;
  const right = rows.filter((row) => row.right).length;
  return card(
    "Funnel",
    null,
    bars(
      [
        { label: "trajectories", value: all, href: episodes({}), strong: true },
        { label: "with an answer", value: answered, tone: "calm", note: percent(answered, all, 1) },
        { label: "with a readable answer", value: read, tone: "calm", note: percent(read, all, 1) },
        {
          label: "right",
          value: right,
          tone: "good",
          href: episodes({ outcome: "correct" }),
          strong: true,
          note: percent(right, all, 1),
        },
      ],
      all,
    ),
    discarded(
      rows.filter((row) => !row.right),
      "Not right",
    ),
  );
}

function perProblem(rows) {
  const problems = byProblem(rows);
  const most = largest(problems.map((one) => one.length));
  const bins = Array.from({ length: most + 1 }, (_, i) => ({ label: `${i} right`, tick: `${i}`, value: 0 }));
  for (const one of problems) bins[one.filter((row) => row.right).length].value += 1;
  return card(
    "Right runs of a problem",
    "Problems by how many of their runs are right.",
    histogram(bins, plural(problems.length, "problem"), "runs that are right"),
  );
}

function withReports(rows) {
  const part = (backed) => rows.filter((row) => row.right !== null && row.backed === backed);
  const line = (name, members) => [
    name,
    figure(whole(members.length)),
    figure(whole(members.filter((row) => row.right).length)),
    figure(percent(members.filter((row) => row.right).length, members.length)),
  ];
  return card(
    "With and without a solver",
    "A right answer that no solver report bears out may be luck, memory or arithmetic.",
    table(
      "With and without a solver",
      [el("th", { scope: "col" }, "answer"), numeric("runs"), numeric("right"), numeric("share")],
      [line("a solver reported it", part(true)), line("no report bears it out", part(false))],
    ),
  );
}
