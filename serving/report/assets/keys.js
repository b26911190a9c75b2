// Keyboard shortcuts, and the dialog that lists them.

const KEYS = [
  ["j or →", "next episode, or next row of the list"],
  ["k or ←", "previous episode, or previous row of the list"],
  ["Enter", "open the row"],
  ["/", "search all episodes"],
  ["f", "search in the episode"],
  ["n, N", "next and previous match"],
  ["r", "view: text, raw or tokens"],
  ["o", "unfold or fold everything"],
  ["g", "the overview"],
  ["l", "the list"],
  ["t", "theme: light, dark or system"],
  ["?", "show this list"],
  ["Esc", "close, or back to the list"],
];

function help() {
  const dialog = by("help");
  if (!dialog.childElementCount) {
    dialog.append(
      el("h2", { id: "help-title" }, "Keys"),
      el(
        "dl",
        { class: "keys" },
        KEYS.map(([key, what]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, what))),
      ),
      el("form", { method: "dialog" }, el("button", { class: "button" }, "Close")),
    );
  }
  dialog.showModal();
}

function unfold() {
  const folds = [...document.querySelectorAll("main details:not(.settings)")];
  const open = !folds.every((fold) => fold.open);
  for (const fold of folds) fold.open = open;
  say(open ? "unfolded" : "folded");
}

function step(by_) {
  const at = route();
  if (at.view === "episode") {
    // Use the URL, not the drawn page: keys may be faster than drawing.
    when(partAround(at.key, at.filters), (part) => {
      const { before, after } = part.row ? beside(part) : {};
      const to = by_ > 0 ? after : before;
      if (to) location.hash = link("episode", at.filters, to.key);
      else say(by_ > 0 ? "last episode" : "first episode");
    });
  } else if (at.view === "pair") {
    const { before, after } = neighbouringPairs(at);
    const to = by_ > 0 ? after : before;
    if (to) location.hash = pairLink(to, at.filters);
    else say(by_ > 0 ? "last problem" : "first problem");
  } else if (at.view === "episodes" || at.view === "compare") {
    arrive(); // The URL may show the list before it is drawn.
    const rows = [...document.querySelectorAll("a.open")];
    const here = rows.indexOf(document.activeElement);
    const to = rows[here < 0 ? (by_ > 0 ? 0 : rows.length - 1) : here + by_];
    if (to) {
      to.focus();
      to.closest("tr").scrollIntoView({ block: "nearest" });
    } else {
      const more = by(by_ > 0 ? "page-after" : "page-before");
      if (more) more.click();
    }
  }
}

document.addEventListener("keydown", (event) => {
  if (!state.facts) return; // Nothing is loaded yet.
  if (event.ctrlKey || event.metaKey || event.altKey || by("help").open) return;
  const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const scrolled = event.target.closest("pre, .scroll") && event.target.scrollWidth > event.target.clientWidth;
  const at = route();
  const acts = {
    j: () => step(1),
    k: () => step(-1),
    o: unfold,
    t: turnTheme,
    "?": help,
    r: () => {
      const views = Object.keys(VIEWS);
      setView(views[(views.indexOf(state.view) + 1) % views.length]);
    },
    f: () => {
      if (!by("find")) return;
      by("find").focus({ preventScroll: true });
      by("find").select();
    },
    n: () => findNext(1),
    N: () => findNext(-1),
    g: () => {
      location.hash = "#/";
    },
    l: () => {
      location.hash = link("episodes", at.filters);
    },
    "/": () => {
      if (at.view !== "episodes") {
        location.hash = link("episodes", at.filters);
      }
      arrive();
      by("filter-q").focus();
      by("filter-q").select();
    },
    Escape: () => {
      if (at.view === "episode") location.hash = link("episodes", at.filters);
      if (at.view === "pair") location.hash = link("compare", { change: at.filters.change });
    },
  };
  if (!scrolled) Object.assign(acts, { ArrowRight: () => step(1), ArrowLeft: () => step(-1) });
  if (acts[event.key]) {
    event.preventDefault();
    acts[event.key]();
  }
});
