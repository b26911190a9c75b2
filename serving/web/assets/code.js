// Highlight Python with one regular expression, which also accepts other text.

import { bounded, button, el, shown } from "./dom.js";
import { copy } from "./notice.js";

const PYTHON =
  /(#[^\n]*)|((?:\b[rRbBuUfF]{1,2})?(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))|\b(False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b|\b((?:0[xX][0-9a-fA-F_]+|\d[\d_]*\.?[\d_]*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?))|([A-Za-z_]\w*)(?=\()/g;
const KINDS = ["comment", "string", "keyword", "number", "call"];

export function python(text) {
  const made = document.createDocumentFragment();
  let done = 0;
  for (const match of text.matchAll(PYTHON)) {
    if (match.index > done) made.append(shown(text.slice(done, match.index)));
    const kind = KINDS[match.slice(1).findIndex((group) => group !== undefined)];
    made.append(el("span", { class: kind }, shown(match[0])));
    done = match.index + match[0].length;
  }
  made.append(shown(text.slice(done)));
  return made;
}

// A block of text with a copy button. draw: makes nodes of a text, such as `python`.
export function block(text, label, draw = shown) {
  const clean = text.replace(/\n+$/, "");
  const code = el("code", {});
  bounded(clean, draw, code);
  return el(
    "div",
    { class: "code" },
    button("Copy", () => copy(clean), { class: "copy", "aria-label": `Copy: ${label}` }),
    el("pre", { tabindex: "0", role: "region", "aria-label": label }, code),
  );
}
