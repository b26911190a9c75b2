// Overview of an evaluation: the funnel, problems, and answers backed by a solver.

function evaluationTiles(all) {
  const solved = sum(all.right_per_problem.filter(([right]) => right).map(([, count]) => count));
  return [
    tile(
      "Right",
      percent(all.right, all.scored, 1),
      `${whole(all.right)} of ${plural(all.scored, "scored trajectory", "scored trajectories")}`,
      episodes({ outcome: "correct" }),
    ),
    tile(
      "Problems",
      whole(all.problems),
      `${plural(Math.round(all.count / Math.max(1, all.problems)), "trajectory", "trajectories")} per problem`,
    ),
    tile("Solved at least once", percent(solved, all.problems), "of the problems"),
    all.backed
      ? tile("Backed by a solver", percent(all.backed.yes.count, all.scored), "answers that a solver report confirms")
      : null,
    tile("Tokens per trajectory", whole(all.tokens / all.count), "mean"),
    tile("Wall time", duration(all.wall), `${plural(all.count, "trajectory", "trajectories")}`),
  ].filter(Boolean);
}

function evaluationFunnel(all) {
  const of = (...names) => sum(names.map((name) => countIn(all.outcomes, name)));
  const answered = of("correct", "wrong_answer", "no_answer");
  const read = of("correct", "wrong_answer");
  return card(
    "Funnel",
    null,
    bars(
      [
        { label: "trajectories", value: all.count, href: episodes({}), strong: true },
        { label: "with an answer", value: answered, tone: "calm", note: percent(answered, all.count, 1) },
        { label: "with a readable answer", value: read, tone: "calm", note: percent(read, all.count, 1) },
        {
          label: "right",
          value: all.right,
          tone: "good",
          href: episodes({ outcome: "correct" }),
          strong: true,
          note: percent(all.right, all.count, 1),
        },
      ],
      all.count,
    ),
    discarded(
      all.outcomes.filter(([outcome]) => outcome !== "correct"),
      "Not right",
    ),
  );
}

function perProblem(all) {
  const bins = Array.from({ length: all.samples + 1 }, (_, i) => ({
    label: `${i} right`,
    tick: `${i}`,
    value: countIn(all.right_per_problem, i),
  }));
  return card(
    "Right runs of a problem",
    "Problems by how many of their runs are right.",
    histogram(bins, plural(all.problems, "problem"), "runs that are right"),
  );
}

function withReports(all) {
  const line = (name, { count, right }) => [
    name,
    figure(whole(count)),
    figure(whole(right)),
    figure(percent(right, count)),
  ];
  return card(
    "With and without a solver",
    "A right answer that no solver report bears out may be luck, memory or arithmetic.",
    table(
      "With and without a solver",
      [el("th", { scope: "col" }, "answer"), numeric("runs"), numeric("right"), numeric("share")],
      [line("a solver reported it", all.backed.yes), line("no report bears it out", all.backed.no)],
    ),
  );
}
