// A trajectory, span by span: its sources, programs with output and solver reports, hints with the text that they replaced.

const SOURCES = { prompt: "Prompt", model: "Model", tool: "Program output", hint: "Hint" };

function trajectory(run, findings) {
  let programs = 0;
  const segments = [];
  const add = (target, kind, label, note) => {
    segments.push({ target, kind, label, note });
    return target;
  };
  const drawn = run.spans.map((span, place) => {
    const evidence = (findings.find((finding) => finding.span === place) || {}).evidence;
    if (span.source === "prompt") return state.view === "tokens" ? tokenSpan(span, "Prompt") : promptSpan(span);
    if (span.source === "tool") {
      programs += 1;
      const { status, wall_seconds: seconds } = span.execution;
      return add(
        state.view === "tokens" ? tokenSpan(span, `Output ${programs}`) : toolSpan(span, programs, evidence),
        status === "ok" ? "tool" : "failed",
        `Output ${programs}`,
        status === "ok" ? duration(seconds) : words(status),
      );
    }
    if (span.source === "hint") {
      const one = run.interventions[span.intervention];
      return add(
        state.view === "tokens" ? tokenSpan(span, "Hint") : hintSpan(run, span),
        "hint",
        one ? `Hint ${span.intervention + 1}` : "Hint",
        one ? words(one.finding.trigger) : null,
      );
    }
    if (state.view === "tokens") return add(tokenSpan(span, "Model"), "model", "Model", sizeOf(modelPart(span)));
    const inner = span.parts.map((part) => {
      const made = partOf(part, evidence);
      if (made && part.kind === "program") add(made, "model", `Program ${programs + 1}`);
      else if (made) add(made, "model", part.kind === "thought" ? "Thought" : "Text", sizeOf(part));
      return made;
    });
    return spanOf("model", "Model", inner);
  });
  const gone = run.interventions.filter((one) => !one.stands);
  const end = ending(run);
  const score = run.score;
  add(
    end,
    score ? `end ${toneOf(score.reason)}` : "end",
    score && score.answer ? "Answer" : "End",
    [words(score ? score.reason : run.stop || ""), (BACKINGS[run.verdict.backing] || [])[1]].filter(Boolean).join(", "),
  );
  return el(
    "div",
    { class: "trajectory" },
    outline(segments, "Outline"),
    drawn,
    gone.length && state.view !== "tokens"
      ? spanOf(
          "hint",
          `${plural(gone.length, "hint")} that a later one cut away`,
          gone.map((one) =>
            el(
              "details",
              { class: "fold gone" },
              el(
                "summary",
                {},
                el("span", { class: "who" }, `Hint ${run.interventions.indexOf(one) + 1}`),
                el("span", { class: "peek" }, shown(one.hint)),
              ),
              intervention(run, one),
            ),
          ),
        )
      : null,
    end,
  );
}

// All parts of a model span as one, for its size.
const modelPart = (span) => ({
  text: textOf(span),
  tokens: span.lengths ? span.lengths.length : sum(span.parts.map((part) => part.tokens)),
});

function spanOf(source, label, ...content) {
  return el("section", { class: `span ${source}`, "aria-label": label }, el("h3", { class: "who" }, label), content);
}

function promptSpan(span) {
  return el(
    "details",
    { class: "span prompt" },
    el(
      "summary",
      {},
      el("span", { class: "who" }, "Prompt"),
      el("span", { class: "faint" }, plural(span.text.length, "character")),
    ),
    bounded(span.text, prose, el("div", { class: "prose", dir: "auto" })),
  );
}

