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
  if (training()) return trainingOverview(state.rows);
  const found = figures();
  if (!found || !found.count) {
    return el(
      "div",
      { class: "overview" },
      heading(found ? found.count : state.total),
      el("p", { class: "empty" }, found ? "No episode yet. New ones appear here automatically." : "Counting …"),
    );
  }
  return el(
    "div",
    { class: "overview" },
    heading(found.count),
    samplingNote(),
    el("div", { class: "tiles" }, curation() ? curationTiles(found) : evaluationTiles(found)),
    el(
      "div",
      { class: "columns" },
      curation()
        ? [
            el("div", {}, curationFunnel(found), triggers(found)),
            el("div", {}, hintShares(found), hintPositions(found)),
            intervener(found),
            costs(found),
          ]
        : [
            el("div", {}, evaluationFunnel(found), found.backed ? withReports(found) : null, costs(found)),
            el("div", {}, found.triggers ? triggers(found) : null, perProblem(found)),
          ],
    ),
    families(found),
    settingsCard(state.facts),
  );
}

// A page of a large run in a file has some of its records.
function samplingNote() {
  return state.total > state.rows.length && !state.paged
    ? el(
        "p",
        { class: "note" },
        `The figures are of all ${whole(state.total)} records. This page can show ${whole(state.rows.length)} of them: the first ones of each outcome. `,
        el("code", {}, "storm view --serve"),
        " shows all.",
      )
    : null;
}

function trainingOverview(rows) {
  return el(
    "div",
    { class: "overview" },
    heading(rows.length),
    el("div", { class: "tiles" }, trainingTiles(rows)),
    learningCurve(),
    el(
      "div",
      { class: "columns" },
      el("div", {}, keptSteps(rows), rows.length ? withReports(figures()) : null),
      rows.length ? el("div", {}, triggers(figures())) : null,
    ),
    rows.length ? families(figures()) : null,
    settingsCard(state.facts),
  );
}

function heading(count) {
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
  const of = !finished && expected && expected > count ? ` of ${whole(expected)}` : "";
  return el(
    "div",
    { class: "heading" },
    el(
      "h1",
      { tabindex: "-1", id: "heading" },
      `${whole(count)}${of} ${count === 1 && !of ? things : `${things}s`}`,
    ),
    el("p", {}, shown(parts.join(" · "))),
  );
}

function discarded(outcomes, title) {
  if (!outcomes.length) return el("p", { class: "note" }, `${title}: none.`);
  return [
    el("h3", {}, `${title}: ${whole(sum(outcomes.map(([, count]) => count)))}`),
    el(
      "p",
      { class: "chips" },
      outcomes.map(([outcome, count]) =>
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

function triggers(all) {
  const counts = new Map(all.triggers);
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
      all.finders.map(([finder, count]) =>
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

function costs(all) {
  const list = curation()
    ? [
        ["tokens with intervener", whole(all.tokens)],
        ["tokens without interventions", whole(all.native_tokens)],
      ]
    : [["tokens of all trajectories", whole(all.tokens)]];
  return card(
    "Tokens and time",
    "Model tokens of the final trajectories, without removed text.",
    factList([
      ...list,
      ["tokens per trajectory, mean", whole(all.tokens / all.count)],
      ["programs run", whole(all.programs)],
      ["model and programs, total", duration(all.seconds)],
      ["wall time", duration(all.wall)],
    ]),
  );
}

const factList = (pairs) =>
  el(
    "dl",
    { class: "facts" },
    pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );

function families(all) {
  const names = all.triggers ? Object.keys(state.facts.triggers) : [];
  const groups = [...all.families].sort((a, b) => a.family.localeCompare(b.family));
  const most = Math.max(1, ...groups.flatMap((one) => one.triggers.map(([, count]) => count)));
  const heads = [
    el("th", { scope: "col" }, "family"),
    numeric(curation() ? "problems" : training() ? "rollouts" : "samples"),
    ...(curation() ? [numeric("at once"), numeric("in the end"), numeric("golden")] : [numeric("right")]),
    ...names.map((name) => numeric(SHORT[name], words(name))),
  ];
  const body = groups.map((one) => {
    const { family } = one;
    const part = (count) => figure(percent(count, one.count));
    return [
      el("th", { scope: "row" }, el("a", { href: episodes({ family }) }, shown(family))),
      figure(whole(one.count)),
      ...(curation() ? [part(one.native), part(one.right), part(one.golden)] : [part(one.right)]),
      ...names.map((trigger) => {
        const count = countIn(one.triggers, trigger);
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
      : all.triggers
        ? "Right answers and flaws per family."
        : "Right answers per family.",
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
