// A number that can be changed in place: a button that becomes a field.

import { el } from "./dom.js";
import { number, typed } from "./format.js";

// label: what the number is. changed: its other value, or undefined. onChange: called with a number, or null for none.
export function editable({ value, changed, label, onChange, none = "none", nullable = true }) {
  const text = (one) => (one === null || one === undefined ? none : number(one));
  const current = changed === undefined ? value : changed;
  const place = el("span", { class: "editable" });
  const show = () => {
    const was = changed !== undefined ? `, was ${text(value)}` : "";
    const open = el(
      "button",
      {
        type: "button",
        class: changed !== undefined ? "edit changed" : "edit",
        "aria-label": `${label}: ${text(current)}${was}. Change`,
        click: edit,
      },
      text(current),
    );
    place.replaceChildren(...(changed !== undefined ? [el("s", { class: "faint" }, text(value)), " "] : []), open);
    return open;
  };
  const edit = () => {
    let done = false;
    const input = el("input", {
      type: "text",
      inputmode: "decimal",
      class: "edit-field",
      size: "8",
      "aria-label": label,
      autocomplete: "off",
    });
    input.value = current === null || current === undefined ? "" : String(current);
    const close = (keep) => {
      if (done) return;
      const next = typed(input.value);
      if (keep && (next === undefined || (next === null && !nullable))) {
        input.setAttribute("aria-invalid", "true");
        input.title = nullable ? "Enter a number, or nothing for no limit" : "Enter a number";
        return;
      }
      done = true;
      if (keep && next !== current) onChange(next);
      else show().focus();
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        close(true);
      } else if (event.key === "Escape") {
        event.stopPropagation();
        close(false);
      }
    });
    input.addEventListener("blur", () => {
      if (typed(input.value) === undefined) close(false);
      else close(true);
    });
    place.replaceChildren(input);
    input.focus();
    input.select();
  };
  show();
  return place;
}
