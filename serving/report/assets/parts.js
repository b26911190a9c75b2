// The parts of model text: thoughts, other text and programs, in one of three views.

const VIEWS = { text: "Text", raw: "Raw", tokens: "Tokens" };
const FOLD = 1200; // Characters of a text that is folded to its first and last line.
const TOKENS = 4000; // Tokens that are drawn at once.

const textOf = (span) => (span.parts ? span.parts.map((part) => part.text).join("") : span.text);

// Draw a part; `evidence` is marked.
function partOf(part, evidence) {
  if (!part.text.trim()) return null;
  const here = evidence && part.text.includes(evidence) ? evidence : null;
  const content = () => {
    const raw = () => bounded(part.text, (piece) => marked(piece, here), el("div", { class: "prose", dir: "auto" }));
    if (state.view === "raw") return raw();
    if (part.kind === "program") return codeBlock(part.code, here);
    if (!part.tree) return raw();
    const made = rendered(part.tree);
    return here && !markWithin(made, here) ? raw() : made;
  };
  const folded = part.kind !== "program" && part.text.length > FOLD;
  return el("div", { class: `part ${part.kind}` }, folded ? fold(part, content(), Boolean(here)) : content());
}

function fold(part, content, open) {
  const lines = part.text.split("\n").filter((line) => line.trim() && !/^\s*<\/?think>\s*$/.test(line));
  const peek = (line) => el("span", { class: "line" }, shown((line || "").trim().slice(0, 300)));
  return el(
    "details",
    { class: "fold long", open },
    el(
      "summary",
      {},
      el("span", { class: "who" }, part.kind === "thought" ? "Thought" : "Text"),
      el("span", { class: "faint" }, sizeOf(part), `, ${plural(lines.length, "line")}`),
      el("span", { class: "ends" }, peek(lines[0]), peek(lines.at(-1))),
    ),
    content,
  );
}

const sizeOf = (part) =>
  part.tokens === undefined ? plural(part.text.length, "character") : plural(part.tokens, "token");

// Parts without a span, such as removed text.
const parts = (list, evidence) => list.map((part) => partOf(part, evidence));

// What the trainer trains on, if the page shows what it received.
const lossOf = (span) =>
  span.trained === undefined
    ? LOSS[span.source]
    : span.trained
      ? `${plural(span.trained, "token")} trained on`
      : "not trained on";

const LOSS = {
  model: "trained on",
  hint: "trained on in SFT, unless hints are masked",
  tool: "not trained on",
  prompt: "not trained on",
};

// A span as its tokens; ids on hover.
function tokenSpan(span, label) {
  const text = textOf(span);
  const body = span.lengths
    ? drawnTokens(span, text)
    : [
        el("p", { class: "note" }, "The page has no token ids of this text."),
        bounded(text, shown, el("pre", { class: "tokens", tabindex: "0" })),
      ];
  const count = span.lengths ? `${plural(span.lengths.length, "token")}, ${lossOf(span)}` : lossOf(span);
  const heading = [el("span", { class: "who" }, label), el("span", { class: "faint" }, count)];
  if (span.source === "prompt")
    return el("details", { class: "span prompt" }, el("summary", {}, heading), body);
  return el("section", { class: `span ${span.source}`, "aria-label": label }, el("div", { class: "kind" }, heading), body);
}

function drawnTokens(span, text) {
  const made = el("pre", { class: `tokens ${span.source}`, tabindex: "0" });
  let number = 0,
    place = 0;
  const add = () => {
    const piece = document.createDocumentFragment();
    for (const end = Math.min(span.lengths.length, number + TOKENS); number < end; number += 1) {
      const token = text.slice(place, place + span.lengths[number]);
      const id = span.ids ? span.ids[number] : ((span.other || {})[number] ?? state.vocabulary[token]);
      place += token.length;
      const title = { class: "token", title: `id ${id}` };
      piece.append(token ? el("span", title, shown(token)) : el("span", { ...title, class: "token empty" }, "·"));
    }
    made.append(piece);
    if (number < span.lengths.length)
      moreButton(made, `${whole(span.lengths.length - number)} more tokens`, () => text.slice(place), add);
  };
  add();
  return made;
}
