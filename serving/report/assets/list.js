// All episodes as a table with filters.

const ROWS = 100; // Rows per page.

function listPage(filters) {
  const found = el("div", { class: "found" });
  const controls = filterBar(filters);
  let drawn = 0;
  const draw = () => {
    const held = found.contains(document.activeElement) && document.activeElement.getAttribute("href");
    const filters = route().filters;
    const page = Math.max(1, Number.parseInt(filters.page, 10) || 1);
    found.setAttribute("aria-busy", "true");
    when(
      partOfList(filters, (page - 1) * ROWS, ROWS),
      (part) => {
        if (JSON.stringify(route().filters) !== JSON.stringify(filters)) return;
        // A page after the last one, from an address: the last one.
        const last = Math.max(1, Math.ceil(part.total / ROWS));
        if (page > last) {
          location.replace(link("episodes", { ...filters, page: last === 1 ? null : String(last) }));
          return;
        }
        found.removeAttribute("aria-busy");
        found.replaceChildren(...results(filters, part, page, last));
        const same = held && [...found.querySelectorAll("a")].find((one) => one.getAttribute("href") === held);
        if (same) same.focus({ preventScroll: true });
      },
      (error) => found.replaceChildren(el("p", { class: "empty" }, `The list cannot be read: ${error.message}`)),
    );
    drawn = performance.now();
  };
  const fill = () => {
    const now = route().filters;
    if (now.whole && now.q) {
      // Not after each block: drawing the table takes longer than searching a block.
      const went = () => found.isConnected && (!search.running || performance.now() - drawn > 300) && draw();
      // The polling code reports a server that is gone.
      searchWhole(now, went).catch(() => {});
    }
    draw();
  };
  const made = el(
    "div",
    { class: "list" },
    el("h1", { tabindex: "-1", id: "heading" }, training() ? "Rollouts" : "Episodes"),
    controls.bar,
    found,
  );
  made.fill = () => {
    controls.set(route().filters);
    fill();
  };
  fill();
  return made;
}

function filterBar(filters) {
  const rows = state.rows;
  const all = figuresOnPage(); // null while the server counts.
  const some = (name, label, pairs) => {
    const choice = el(
      "select",
      { id: `filter-${name}`, change: (event) => change(name, event.target.value) },
      el("option", { value: "" }, "any"),
      pairs.map(([value, text]) => el("option", { value }, text)),
    );
    return pairs.length ? el("label", {}, el("span", {}, label), choice) : null;
  };
  const withCounts = (counts) => counts.map(([value, count]) => [value, `${words(value)} (${whole(count)})`]);
  const parts = !all ? [] : [
    some(
      "result",
      "Result",
      Object.entries(RESULTS)
        .map(([value, text]) => [value, text, all.results[value]])
        .filter(([, , count]) => count)
        .map(([value, text, count]) => [value, `${text} (${whole(count)})`]),
    ),
    some("outcome", "Outcome", withCounts(all.outcomes)),
    curation()
      ? some(
          "course",
          "Course",
          all.courses.map(([value, count]) => [value, `${COURSES[value]} (${whole(count)})`]),
        )
      : null,
    ...(training() ? trainingFilters(some, rows) : []),
    some("family", "Family", withCounts(all.families.map((one) => [one.family, one.count]).sort((a, b) => b[1] - a[1]))),
    some("trigger", "Trigger", withCounts(all.having.trigger)),
    some("stop", "Stop reason", withCounts(all.stops)),
    training() ? null : some("finder", "Finder", withCounts(all.having.finder)),
    curation()
      ? some("hinted", "Hints", [
          ["yes", "with hints"],
          ["no", "without hints"],
        ])
      : null,
    some("rejected", "Rejected hints", withCounts(all.having.rejected)),
    el(
      "label",
      {},
      el("span", {}, "Order"),
      el(
        "select",
        { id: "filter-sort", change: (event) => change("sort", event.target.value) },
        Object.entries(orders()).map(([value, [text]]) => el("option", { value }, text)),
      ),
    ),
  ];
  let waiting = 0;
  const typed = el("input", {
    type: "search",
    id: "filter-q",
    placeholder: "id, family or words of the question",
    "aria-label": "Search",
    autocomplete: "off",
    spellcheck: "false",
    input: () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        // Not after the user has left the list, since a search would show it again.
        if (typed.isConnected && route().view === "episodes") change("q", typed.value, true);
      }, 150);
    },
  });
  const whole_ = el("input", {
    type: "checkbox",
    id: "filter-whole",
    change: () => change("whole", whole_.checked ? "1" : ""),
  });
  const bar = el(
    "form",
    { class: "filters", role: "search", submit: (event) => event.preventDefault() },
    el("div", { class: "search" }, typed, state.paged ? null : el("label", { class: "check" }, whole_, "full text")),
    el("div", { class: "choices" }, parts),
  );
  const set = (now) => {
    for (const name of NAMES) {
      const control = bar.querySelector(`#filter-${name}`);
      if (!control || control === whole_) continue;
      if (control !== document.activeElement || control !== typed) control.value = now[name] || "";
      control.classList.toggle("set", Boolean(now[name]));
    }
    whole_.checked = Boolean(now.whole);
  };
  set(filters);
  return { bar, set };
}

