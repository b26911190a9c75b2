// Search within an episode. It unfolds what it finds, and draws the rest of long texts if they have the words.

const find = { words: "", ranges: [], at: -1 };
const HIGHLIGHTS = typeof Highlight !== "undefined" && CSS.highlights;
const MOST_FOUND = 2000;

function readingBar(first) {
  const input = el("input", {
    type: "search",
    id: "find",
    placeholder: "in this episode (f)",
    "aria-label": "Search in this episode",
    autocomplete: "off",
    spellcheck: "false",
    value: first || null,
    input: () => look_(input.value),
    keydown: (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        findNext(event.shiftKey ? -1 : 1);
      }
    },
  });
  const switches = Object.entries(VIEWS).map(([view, label]) =>
    el("button", { type: "button", class: "button", "data-view": view, click: () => setView(view) }, label),
  );
  const made = el(
    "div",
    { class: "reading", role: "search" },
    el("span", { class: "views", role: "group", "aria-label": "View of the text (r)" }, switches),
    input,
    el("span", { class: "faint", id: "find-count", role: "status" }),
    el("button", { type: "button", class: "button", title: "Previous match (N)", click: () => findNext(-1) }, "↑"),
    el("button", { type: "button", class: "button", title: "Next match (n)", click: () => findNext(1) }, "↓"),
  );
  press(made);
  return made;
}

function press(bar) {
  for (const button of bar.querySelectorAll("[data-view]"))
    button.setAttribute("aria-pressed", String(button.dataset.view === state.view));
}

// Draw the episode again in another view, at the same place of the page.
function setView(view) {
  if (!by("find")) return;
  state.view = view;
  press(by("find").parentElement);
  const height = window.scrollY;
  document.querySelector(".episode").redraw();
  window.scrollTo(0, height);
  if (find.words) look_(find.words);
  say(`view: ${VIEWS[view]}`);
}

// Search in the drawn episode, if the search field has words. Called when its text changes, and when it is drawn.
function look_(typed) {
  const words_ = typed.trim();
  Object.assign(find, { words: words_, ranges: [], at: -1 });
  if (words_) {
    const body = document.querySelector(".episode .body");
    find.ranges = rangesOf(body, words_);
    // LaTeX and Markdown marks are only in the raw text.
    if (!find.ranges.length && state.view === "text" && body.holds && body.holds(words_)) {
      setView("raw");
      return;
    }
  }
  if (HIGHLIGHTS) {
    CSS.highlights.set("found", new Highlight(...find.ranges));
    CSS.highlights.delete("here");
  }
  if (find.ranges.length) findNext(1);
  else count();
}

function rangesOf(body, words_) {
  const lower = words_.toLowerCase();
  for (let more; (more = [...body.querySelectorAll(".more")].find((one) => one.rest().toLowerCase().includes(lower))); )
    more.click();
  const nodes = textNodes(body);
  const starts = [];
  let joined = "";
  for (const node of nodes) {
    starts.push(joined.length);
    joined += node.data;
  }
  const pattern = new RegExp(words_.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+"), "gi");
  const ranges = [];
  let from = 0;
  for (const match of joined.matchAll(pattern)) {
    const end = match.index + match[0].length;
    while (from + 1 < nodes.length && starts[from + 1] <= match.index) from += 1;
    let to = from;
    while (to + 1 < nodes.length && starts[to + 1] < end) to += 1;
    const range = document.createRange();
    range.setStart(nodes[from], match.index - starts[from]);
    range.setEnd(nodes[to], end - starts[to]);
    ranges.push(range);
    if (ranges.length === MOST_FOUND) break;
  }
  return ranges;
}

function findNext(by_) {
  if (!find.ranges.length) return;
  find.at = (find.at + by_ + find.ranges.length) % find.ranges.length;
  const range = find.ranges[find.at];
  const element = range.startContainer.parentElement;
  if (element) {
    for (let at = element; at; at = at.parentElement) if (at.matches("details")) at.open = true;
    const { top, bottom } = range.getBoundingClientRect();
    if (top < 200 || bottom > window.innerHeight - 40) window.scrollBy(0, top - window.innerHeight / 3);
    const box = element.closest("pre, .scroll, .cut .prose");
    if (box && box.scrollHeight > box.clientHeight) {
      const inner = range.getBoundingClientRect().top - box.getBoundingClientRect().top;
      if (inner < 0 || inner > box.clientHeight - 20) box.scrollTop += inner - box.clientHeight / 2;
    }
  }
  if (HIGHLIGHTS) CSS.highlights.set("here", new Highlight(range));
  else getSelection().setBaseAndExtent(range.startContainer, range.startOffset, range.endContainer, range.endOffset);
  count();
}

function count() {
  const all = find.ranges.length;
  by("find-count").textContent = !find.words
    ? ""
    : all
      ? `${find.at + 1} of ${all === MOST_FOUND ? `${all} or more` : all}`
      : "not found";
}
