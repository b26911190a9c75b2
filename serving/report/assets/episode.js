// The page of one episode: problem, outcome, trajectories, and the list beside it.

function episodePage(part, filters) {
  const { row } = part;
  const body = el("div", { class: "body", "aria-busy": "true" });
  const page = el(
    "div",
    { class: "split" },
    rail(part, filters),
    el(
      "article",
      { class: "episode" },
      el("div", { class: "bar" }, steps(part, filters), readingBar(filters.q)),
      el(
        "h1",
        { tabindex: "-1", id: "heading" },
        shown(row.id),
        row.sample === null ? null : el("small", {}, `${training() ? "rollout" : "sample"} ${row.sample + 1}`),
      ),
      el(
        "p",
        { class: "meta" },
        badge(row.outcome),
        course(row),
        training() ? el("span", {}, `step ${whole(row.step)}, reward ${exact(row.reward)}`) : null,
        row.family ? el("span", {}, shown(words(row.family))) : null,
        row.difficulty ? el("span", {}, row.difficulty) : null,
        el("span", {}, plural(row.tokens, "token")),
        el("span", {}, plural(row.programs, "program")),
        row.triggers.length && curation()
          ? el("span", {}, `${plural(row.triggers.length, "hint")}, ${percent(row.share, 1, 1)}`)
          : null,
        el("span", {}, duration(row.seconds)),
      ),
      body,
    ),
  );
  fillBody(body, row);
  return page;
}

function fillBody(body, row) {
  fill_(body, detailsOf(row), (details) => contents(row, details), (details, words_) => holds(row, details, words_));
}

// Draw an episode once its data is there; draw it again in another view with `redraw`.
function fill_(body, asked_, draw, has) {
  asked_.then(
    (details) => {
      // The user may have gone to another page meanwhile.
      if (!details || !body.isConnected || !body.hasAttribute("aria-busy")) return;
      const redraw = () => {
        body.replaceChildren(...draw(details));
        for (const one of body.querySelectorAll(".outline")) one.follow();
      };
      body.removeAttribute("aria-busy");
      body.holds = (words_) => has(details, words_);
      body.closest(".episode").redraw = redraw;
      redraw();
      if (by("find").value) look_(by("find").value);
    },
    (error) => body.replaceChildren(el("p", { class: "empty" }, `This trajectory cannot be read: ${error.message}`)),
  );
}

function holds(row, details, words_) {
  for (const text of textsOf(row, details)) if (text.toLowerCase().includes(words_.toLowerCase())) return true;
  return false;
}

// Redraw the parts around an episode after new rows; keep the episode itself.
function redrawAround(page, part, filters) {
  const { row } = part;
  const old = page.querySelector(".rail"),
    height = old.scrollTop;
  const made = rail(part, filters);
  old.replaceWith(made);
  requestAnimationFrame(() => {
    made.scrollTop = height;
  });
  const held = document.activeElement && document.activeElement.id;
  page.querySelector(".steps").replaceWith(steps(part, filters));
  if (held && held.startsWith("step-") && by(held)) by(held).focus({ preventScroll: true });
  // The rest of the group may have arrived.
  const reward = page.querySelector(".body .reward");
  if (reward && reward.again) reward.replaceWith(reward.again(row));
  // The rows of the server changed during the request: retry with the new position.
  const body = page.querySelector(".body");
  if (body.hasAttribute("aria-busy")) fillBody(body, row);
}

function steps(part, filters) {
  const { before, after } = beside(part);
  const step = (to, label, key) =>
    to
      ? el(
          "a",
          { class: "button", href: link("episode", filters, to.key), id: `step-${key}`, title: `${label} (${key})` },
          label,
        )
      : el("span", { class: "button off", "aria-disabled": "true" }, label);
  return el(
    "div",
    { class: "steps" },
    el("a", { class: "button", href: link("episodes", { ...filters, page: null }) }, "All"),
    el("span", { class: "faint" }, `${whole(part.place + 1)} of ${whole(part.total)}`),
    step(before, "Previous", "k"),
    step(after, "Next", "j"),
  );
}

function course(row) {
  const name = courseOf(row);
  return name
    ? el(
        "span",
        { class: `course ${name}` },
        { at_once: "right at once", corrected: "corrected", lost: "lost by hints", never: "never right" }[name],
      )
    : null;
}

