// Routing, the theme, and polling if the page has a server.

const THEMES = { auto: "◐ auto", light: "☀ light", dark: "☾ dark" };
const EVERY = 2000; // Milliseconds between two polls of an unfinished run.
let drawn = { view: null, version: -1, key: null, address: null };

function say(text) {
  by("said").textContent = text;
}

function notice(text) {
  by("notice").textContent = text;
  by("notice").hidden = !text;
}

function render() {
  const at = route();
  const main = by("main");
  top_(at);
  if (at.view === "episodes" && drawn.view === "episodes" && drawn.version === state.version) {
    drawn.address = location.hash;
    main.firstElementChild.fill();
    return;
  }
  const moved = drawn.view !== at.view || drawn.key !== at.key;
  const first = drawn.view === null;
  drawn = { view: at.view, version: state.version, key: at.key, address: location.hash };
  if (at.view === "episode") {
    const found = partAround(at.key || "", at.filters);
    if (found instanceof Promise) main.replaceChildren(el("p", { class: "empty" }, "Loading …"));
    when(found, (part) => drawEpisode(part, at), failure);
  } else {
    const pages = { episodes: () => listPage(at.filters) };
    if (state.other) Object.assign(pages, { compare: () => comparePage(at.filters), pair: () => pairPage(at) });
    main.replaceChildren((Object.hasOwn(pages, at.view) ? pages[at.view] : overview)());
  }
  if (moved) {
    window.scrollTo(0, 0);
    // Screen readers announce the new page.
    if (!first && by("heading")) by("heading").focus({ preventScroll: true });
  }
  document.title = at.view === "episode" && at.key ? `${at.key} · ${state.facts.name}` : state.facts.name;
}

function drawEpisode(part, at) {
  // The address changed while the server looked for the episode.
  if (drawn.address !== location.hash) return;
  by("main").replaceChildren(
    part.row
      ? episodePage(part, at.filters)
      : el(
          "p",
          { class: "empty" },
          "There is no episode ",
          el("b", {}, shown(at.key || "")),
          " here. ",
          el("a", { href: episodes({}) }, "See all of them"),
        ),
  );
}

const failure = (error) =>
  by("main").replaceChildren(el("p", { class: "empty" }, `This page cannot be read: ${error.message}`));

// Draw the page of the address, unless it is drawn. If the address changes twice before the first event comes, that one
// draws the second page already; drawing it again would lose the focus and unfolded parts.
function arrive() {
  if (drawn.address !== location.hash || drawn.version !== state.version) render();
}

function top_(at) {
  by("run-name").replaceChildren(shown(state.facts.name));
  const going = !state.facts.finished;
  by("run-state").className = going ? "state going" : "state";
  by("run-state").textContent = `${state.facts.kind}${going ? (LIVE ? ", in progress" : ", not finished") : ""}`;
  const tab = (view, label, to) => el("a", { href: to, "aria-current": at.view === view ? "page" : null }, label);
  by("nav").replaceChildren(
    tab("overview", "Overview", "#/"),
    tab("episodes", `${training() ? "Rollouts" : "Episodes"} ${whole(state.paged ? state.total : state.rows.length)}`, episodes({})),
    ...(state.other ? [tab("compare", "Compare", "#/compare")] : []),
  );
}

function turnTheme() {
  const names = Object.keys(THEMES);
  setTheme(names[(names.indexOf(document.documentElement.dataset.theme || "auto") + 1) % names.length]);
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  by("theme").textContent = THEMES[theme];
  by("theme").title = "Theme: light, dark or system (t)";
  try {
    localStorage.setItem("storm-view-theme", theme);
  } catch {
    /* A browser without storage. */
  }
}

function kept() {
  try {
    return localStorage.getItem("storm-view-theme") || "auto";
  } catch {
    return "auto";
  }
}

// New rows update the lists and figures, but not the episode that is open.
async function look() {
  try {
    const { changed, error } = await refresh();
    notice(error ? `Later records cannot be read: ${error}` : "");
    if (changed) news();
  } catch {
    notice("The server is gone; loaded data stays available. Restart it with storm view --serve.");
  }
  setTimeout(look, EVERY);
}

function news() {
  const at = route();
  // A link may lead to an episode that is not finished yet; then none is drawn.
  if (
    at.view === "episode" &&
    drawn.key === at.key &&
    state.byKey.has(at.key) &&
    by("main").querySelector(".episode")
  ) {
    top_(at);
    const page = by("main").firstElementChild;
    when(partAround(at.key, at.filters), (part) => {
      if (page.isConnected && part.row) redrawAround(page, part, at.filters);
    });
    return;
  }
  // The counts of the filters arrive after the list.
  const same = !state.paged || by("main").querySelector(".choices select");
  if (at.view === "episodes" && drawn.view === "episodes" && same) {
    Object.assign(drawn, { version: state.version, address: location.hash });
    top_(at);
    by("main").firstElementChild.fill();
    return;
  }
  const focus = document.activeElement && document.activeElement.getAttribute("href"),
    height = window.scrollY;
  render();
  window.scrollTo(0, height);
  if (focus) {
    const same = [...document.querySelectorAll("a")].find((one) => one.getAttribute("href") === focus);
    if (same) same.focus({ preventScroll: true });
  }
}

async function main() {
  setTheme(THEMES[kept()] ? kept() : "auto");
  by("theme").addEventListener("click", turnTheme);
  by("help-open").addEventListener("click", help);
  if (typeof DecompressionStream === "undefined") {
    notice(
      "This browser is too old for this report: it lacks DecompressionStream. Chromium 80, Firefox 113 and Safari 16.4 have it.",
    );
    return;
  }
  await open();
  if (LIVE) await look();
  window.addEventListener("hashchange", arrive);
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("main details:not([open])")];
    for (const fold of folded) fold.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const fold of folded) fold.open = false;
  });
  render();
  document.body.dataset.ready = "";
}

main();