function toolSpan(span, order, evidence) {
  const execution = span.execution;
  const body = span.text
    .replace(/^(?:```output|<tool_response>)\n?/, "")
    .replace(/\n?(?:```|<\/tool_response>)\s*$/, "");
  const lines = body.trim().split("\n");
  const facts = [
    execution.status === "ok" ? null : words(execution.status),
    duration(execution.wall_seconds),
    plural(execution.reports.length, "solve"),
  ];
  return el(
    "section",
    { class: `span tool ${execution.status === "ok" ? "" : "failed"}`, "aria-label": `Output of program ${order}` },
    execution.code ? codeBlock(execution.code) : null,
    execution.reports.length ? reports(execution.reports) : null,
    el(
      "details",
      { class: "fold" },
      el(
        "summary",
        {},
        el("span", { class: "who" }, `Output ${order}`),
        el("code", { class: "peek" }, shown((lines.at(-1) || "(nothing)").slice(0, 120))),
        el("span", { class: "faint" }, facts.filter(Boolean).join(" · ")),
      ),
      bounded(body, (piece) => marked(piece, evidence), el("pre", { class: "output", tabindex: "0" })),
      !body.includes(execution.stdout.trim()) ? stream("All of standard output", execution.stdout) : null,
      !body.includes(execution.stderr.trim()) ? stream("Standard error", execution.stderr) : null,
      factList([
        [
          "ended",
          execution.status === "ok"
            ? "by itself"
            : `${words(execution.status)}${execution.signal ? `, signal ${execution.signal}` : execution.exit_code ? `, exit code ${execution.exit_code}` : ""}`,
        ],
        ["wall", duration(execution.wall_seconds)],
        ["processor", duration(execution.cpu_seconds)],
        ["memory", `${number(Math.round(execution.peak_memory_mb))} MiB`],
        ["sandbox", `${execution.isolation}, ${execution.backend}`],
        ...(execution.truncated ? [["output", "cut, it was over the limit"]] : []),
        ...Object.entries(execution.files).map(([name, size]) => ["file", shown(`${name}, ${whole(size)} bytes`)]),
      ]),
    ),
  );
}

function stream(title, text) {
  return el(
    "details",
    { class: "fold inner" },
    el("summary", {}, `${title}, ${plural(text.length, "character")}`),
    bounded(text, shown, el("pre", { class: "output", tabindex: "0" })),
  );
}

function reports(list) {
  const heads = [
    "solver",
    "status",
    "sense",
    numeric("objective"),
    numeric("bound"),
    numeric("variables", "continuous + integer + binary"),
    numeric("constraints"),
    numeric("seconds"),
  ];
  return table(
    "Solver reports",
    heads.map((head) => (typeof head === "string" ? el("th", { scope: "col" }, head) : head)),
    list.map((one) => [
      el("th", { scope: "row" }, shown(one.solver || "–"), el("small", {}, shown(one.library))),
      el(
        "td",
        {},
        el(
          "span",
          { class: `status ${one.status === "optimal" ? "good" : one.status === "error" ? "bad" : ""}` },
          one.status,
        ),
      ),
      one.sense || "–",
      figure(number(one.objective)),
      figure(number(one.bound), one.gap ? el("small", {}, `gap ${percent(one.gap, 1, 2)}`) : null),
      el(
        "td",
        { class: "n", title: `${one.continuous} continuous, ${one.integer} integer, ${one.binary} binary` },
        variables(one),
      ),
      figure(whole(one.constraints)),
      figure(one.seconds.toFixed(3)),
    ]),
    "reports",
  );
}

function variables(one) {
  const parts = [
    [one.continuous, "cont."],
    [one.integer, "int."],
    [one.binary, "bin."],
  ].filter(([count]) => count);
  return parts.map(([count, kind]) => `${whole(count)} ${kind}`).join(", ") || "0";
}

function hintSpan(run, span) {
  const one = run.interventions[span.intervention];
  if (!one) return spanOf("hint", "Hint", bounded(span.text, shown, el("div", { class: "prose", dir: "auto" })));
  return spanOf("hint", `Hint ${span.intervention + 1} of ${run.interventions.length}`, intervention(run, one));
}

function intervention(run, one) {
  return el(
    "div",
    { class: "intervention" },
    found(one.finding, one.finder),
    el(
      "div",
      { class: "swap" },
      el(
        "div",
        { class: "cut" },
        el("h4", {}, "Removed text", el("small", {}, plural(textOf({ parts: one.removed }).length, "character"))),
        one.removed.length
          ? parts(one.removed, one.finding.evidence)
          : el("p", { class: "faint" }, "Nothing: the hint is at the end."),
      ),
      el(
        "div",
        { class: "put" },
        el("h4", {}, one.stands ? "Inserted hint" : "Inserted hint, removed later"),
        el("div", { class: "prose", dir: "auto" }, shown(one.hint)),
      ),
    ),
  );
}

