// Elements and text. Model text only becomes text nodes.

// Characters that are invisible or change the text direction: shown by their codes.
const ODD =
  /([\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|\r(?!\n)|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff])\1*/g;
// Marks of the chat template and the protocol, and the final answer.
const SIGNS = /<\|[a-z_]{1,30}\|>|<\/?(?:think|hint|tool_call|tool_response)>|\\boxed\{[^{}\n]{0,100}\}/g;
// Characters of a text that are drawn at first, and with each request for more: browsers are slow with megabytes.
const FIRST = 20000,
  MORE = 100000;

function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else if (name === "share") made.style.setProperty("--share", value);
    else if (name === "start") made.style.setProperty("--start", value);
    else if (name === "first") made.setAttribute("start", value);
    else if (name === "href" && !value.startsWith("#")) throw new Error("links stay inside the report");
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const by = (id) => document.getElementById(id);
const words = (name) => String(name).replaceAll("_", " ");
const whole = (number) => Math.round(number).toLocaleString("en-US");
// For narrow columns: 6,250 is 6.3K.
const compact = (number) =>
  number.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: number < 10000 ? 1 : 0 });
const percent = (part, all, digits = 0) => (all ? `${((100 * part) / all).toFixed(digits)}\u00a0%` : "–");
const plural = (count, one, many = `${one}s`) => `${whole(count)} ${count === 1 ? one : many}`;

function duration(seconds) {
  if (seconds < 1) return `${seconds.toFixed(2)}\u00a0s`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)}\u00a0s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}\u00a0min\u00a0${Math.floor(seconds % 60)}\u00a0s`
    : `${Math.floor(minutes / 60)}\u00a0h\u00a0${minutes % 60}\u00a0min`;
}

function number(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  return Number(value.toPrecision(10)).toLocaleString("en-US", { maximumFractionDigits: 6 });
}

// Return text with unusual characters made visible.
function shown(text) {
  const made = document.createDocumentFragment();
  let done = 0;
  for (const match of text.matchAll(ODD)) {
    made.append(text.slice(done, match.index));
    const code = match[1].charCodeAt(0);
    const name = code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    const times = match[0].length;
    made.append(
      el("span", { class: "odd", title: "A character that cannot be seen" }, times > 1 ? `${name}×${times}` : name),
    );
    done = match.index + match[0].length;
  }
  made.append(text.slice(done));
  return made;
}

// Prose of a run: the signs of the template are faint, the boxed answer is not.
function prose(text) {
  const made = document.createDocumentFragment();
  let done = 0;
  for (const match of text.matchAll(SIGNS)) {
    made.append(shown(text.slice(done, match.index)));
    made.append(el("span", { class: match[0].startsWith("\\") ? "boxed" : "sign" }, match[0]));
    done = match.index + match[0].length;
  }
  made.append(shown(text.slice(done)));
  return made;
}

// The same with the first place of `evidence` marked.
function marked(text, evidence) {
  const at = evidence ? text.indexOf(evidence) : -1;
  if (at < 0) return prose(text);
  const made = document.createDocumentFragment();
  made.append(prose(text.slice(0, at)), el("mark", {}, shown(evidence)), prose(text.slice(at + evidence.length)));
  return made;
}

// `draw` for as much of a text as a browser can take, with a button for more of it.
function bounded(text, draw, parent) {
  let done = 0;
  const add = (most) => {
    let end = Math.min(text.length, done + most);
    // Not between the halves of a pair.
    if (end < text.length && /[\ud800-\udbff]/.test(text[end - 1])) end += 1;
    parent.append(draw(text.slice(done, end)));
    done = end;
    if (done === text.length) return;
    const left = text.length - done;
    moreButton(
      parent,
      `${whole(left)} more characters; show ${whole(Math.min(MORE, left))}`,
      () => text.slice(done),
      () => add(MORE),
    );
  };
  add(FIRST);
  return parent;
}

// A button that removes itself and adds more. rest: a function that returns the text that is not drawn, for searching.
function moreButton(parent, label, rest, add) {
  const more = el("button", { type: "button", class: "more" }, label);
  more.rest = rest;
  more.addEventListener("click", () => {
    more.remove();
    add();
  });
  parent.append(more);
}
