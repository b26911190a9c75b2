// Markdown and mathematics, parsed when the report was written: elements from a tree of known tags.

const HTML = new Set(
  "p ul ol li em strong code pre blockquote hr table thead tbody tr th td".split(" "),
);
const MATHML = new Set(
  (
    "math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mmultiscripts " +
    "mprescripts none mtable mtr mtd mstyle menclose mphantom mpadded"
  ).split(" "),
);
const MATH_ATTRIBUTES = new Set(
  (
    "display displaystyle scriptlevel stretchy fence separator lspace rspace form largeop movablelimits symmetric " +
    "minsize maxsize width height depth voffset linethickness mathvariant accent accentunder notation"
  ).split(" "),
);
// Not a literal address: the namespace is a name, nothing is loaded from it.
const MATH_SPACE = ["http:", "", "www.w3.org", "1998", "Math", "MathML"].join("/");

function markdown(node) {
  if (typeof node === "string") return prose(node);
  const [tag, children, attributes] = node;
  if (tag === "math") return formula(children, attributes.display);
  const inner = children.map(markdown);
  if (/^h[1-6]$/.test(tag)) return el("h4", { class: "title" }, inner);
  if (tag === "table") return el("div", { class: "scroll", tabindex: "0" }, el("table", {}, inner));
  if (!HTML.has(tag)) return el("span", {}, inner);
  return el(tag, tag === "ol" && attributes && Number.isInteger(attributes.start) ? { first: attributes.start } : {}, inner);
}

function formula([source, tree], display) {
  const kind = display ? "div" : "span";
  if (!tree) return el(kind, { class: "formula" }, el("code", { title: "LaTeX that cannot be drawn" }, shown(source)));
  return el(kind, { class: display ? "formula block" : "formula", title: source.slice(0, 2000) }, mathematics(tree));
}

function mathematics(node) {
  if (typeof node === "string") return shown(node);
  const [tag, children, attributes] = node;
  const made = document.createElementNS(MATH_SPACE, MATHML.has(tag) ? tag : "mrow");
  for (const [name, value] of Object.entries(attributes || {})) {
    if (MATH_ATTRIBUTES.has(name) && /^[\w.%+ -]{0,40}$/.test(value)) made.setAttribute(name, value);
    else if (name === "align") made.setAttribute("class", `align-${value}`);
  }
  made.append(...children.map(mathematics));
  return made;
}

// The blocks of a text, with a button for more of a long one.
function rendered(blocks) {
  const made = el("div", { class: "markdown", dir: "auto" });
  let done = 0;
  const add = (most) => {
    for (let length = 0; done < blocks.length && length < most; done += 1) {
      length += JSON.stringify(blocks[done]).length;
      made.append(markdown(blocks[done]));
    }
    if (done < blocks.length) moreButton(made, `Show more of this text`, () => JSON.stringify(blocks.slice(done)), () => add(MORE));
  };
  add(2 * FIRST);
  return made;
}

// Mark the first place of `evidence` in drawn text; false if it has none.
function markWithin(root, evidence) {
  const nodes = textNodes(root);
  const at = nodes.map((node) => node.data).join("").indexOf(evidence);
  if (at < 0) return false;
  let place = 0;
  for (const node of nodes) {
    const start = Math.max(0, at - place),
      end = Math.min(node.data.length, at + evidence.length - place);
    place += node.data.length;
    if (start >= end) continue;
    const range = document.createRange();
    range.setStart(node, start);
    range.setEnd(node, end);
    const mark = el("mark", {});
    mark.append(range.extractContents());
    range.insertNode(mark);
  }
  return true;
}

function textNodes(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("button, select")) found.push(walker.currentNode);
  return found;
}