function found(finding, finder) {
  const who = finder === "llm" ? "an LLM" : finder === "person" ? "a person" : `rule ${words(finding.rule)}`;
  return el(
    "div",
    { class: "finding" },
    el(
      "p",
      {},
      el("a", { class: "trigger", href: episodes({ trigger: finding.trigger }) }, words(finding.trigger)),
      el("span", { class: "faint" }, `found by `, shown(who), ` · confidence ${finding.confidence.toFixed(2)}`),
    ),
    finding.why ? el("p", { dir: "auto" }, shown(finding.why)) : null,
    finding.evidence
      ? el(
          "p",
          { class: "evidence", dir: "auto" },
          el("span", { class: "faint" }, "evidence "),
          bounded(finding.evidence, shown, el("q", {})),
        )
      : null,
  );
}

const STOPS = {
  answer: "The model ended with an answer.",
  budget: "The model wrote one program more than allowed.",
  length: "The model ran out of tokens.",
  context: "The text no longer fits the context of the model.",
  repetition: "The model repeated itself without end.",
  malformed: "The model ended without an answer or a program.",
  infrastructure: "The sandbox failed.",
};

const BACKINGS = {
  backed: ["good", "backed"],
  contradicted: ["bad", "contradicted"],
  unbacked: ["near", "not backed"],
};

// The verdict on an answer: whether a solver report supports it, and warnings.
function verdict(found) {
  if (!BACKINGS[found.backing]) return null;
  const [tone, name] = BACKINGS[found.backing];
  const backed = found.backing === "backed";
  const warnings = found.warnings.map((words) => el("li", {}, shown(words)));
  return el(
    "div",
    { class: "verdict" },
    el("span", { class: `badge ${tone}` }, name),
    backed ? el("span", {}, " ", shown(found.summary)) : null,
    warnings.length ? el("ul", {}, warnings) : null,
  );
}

const CHECKS = { passed: "good", failed: "bad", unknown: "near" };

// The plan behind an answer: its check, and the variables that are not 0.
function plan(found) {
  if (!found) return null;
  const rows = found.lines.map(([name, value]) =>
    el("tr", {}, el("td", {}, shown(name)), el("td", { class: "value" }, value)),
  );
  const rest = [
    found.left_out ? `${found.left_out} more` : "",
    found.zero ? `${found.zero} at 0` : "",
  ].filter(Boolean);
  return el(
    "div",
    { class: "plan" },
    el("span", { class: `badge ${CHECKS[found.outcome]}` }, found.outcome === "unknown" ? "plan not checked" : `plan ${found.outcome}`),
    el("span", {}, " ", shown(found.check)),
    rows.length
      ? el(
          "details",
          {},
          el("summary", {}, `Plan: ${rows.length} ${rows.length === 1 ? "variable" : "variables"}`),
          el("table", {}, el("tbody", {}, rows)),
          rest.length ? el("p", { class: "faint" }, `and ${rest.join(", ")}`) : null,
        )
      : null,
  );
}

function ending(run) {
  return el("div", {}, outcome(run), outputs(run.score), verdict(run.verdict), plan(run.plan));
}

/** Show what a check of the outputs found: feasible or not, objective value, gap, violations. */
function outputs(score) {
  if (!score || (score.feasible === null && !score.violations.length)) return null;
  const facts = [];
  if (score.feasible !== null) facts.push(score.feasible ? "The plan is feasible" : "The plan is infeasible");
  if (score.objective !== null) facts.push(`objective value ${number(score.objective)}`);
  if (score.gap !== null) facts.push(`gap ${number(Number((100 * score.gap).toPrecision(3)))} %`);
  return el(
    "div",
    { class: "outputs" },
    facts.length ? el("p", {}, `${facts.join(", ")}.`) : null,
    score.violations.length ? el("ul", {}, score.violations.map((one) => el("li", {}, shown(one)))) : null,
  );
}

function outcome(run) {
  const score = run.score,
    answer = score && score.answer;
  return el(
    "p",
    { class: "ending" },
    STOPS[run.stop] || "Not finished.",
    " ",
    score ? el("span", { class: `badge ${toneOf(score.reason)}` }, words(score.reason)) : null,
    " ",
    answer
      ? [el("b", {}, shown(answer.text.slice(0, 300))), el("span", { class: "faint" }, ` under the rule ${score.rule}`)]
      : null,
  );
}
