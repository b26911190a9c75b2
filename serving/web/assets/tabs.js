// Tabs as screen readers know them: arrow keys move between them.

import { el } from "./dom.js";

let made = 0;

// entries: [{id, label, draw}], draw returns the nodes of a panel when it is first shown. onSelect: called with the id.
export function tabs(label, entries, selected, onSelect) {
  const group = `tabs-${(made += 1)}`;
  const panel = el("div", { role: "tabpanel", id: `${group}-panel`, tabindex: "0", class: "panel" });
  const buttons = entries.map((entry) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        id: `${group}-${entry.id}`,
        "aria-controls": panel.id,
        "data-tab": entry.id,
        click: () => select(entry.id),
        keydown: (event) => move(event, entry.id),
      },
      entry.label,
    ),
  );
  const select = (id) => {
    const entry = entries.find((one) => one.id === id) || entries[0];
    buttons.forEach((one) => {
      const on = one.dataset.tab === entry.id;
      one.setAttribute("aria-selected", String(on));
      one.tabIndex = on ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", `${group}-${entry.id}`);
    panel.replaceChildren(...[entry.draw()].flat(Infinity).filter(Boolean));
    onSelect?.(entry.id);
  };
  const move = (event, id) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -entries.length, End: entries.length }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = entries.findIndex((one) => one.id === id);
    const next =
      Math.abs(step) > 1 ? (step < 0 ? 0 : entries.length - 1) : (at + step + entries.length) % entries.length;
    select(entries[next].id);
    buttons[next].focus();
  };
  select(selected);
  return [el("div", { role: "tablist", "aria-label": label, class: "tabs" }, buttons), panel];
}
