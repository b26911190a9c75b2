// The overview: results of the run, with links to the episodes behind each figure.

const SHORT = {
  manual_computation: "manual",
  fragmented_code: "fragmented",
  solver_distrust: "distrust",
  wrong_formulation: "formulation",
  missing_constraint: "constraint",
  wrong_variable_type: "variable type",
  implementation_drift: "drift",
};
const CLASSES = {
  code_utilization_distrust: "Code utilization distrust",
  lack_of_or_expertise: "Lack of OR expertise",
};
const curation = () => state.facts.kind === "curation";

function overview() {
  const rows = state.rows;
  if (training()) return trainingOverview(rows);
  if (!rows.length) {
    return el(
      "div",
      { class: "overview" },
      heading(rows),
      el("p", { class: "empty" }, "No episode yet. New ones appear here automatically."),
    );
  }
  return el(
    "div",
    { class: "overview" },
    heading(rows),
    el("div", { class: "tiles" }, curation() ? curationTiles(rows) : evaluationTiles(rows)),
    el(
      "div",
      { class: "columns" },
      curation()
        ? [
            el("div", {}, curationFunnel(rows), triggers(rows)),
            el("div", {}, hintShares(rows), hintPositions(rows)),
            intervener(rows),
            costs(rows),
          ]
        : [
            el("div", {}, evaluationFunnel(rows), withReports(rows), costs(rows)),
            el("div", {}, triggers(rows), perProblem(rows)),
          ],
    ),
    families(rows),
    settingsCard(state.facts),
  );
}

function trainingOverview(rows) {
  return el(
    "div",
    { class: "overview" },
    heading(rows),
    el("div", { class: "tiles" }, trainingTiles(rows)),
    learningCurve(),
    el(
      "div",
      { class: "columns" },
      el("div", {}, keptSteps(rows), rows.length ? withReports(rows) : null),
      rows.length ? el("div", {}, triggers(rows)) : null,
    ),
    rows.length ? families(rows) : null,
    settingsCard(state.facts),
  );
}

function heading(rows) {
  const { settings, kind, expected, finished } = state.facts;
  const from =
    settings.families && settings.families.length
      ? [`families ${settings.families.join(", ")}`, settings.split].filter(Boolean).join(", ")
      : settings.benchmark && settings.benchmark.length
        ? settings.benchmark.join(", ")
        : (settings.problems || "").split("/").pop();
  const parts = [
    settings.model && settings.model.split("/").slice(-2).join("/"),
    settings.reasoner && `by ${settings.reasoner}`,
    settings.intervener && `intervener ${settings.intervener}`,
    from,
    settings.seed !== undefined && `seed ${settings.seed}`,
  ].filter(Boolean);
  const things = { curation: "problem", training: "rollout" }[kind] || "sample";
  const of = !finished && expected && expected > rows.length ? ` of ${whole(expected)}` : "";
  return el(
    "div",
    { class: "heading" },
    el(
      "h1",
      { tabindex: "-1", id: "heading" },
      `${whole(rows.length)}${of} ${rows.length === 1 && !of ? things : `${things}s`}`,
    ),
    el("p", {}, shown(parts.join(" · "))),
  );
}

function discarded(rows, title) {
  if (!rows.length) return el("p", { class: "note" }, `${title}: none.`);
  return [
    el("h3", {}, `${title}: ${whole(rows.length)}`),
    el(
      "p",
      { class: "chips" },
      counted(rows.map((row) => row.outcome)).map(([outcome, count]) =>
        el(
          "a",
          { class: `chip ${toneOf(outcome)}`, href: episodes({ outcome }) },
          words(outcome),
          el("b", {}, whole(count)),
        ),
      ),
    ),
  ];
}

