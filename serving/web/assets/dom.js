// Elements and text. Text of models, files and opened conversations only becomes text nodes.

// Characters that are invisible or change the text direction: shown by their codes.
const ODD =
  /([\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|\r(?!\n)|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff])\1*/g;
// Not a literal address: the namespaces are names, nothing is loaded from them.
const W3 = ["http:", "", "www.w3.org"].join("/");
const SVG = `${W3}/2000/svg`;
export const MATH = `${W3}/1998/Math/MathML`;

export const by = (id) => document.getElementById(id);

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export function button(label, onClick, attributes) {
  return el("button", { type: "button", click: onClick, ...attributes }, label);
}

export function isPlain(text) {
  const plain = !ODD.test(text);
  ODD.lastIndex = 0; // `matchAll` would begin there.
  return plain;
}

// Return text as nodes with unusual characters made visible.
export function shown(text) {
  const source = String(text);
  if (isPlain(source)) return document.createTextNode(source);
  const made = document.createDocumentFragment();
  let done = 0;
  for (const match of source.matchAll(ODD)) {
    made.append(source.slice(done, match.index));
    const code = match[1].charCodeAt(0);
    const name = code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    const times = match[0].length;
    made.append(
      el("span", { class: "odd", title: "A character that cannot be seen" }, times > 1 ? `${name}×${times}` : name),
    );
    done = match.index + match[0].length;
  }
  made.append(source.slice(done));
  return made;
}

// Return a short text on one line, for names and labels in attributes.
export function line(text, most = 120) {
  const flat = String(text)
    .slice(0, 4 * most)
    .replace(ODD, " ")
    .replace(/\s+/g, " ")
    .trim();
  return flat.length > most ? `${flat.slice(0, most - 1)}…` : flat;
}

const FIRST = 20_000,
  MORE = 100_000;

// `draw` for as much of a text as a browser draws quickly, with a button for more of it.
export function bounded(text, draw, parent) {
  let done = 0;
  const add = (most) => {
    let end = Math.min(text.length, done + most);
    // Not between the halves of a pair.
    if (end < text.length && /[\ud800-\udbff]/.test(text[end - 1])) end += 1;
    parent.append(draw(text.slice(done, end)));
    done = end;
    if (done < text.length)
      moreButton(parent, `Show more (${(text.length - done).toLocaleString("en-US")} characters left)`, () =>
        add(MORE),
      );
  };
  add(FIRST);
  return parent;
}

export function moreButton(parent, label, add) {
  const more = button(
    label,
    () => {
      more.remove();
      add();
    },
    { class: "more" },
  );
  parent.append(more);
}

// Run `task` once before the next frame, however often it is asked for.
export function onFrame(task) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      task();
    });
  };
}
