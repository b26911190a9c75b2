// Parts of a trajectory on the page: prose, programs and outputs, inserted as text nodes, never as markup.

export const element = (name, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
};

/** Paragraphs and blocks for stretches of a run, each with its source; `state.kind` is where the text stands at the end. */
export const blocks = (parts, state) =>
  parts.flatMap(({ source, text }) => pieces(text, state).map((piece) => block(piece, source)));

/** A text in pieces: prose, programs between their fences, and outputs. It may begin inside one, as `state` says. */
function pieces(text, state) {
  const found = [];
  let kind = state.kind;
  for (const line of text.split(/(?<=\n)/)) {
    const fence = line.startsWith("```");
    if (fence && kind === "prose") {
      kind = line.startsWith("```output") ? "output" : "code";
      found.push({ kind, text: "" });
    } else if (fence) {
      kind = "prose";
      // Text after a closing fence is part of the trajectory.
      if (line.slice(3).trim()) found.push({ kind, text: line.slice(3) });
    } else if (found.at(-1)?.kind === kind) {
      found.at(-1).text += line;
    } else {
      found.push({ kind, text: line });
    }
  }
  state.kind = kind;
  return found.filter((piece) => piece.text.trim());
}

function block(piece, source) {
  const text = piece.text.replace(/^\n+|\s+$/g, "");
  if (piece.kind === "prose" && source !== "tool") return element("p", { className: `by-${source}`, textContent: text });
  return element("pre", { className: piece.kind === "code" ? "code" : "output", textContent: text });
}

/** Mark the evidence where it stands word for word within one block. */
export function highlight(place, evidence) {
  if (!evidence) return;
  for (const child of place.children) {
    const text = child.textContent;
    const start = text.indexOf(evidence);
    if (start < 0) continue;
    const marked = element("mark", { textContent: evidence });
    child.replaceChildren(text.slice(0, start), marked, text.slice(start + evidence.length));
    return;
  }
}
