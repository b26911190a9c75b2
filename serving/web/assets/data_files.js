// Files of a question: read, previewed by the server as tables with types and units, and removable.

import { button, el, line, shown } from "./dom.js";
import { post } from "./api.js";
import { bytes, number, plural } from "./format.js";
import { icon } from "./icons.js";
import { say } from "./notice.js";
import { block } from "./code.js";
import { scroll } from "./tables.js";

const MOST_FILES = 20;
const MOST_BYTES = 25_000_000;
const PREVIEWED = 2_500_000; // bytes of the largest file that is sent for a preview

// Return {name, size, data} with the content in base64. Raises Error.
async function readFile(file) {
  if (file.size > MOST_BYTES)
    throw new Error(`${line(file.name)} has ${bytes(file.size)}; at most ${bytes(MOST_BYTES)} are sent.`);
  const data = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^data:[^,]*,/, ""));
    reader.onerror = () => reject(new Error(`${line(file.name)} cannot be read.`));
    reader.readAsDataURL(file);
  });
  return { name: file.name.replace(/^\.+/, "") || "file", size: file.size, data };
}

// The files of a question that is being written.
export class FileList {
  constructor(place) {
    this.place = place;
    this.files = [];
    this.reading = Promise.resolve();
  }

  // Read files one after the other; `reading` ends with the last.
  add(list) {
    this.reading = this.reading.then(() => this.addNow(list));
    return this.reading;
  }

  async addNow(list) {
    for (const file of list) {
      if (this.files.length >= MOST_FILES) {
        say(`A question can have at most ${MOST_FILES} files.`, { failed: true });
        return;
      }
      try {
        const read = await readFile(file);
        read.name = this.free(read.name);
        this.files.push(read);
        this.show(read);
      } catch (error) {
        say(error.message, { failed: true });
      }
    }
  }

  free(name) {
    const [, stem, end] = /^(.*?)(\.[^.]*)?$/s.exec(name);
    let found = name;
    for (let number = 2; this.files.some((file) => file.name === found); number += 1)
      found = `${stem}-${number}${end || ""}`;
    return found;
  }

  set(files) {
    this.files = [];
    this.place.replaceChildren();
    for (const file of files) {
      this.files.push(file);
      this.show(file);
    }
  }

  show(file) {
    const node = filePreview(file, () => {
      this.files = this.files.filter((one) => one !== file);
      node.remove();
    });
    this.place.append(node);
  }
}

// A file with its preview. remove: called when the user removes it; null if it stays.
export function filePreview(file, remove) {
  const about = el("span", { class: "faint about" }, bytes(file.size));
  const body = el("div", { class: "preview-body" });
  let asked = false;
  const load = async () => {
    if (asked) return;
    asked = true;
    if (file.size > PREVIEWED) {
      body.replaceChildren(el("p", { class: "faint" }, "Too large for a preview."));
      return;
    }
    body.replaceChildren(el("p", { class: "faint" }, "Reading…"));
    try {
      const { files } = await post("v1/data/preview", { files: { [file.name]: file.data } });
      const parts = Array.isArray(files) ? files.slice(0, 20) : [];
      const summary = parts.map((part) => part.summary).find(Boolean);
      if (summary) about.textContent = line(summary, 90);
      body.replaceChildren(...parts.map(part).flat().filter(Boolean));
    } catch (error) {
      asked = false;
      body.replaceChildren(el("p", { class: "faint" }, shown(error.message)));
    }
  };
  const details = el(
    "details",
    { class: "file", toggle: load },
    el("summary", {}, el("b", { dir: "auto" }, shown(line(file.name, 80))), about),
    body,
  );
  if (remove) {
    load();
    details.open = true;
  }
  return el(
    "div",
    { class: "file-row" },
    details,
    remove
      ? button(icon("close"), remove, { class: "quiet icon", "aria-label": `Remove ${line(file.name, 80)}` })
      : null,
  );
}

function part(one) {
  const made = [];
  if (one.title) made.push(el("h4", {}, shown(line(one.title))));
  if (one.error) made.push(el("p", { class: "bad" }, shown(line(one.error, 400))));
  const columns = Array.isArray(one.columns) ? one.columns.slice(0, 50) : [];
  if (!columns.length) {
    if (typeof one.text === "string" && one.text) made.push(block(one.text.slice(0, 4000), "Beginning of the file"));
    return made;
  }
  const rows = (Array.isArray(one.rows) ? one.rows : []).slice(0, 8).filter(Array.isArray);
  const isNumber = (column) => /number/.test(String(column.type));
  made.push(
    scroll(
      `Preview of ${one.name || "the file"}`,
      el(
        "table",
        { class: "preview-table" },
        el("caption", { class: "hidden" }, `Preview of ${line(one.name || "the file")}`),
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            columns.map((column) =>
              el(
                "th",
                { scope: "col", class: isNumber(column) ? "n" : null },
                el("span", { dir: "auto" }, shown(line(column.name ?? "", 60))),
                el("small", { class: "faint" }, shown(aboutColumn(column))),
              ),
            ),
          ),
        ),
        el(
          "tbody",
          {},
          rows.map((cells) =>
            el(
              "tr",
              {},
              columns.map((column, at) =>
                el("td", { class: isNumber(column) ? "n" : null, dir: "auto" }, shown(line(cells[at] ?? "", 80))),
              ),
            ),
          ),
        ),
      ),
    ),
  );
  const left = typeof one.row_count === "number" ? one.row_count - rows.length : 0;
  if (left > 0) made.push(el("p", { class: "faint small" }, `and ${plural(left, "more row")}`));
  return made;
}

function aboutColumn(column) {
  const end = (value) => (typeof value === "number" ? number(value) : line(value, 20));
  const range =
    column.min === null || column.min === undefined
      ? ""
      : column.min === column.max
        ? end(column.min)
        : `${end(column.min)} to ${end(column.max)}`;
  const missing = typeof column.missing === "number" && column.missing > 0 ? `${column.missing} missing` : "";
  return [
    column.key && column.type === "text" ? "key" : line(column.type ?? "", 20),
    line(column.unit ?? "", 20),
    range,
    missing,
  ]
    .filter(Boolean)
    .join(" · ");
}