function rail({ rows, first, place, total }, filters) {
  const made = el(
    "nav",
    { class: "rail", "aria-label": "Episodes" },
    el(
      "p",
      { class: "faint" },
      Object.keys(filters).length ? "as filtered; " : "",
      el("a", { href: link("episodes", filters) }, plural(total, noun())),
    ),
    el(
      "ol",
      { start: first + 1 },
      rows
        .map((row, i) =>
          el(
            "li",
            {},
            el(
              "a",
              { href: link("episode", filters, row.key), "aria-current": first + i === place ? "true" : null },
              el("i", { class: `dot ${toneOf(row.outcome)}`, title: words(row.outcome) }),
              el("span", {}, shown(row.id), row.sample === null ? "" : ` · ${row.sample + 1}`),
              row.triggers.length ? el("b", { title: curation() ? "hints" : "flaws" }, row.triggers.length) : null,
            ),
          ),
        ),
    ),
  );
  requestAnimationFrame(() => {
    const here = made.querySelector("[aria-current]");
    if (here) made.scrollTop = here.offsetTop - made.clientHeight / 2;
  });
  return made;
}

function contents(row, details) {
  const { trajectory: run, native } = details;
  const answers = details.answers.map((answer) => number(answer)).join(" or ") || "unknown";
  return [
    el(
      "section",
      { class: "question" },
      el("h2", {}, "Problem"),
      questionOf(details.question),
      factList([
        ["accepted answer", answers],
        ...(details.wanted.length ? [["outputs", shown(details.wanted.join(", "))]] : []),
        ...(details.seed === null ? [] : [["seed", String(details.seed)]]),
        ...(details.temperature === null ? [] : [["temperature", number(details.temperature)]]),
        ...(details.source ? [["source", shown(details.source)]] : []),
      ]),
    ),
    training() ? rewardSection(row, details) : null,
    details.left.length
      ? el(
          "section",
          { class: "left" },
          el("h2", {}, curation() ? "Flaws found at the end" : "Flaws that the rules find"),
          details.left.map((one) => found(one, one.finder)),
        )
      : null,
    curation()
      ? runsBeside(run, native, details)
      : el("section", { class: "run" }, el("h2", {}, "Trajectory"), trajectory(run, details.left)),
    details.rejected_hints.length ? rejectedHints(details.rejected_hints) : null,
    details.cost && details.cost.calls + details.cost.cached
      ? el(
          "section",
          {},
          el("h2", {}, "Cost of the intervener"),
          factList([
            ["calls", whole(details.cost.calls)],
            ["from the cache", whole(details.cost.cached)],
            ["tokens in", whole(details.cost.input_tokens)],
            ["tokens out", whole(details.cost.output_tokens)],
            ["price", number(details.cost.price)],
            ["waiting", duration(details.cost.seconds)],
          ]),
        )
      : null,
  ].filter(Boolean);
}

function questionOf(question) {
  return question.tree && state.view === "text"
    ? rendered(question.tree)
    : bounded(question.text, shown, el("p", { dir: "auto" }));
}

function runsBeside(run, native, details) {
  const watched = el(
    "section",
    { class: "run" },
    el(
      "h2",
      {},
      native ? (run.interventions.length ? "With hints" : "With intervener") : "Trajectory",
      native ? usage(run) : null,
    ),
    trajectory(run, details.left),
  );
  if (!native)
    return el(
      "div",
      { class: "runs" },
      watched,
      el("p", { class: "note" }, "The intervener found nothing: the trajectory without interventions is the same."),
    );
  return el(
    "div",
    { class: "runs two" },
    watched,
    el("section", { class: "run" }, el("h2", {}, "Without interventions", usage(native)), trajectory(native, [])),
  );
}

const usage = (run) =>
  el(
    "small",
    {},
    `${plural(run.usage.model_tokens, "token")}, ${duration(run.usage.generation_seconds + run.usage.execution_seconds)}`,
  );

function rejectedHints(list) {
  return el(
    "section",
    {},
    el("h2", {}, "Rejected hints"),
    el("p", { class: "note" }, "Hints of the intervener that were not used."),
    table(
      "Rejected hints",
      ["reason", "trigger", "text"],
      list.map((one) => [
        words(one.reason),
        one.trigger ? words(one.trigger) : "–",
        el("td", {}, bounded(one.text, shown, el("div", { class: "prose", dir: "auto" }))),
      ]),
    ),
  );
}
