// The list of conversations: opened, renamed, deleted, and searched by title.

import { by, button, el, line, shown } from "./dom.js";
import { askText, confirm } from "./dialogs.js";
import { when } from "./format.js";
import { icon } from "./icons.js";
import * as store from "./store.js";

const MOST = 300;

export class Sidebar {
  // actions: {open(id), removed(id), renamed(id, title)}.
  constructor(actions) {
    this.actions = actions;
    this.current = null;
    this.list = by("conversations");
    by("find").addEventListener("input", () => this.draw());
    by("open-side").addEventListener("click", () => this.toggle(true));
    by("close-side").addEventListener("click", () => this.toggle(false));
    by("page").addEventListener("click", (event) => {
      if (this.isOpen && !by("open-side").contains(event.target)) this.toggle(false);
    });
    by("side").addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isOpen) this.toggle(false);
    });
  }

  get isOpen() {
    return document.body.classList.contains("side-open");
  }

  // On a narrow window the list covers the page.
  toggle(open) {
    document.body.classList.toggle("side-open", open);
    by("open-side").setAttribute("aria-expanded", String(open));
    (open ? by("close-side") : by("open-side")).focus();
  }

  async refresh(current = this.current) {
    this.current = current;
    this.heads = await store.heads();
    this.draw();
  }

  draw() {
    const wanted = by("find").value.trim().toLowerCase();
    const found = (this.heads || []).filter((head) => head.title.toLowerCase().includes(wanted));
    const items = found.slice(0, MOST).map((head) => this.item(head));
    if (!items.length)
      items.push(
        el(
          "li",
          { class: "faint empty" },
          wanted ? "Nothing found" : "Nothing here yet. Conversations stay in this browser.",
        ),
      );
    this.list.replaceChildren(...items);
  }

  item(head) {
    const title = line(head.title || "New problem", 80);
    const open = button(
      [el("span", { class: "name", dir: "auto" }, shown(title)), el("small", { class: "faint" }, when(head.changed))],
      () => {
        document.body.classList.remove("side-open");
        this.actions.open(head.id);
      },
      { class: "item", "aria-current": head.id === this.current ? "page" : null },
    );
    return el(
      "li",
      { class: head.id === this.current ? "current" : null },
      open,
      button(icon("pencil"), () => this.rename(head), { class: "quiet icon", "aria-label": `Rename ${title}` }),
      button(icon("bin"), () => this.remove(head), { class: "quiet icon", "aria-label": `Delete ${title}` }),
    );
  }

  async rename(head) {
    const title = await askText("Rename", "Title", head.title);
    if (!title) return;
    await store.put("heads", { ...head, title });
    this.actions.renamed(head.id, title);
    await this.refresh();
  }

  async remove(head) {
    if (!(await confirm("Delete this conversation?", line(head.title || "New problem", 80), "Delete"))) return;
    await store.remove(head.id);
    this.actions.removed(head.id);
    await this.refresh();
  }
}
