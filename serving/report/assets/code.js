// Highlight Python with one regular expression, which also accepts other text.

const PYTHON =
  /(#[^\n]*)|((?:\b[rRbBuUfF]{1,2})?(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))|\b(False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b|\b((?:0[xX][0-9a-fA-F_]+|\d[\d_]*\.?[\d_]*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?))|([A-Za-z_]\w*)(?=\()/g;
const KINDS = ["comment", "string", "keyword", "number", "call"];

function python(text) {
  const made = document.createDocumentFragment();
  let done = 0;
  for (const match of text.matchAll(PYTHON)) {
    made.append(shown(text.slice(done, match.index)));
    const kind = KINDS[match.slice(1).findIndex((group) => group !== undefined)];
    made.append(el("span", { class: kind }, shown(match[0])));
    done = match.index + match[0].length;
  }
  made.append(shown(text.slice(done)));
  return made;
}

function codeBlock(text, evidence) {
  const clean = text.replace(/\n+$/, "");
  const copy = el("button", { type: "button", class: "copy" }, "Copy");
  copy.addEventListener("click", () =>
    navigator.clipboard.writeText(clean).then(
      () => say("copied"),
      () => say("this browser does not allow copying"),
    ),
  );
  const code = el("code", {});
  const at = evidence ? clean.indexOf(evidence) : -1;
  if (at < 0 || clean.length > FIRST) bounded(clean, python, code);
  else
    code.append(python(clean.slice(0, at)), el("mark", {}, shown(evidence)), python(clean.slice(at + evidence.length)));
  return el("div", { class: "code" }, copy, el("pre", { tabindex: "0", "aria-label": "Program" }, code));
}
