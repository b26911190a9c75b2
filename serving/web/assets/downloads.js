// Files to save: the plan, the program, the model and the conversation.

import { button, el } from "./dom.js";
import { request } from "./api.js";
import { say } from "./notice.js";
import { toFile } from "./conversation_file.js";

const FORMATS = [
  ["csv", "Plan (CSV)"],
  ["xlsx", "Plan (Excel)"],
  ["mps", "Model (MPS)"],
  ["lp", "Model (LP)"],
];

export function save(name, content, type) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = el("a", { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

// Buttons that save files. record: of the shown solve; null without one. hasPlan: whether it has values.
export function downloads({ record, hasPlan, code, conversation }) {
  const made = [];
  if (record)
    for (const [format, label] of FORMATS)
      if (hasPlan || !["csv", "xlsx"].includes(format))
        made.push(button(label, (event) => fetchFile(event.target, record, format)));
  if (code) made.push(button("Program (Python)", () => save("program.py", code, "text/x-python")));
  made.push(button("Conversation (JSON)", () => saveConversation(conversation)));
  return el("div", { class: "downloads" }, made);
}

async function fetchFile(place, record, format) {
  place.disabled = true;
  try {
    const response = await request("v1/plans/export", { body: { record, format } });
    const given = /filename="?([\w.-]{1,80})"?/.exec(response.headers.get("content-disposition") || "");
    const fallback = { csv: "plan.csv", xlsx: "plan.xlsx" }[format] || `model.${format}`;
    save(given ? given[1] : fallback, await response.blob());
  } catch (error) {
    say(error.message, { failed: true });
  } finally {
    place.disabled = false;
  }
}

export function saveConversation(conversation) {
  const name = conversation.title
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 40)
    .toLowerCase();
  save(`${name || "conversation"}.storm.json`, toFile(conversation), "application/json");
}