function triggers(rows) {
  const counts = new Map(counted(rows.flatMap((row) => row.triggers)));
  const most = Math.max(1, ...counts.values());
  const parts = Object.entries(CLASSES).map(([kind, title]) => {
    const names = Object.keys(state.facts.triggers).filter((name) => state.facts.triggers[name] === kind);
    const total = sum(names.map((name) => counts.get(name) || 0));
    return [
      el("h3", {}, title, el("b", {}, whole(total))),
      bars(
        names.map((trigger) => ({
          label: words(trigger),
          value: counts.get(trigger) || 0,
          tone: kind === "lack_of_or_expertise" ? "second" : "first",
          href: episodes({ trigger }),
        })),
        most,
      ),
    ];
  });
  const finders = counted(rows.flatMap((row) => row.finders));
  const note = curation()
    ? "Interventions by trigger, including those that a later one removed."
    : "Flaws that the rules find in the trajectories.";
  return card(
    curation() ? "Triggers" : "Flaws",
    note,
    parts,
    el(
      "p",
      { class: "chips" },
      finders.map(([finder, count]) =>
        el(
          "a",
          { class: "chip", href: episodes({ finder }) },
          `found by ${finder === "llm" ? "an LLM" : finder === "person" ? "a person" : "rules"}`,
          el("b", {}, whole(count)),
        ),
      ),
    ),
  );
}

function costs(rows) {
  const own = sum(rows.map((row) => row.tokens)),
    native = sum(rows.map((row) => row.native_tokens));
  const list = curation()
    ? [
        ["tokens with intervener", whole(own)],
        ["tokens without interventions", whole(native)],
      ]
    : [["tokens of all trajectories", whole(own)]];
  return card(
    "Tokens and time",
    "Model tokens of the final trajectories, without removed text.",
    factList([
      ...list,
      ["tokens per trajectory, mean", whole(mean(rows.map((row) => row.tokens)))],
      ["programs run", whole(sum(rows.map((row) => row.programs)))],
      ["model and programs, total", duration(sum(rows.map((row) => row.seconds)))],
      ["wall time", duration(largest(rows.map((row) => row.at)))],
    ]),
  );
}

const factList = (pairs) =>
  el(
    "dl",
    { class: "facts" },
    pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );

function families(rows) {
  const groups = new Map();
  for (const row of rows) {
    const family = row.family || "other";
    if (!groups.has(family)) groups.set(family, []);
    groups.get(family).push(row);
  }
  const names = Object.keys(state.facts.triggers);
  const counts = [...groups]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([family, members]) => [family, members, new Map(counted(members.flatMap((row) => row.triggers)))]);
  const most = Math.max(1, ...counts.flatMap(([, , found]) => [...found.values()]));
  const heads = [
    el("th", { scope: "col" }, "family"),
    numeric(curation() ? "problems" : training() ? "rollouts" : "samples"),
    ...(curation() ? [numeric("at once"), numeric("in the end"), numeric("golden")] : [numeric("right")]),
    ...names.map((name) => numeric(SHORT[name], words(name))),
  ];
  const body = counts.map(([family, members, found]) => {
    const part = (test) => figure(percent(members.filter(test).length, members.length));
    return [
      el("th", { scope: "row" }, el("a", { href: episodes({ family }) }, shown(family))),
      figure(whole(members.length)),
      ...(curation()
        ? [part((row) => row.native), part((row) => row.right), part((row) => row.outcome === "golden")]
        : [part((row) => row.right)]),
      ...names.map((trigger) => {
        const count = found.get(trigger) || 0;
        return el(
          "td",
          { class: "n heat", share: count / most },
          count ? el("a", { href: episodes({ family, trigger }) }, whole(count)) : el("span", { class: "faint" }, "·"),
        );
      }),
    ];
  });
  return card(
    "Families",
    curation()
      ? "Results per family, and the triggers that fired."
      : "Right answers and flaws per family.",
    table("Families", heads, body, "families"),
  );
}

function settingsCard(runFacts) {
  const pairs = Object.entries(runFacts.settings).filter(
    ([, value]) => value !== "" && !(Array.isArray(value) && !value.length),
  );
  if (!pairs.length) return null;
  return el(
    "details",
    { class: "card settings" },
    el("summary", {}, "Settings of the run"),
    factList(
      pairs.map(([name, value]) => [words(name), shown(Array.isArray(value) ? value.join(", ") : String(value))]),
    ),
  );
}