// The index of a large evaluation has no flaws: finding them takes longer than reading a page.
const hasFlaws = () => !state.paged || curation();

function trainingFilters(some, rows) {
  const ranges = (names, of) => {
    const counts = new Map(counted(rows.map(of)));
    return Object.entries(names)
      .filter(([value]) => counts.has(value))
      .map(([value, text]) => [value, `${text} (${whole(counts.get(value))})`]);
  };
  const steps = counted(rows.map((row) => row.step)).sort(([a], [b]) => b - a);
  return [
    some("step", "Step", steps.map(([step, count]) => [String(step), `${whole(step)} (${whole(count)})`])),
    some("reward", "Reward", ranges(REWARD_RANGES, rewardRange)),
    some("advantage", "Advantage", ranges(SIGNS_OF, signOf)),
    some("length", "Share of the length limit", ranges(LENGTHS, lengthRange)),
    some("flaw", "First flaw", counted(rows.map((row) => row.flaw || "none")).map(([rule, count]) => [rule, `${words(rule)} (${whole(count)})`])),
  ];
}

function change(name, value, quietly) {
  const filters = { ...route().filters, [name]: value, page: null };
  const to = link("episodes", filters);
  if (quietly) {
    history.replaceState(null, "", to);
    render();
  } else location.hash = to;
}

function results(filters, part, page, pages) {
  const { rows, total } = part;
  const given = Object.keys(filters).filter((name) => name !== "page" && name !== "sort");
  const looking =
    filters.whole && filters.q && search.running
      ? el("span", { class: "faint" }, ` · ${whole(search.done)} of ${whole(state.rows.length)} searched`)
      : null;
  const hits = el(
    "p",
    { class: "hits", role: "status" },
    el("b", {}, whole(total)),
    ` of ${plural(state.paged ? state.total : state.rows.length, noun())}`,
    looking,
    given.length ? el("a", { href: episodes({}) }, "clear the filters") : null,
  );
  if (!rows.length)
    return [
      hits,
      samplingNote(),
      el("p", { class: "empty" }, state.total ? `No ${noun()} matches these filters.` : `No ${noun()} yet.`),
    ].filter(Boolean);
  const kind = curation();
  const heads = [
    el("th", { scope: "col" }, "outcome"),
    el("th", { scope: "col" }, "problem"),
    el("th", { scope: "col", class: "wide" }, "question"),
    hasFlaws() ? el("th", { scope: "col", class: training() ? "wide" : null }, kind ? "hints for" : "flaws") : null,
    ...(training()
      ? [numeric("step"), el("th", { scope: "col", class: "n keep" }, "reward"), numeric("advantage")]
      : [numeric(kind ? "hint share" : "sample")]),
    numeric("tokens"),
    numeric("time"),
  ].filter(Boolean);
  const body = rows.map((row) => [
    el("td", {}, badge(row.outcome), course(row)),
    el(
      "th",
      { scope: "row" },
      el("a", { href: link("episode", filters, row.key), class: "open" }, shown(row.id)),
      el("small", {}, shown([words(row.family), row.difficulty].filter(Boolean).join(", "))),
    ),
    el("td", { class: "wide" }, el("div", { class: "clamp", dir: "auto" }, shown(row.question.slice(0, 200)))),
    !hasFlaws() ? null : el(
      "td",
      { class: training() ? "wide" : null },
      [...new Set(row.triggers)].map((trigger) => el("span", { class: "pill", title: words(trigger) }, SHORT[trigger])),
    ),
    ...(training()
      ? [figure(whole(row.step)), el("td", { class: "n keep" }, exact(row.reward)), figure(signed(advantageOf(row)))]
      : [
          figure(
            kind ? (row.share ? percent(row.share, 1, 1) : el("span", { class: "faint" }, "–")) : String(row.sample + 1),
          ),
        ]),
    figure(whole(row.tokens)),
    figure(duration(row.seconds)),
  ].filter(Boolean));
  return [hits, samplingNote(), table("Episodes", heads, body, "episodes"), pages > 1 ? pager(filters, page, pages) : null].filter(
    Boolean,
  );
}

function pager(filters, page, pages) {
  const to = (target, label, id) =>
    target >= 1 && target <= pages && target !== page
      ? el(
          "a",
          { class: "button", id, href: link("episodes", { ...filters, page: target === 1 ? null : String(target) }) },
          label,
        )
      : el("span", { class: "button off", "aria-disabled": "true" }, label);
  return el(
    "nav",
    { class: "pager", "aria-label": "Pages of the list" },
    to(1, "First"),
    to(page - 1, "Previous", "page-before"),
    el("span", {}, `${whole(page)} of ${whole(pages)}`),
    to(page + 1, "Next", "page-after"),
    to(pages, "Last"),
  );
}
