// Markdown and mathematics from trees of known tags, as the server parses them.

import { MATH, el, moreButton, shown } from "./dom.js";
import { block, python } from "./code.js";

const HTML = new Set("p ul ol li em strong code blockquote hr table thead tbody tr th td".split(" "));
const MATHML = new Set(
  (
    "math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mmultiscripts " +
    "mprescripts none mtable mtr mtd mstyle menclose mphantom mpadded"
  ).split(" "),
);
const ATTRIBUTES = new Set(
  (
    "display displaystyle scriptlevel stretchy fence separator lspace rspace form largeop movablelimits symmetric " +
    "minsize maxsize width height depth voffset linethickness mathvariant accent accentunder notation"
  ).split(" "),
);
const BLOCKS = 200;
const CHILDREN = 1000; // rows of a table, for example
const DEPTH = 80;

// Return the blocks of a tree, a button for more of a long one.
export function drawTree(tree) {
  const made = el("div", { class: "markdown", dir: "auto" });
  let done = 0;
  const add = () => {
    const end = Math.min(tree.length, done + BLOCKS);
    made.append(...tree.slice(done, end).map((node) => draw(node, DEPTH)));
    done = end;
    if (done < tree.length) moreButton(made, "Show more", add);
  };
  add();
  return made;
}

function draw(node, depth) {
  if (typeof node === "string") return shown(node);
  if (!Array.isArray(node) || depth === 0) return shown("…");
  const [tag, children, attributes] = [String(node[0]), Array.isArray(node[1]) ? node[1] : [], node[2] || {}];
  if (tag === "math") return formula(children, attributes.display === true, depth);
  if (tag === "pre") {
    const text = children.filter((one) => typeof one === "string").join("");
    return block(text, "Text in the answer", /^\s*(?:import|from|def|print|#)/m.test(text) ? python : shown);
  }
  if (tag === "table")
    return el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" },
      el("table", { class: "plain" }, inner(children, depth)),
    );
  if (/^h[1-6]$/.test(tag)) return el("h3", {}, inner(children, depth));
  if (!HTML.has(tag)) return el("span", {}, inner(children, depth));
  const align = ["left", "right", "center"].includes(attributes.align) ? `align-${attributes.align}` : null;
  return el(
    tag,
    tag === "ol" && Number.isInteger(attributes.start) ? { start: attributes.start } : { class: align },
    inner(children, depth),
  );
}

function inner(children, depth) {
  const drawn = children.slice(0, CHILDREN).map((one) => draw(one, depth - 1));
  return children.length > CHILDREN ? [...drawn, "…"] : drawn;
}

function formula([source, tree], display, depth) {
  const kind = display ? "div" : "span";
  if (!tree) return el(kind, { class: "formula" }, el("code", {}, shown(String(source ?? ""))));
  return el(kind, { class: display ? "formula block" : "formula" }, mathematics(tree, depth));
}

// Return an element of MathML for a tree; unknown tags and attributes are left out.
export function mathematics(node, depth = DEPTH) {
  if (typeof node === "string") return shown(node);
  if (!Array.isArray(node) || depth === 0) return shown("…");
  const [tag, children, attributes] = node;
  const made = document.createElementNS(MATH, MATHML.has(tag) ? tag : "mrow");
  for (const [name, value] of Object.entries(attributes || {})) {
    if (ATTRIBUTES.has(name) && /^[\w.%+ -]{0,40}$/.test(String(value))) made.setAttribute(name, value);
    else if (name === "align" && /^\w{1,10}$/.test(String(value))) made.setAttribute("class", `align-${value}`);
  }
  made.append(...(Array.isArray(children) ? children : []).map((one) => mathematics(one, depth - 1)));
  return made;
}
