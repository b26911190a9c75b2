// Questions to the user, as modal dialogs that the keyboard can leave.

import { button, el, shown } from "./dom.js";

// Show a dialog and return the value of `read` on confirmation, or null. body: nodes. read: called when it is confirmed.
export function ask({ title, body, confirm, read, danger = false }) {
  return new Promise((resolve) => {
    let value = null;
    const id = `dialog-${Math.random().toString(36).slice(2)}`;
    const form = el(
      "form",
      {
        submit: (event) => {
          event.preventDefault();
          value = read();
          if (value !== undefined) dialog.close();
        },
      },
      el("h2", { id }, title),
      body,
      el(
        "div",
        { class: "bar end" },
        button("Cancel", () => {
          value = null;
          dialog.close();
        }),
        el("button", { type: "submit", class: danger ? "danger" : "main" }, confirm),
      ),
    );
    const dialog = el("dialog", { "aria-labelledby": id }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(value);
    });
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector("input, textarea")?.focus();
  });
}

export function confirm(title, text, label) {
  return ask({ title, body: el("p", {}, shown(text)), confirm: label, read: () => true, danger: true });
}

export function askText(title, label, text) {
  const input = el("input", { type: "text", maxlength: "200", value: text, autocomplete: "off" });
  return ask({
    title,
    body: el("label", { class: "field" }, label, input),
    confirm: "Save",
    read: () => input.value.trim() || undefined,
  });
}
