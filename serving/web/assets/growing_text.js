// Text that grows at its end: only new characters are drawn, in blocks small enough for a quick layout.

import { el, isPlain, moreButton, shown } from "./dom.js";

const BLOCK = 1500; // characters after which the next line begins a new block
const LONGEST = 6000; // characters of a block without a line end
const DRAWN = 300_000; // characters that are drawn without being asked for

export class GrowingText {
  constructor(parent) {
    this.parent = parent;
    this.block = null;
    this.size = 0;
    this.drawn = 0;
    this.waiting = [];
  }

  append(text) {
    if (!text) return;
    if (this.drawn >= DRAWN) {
      this.wait(text);
      return;
    }
    this.drawn += text.length;
    for (let rest = text; rest;) {
      const room = this.block ? this.room(rest) : 0;
      if (room === 0) {
        this.block = el("div", { class: "grown" });
        this.parent.append(this.block);
        this.size = 0;
        continue;
      }
      this.draw(rest.slice(0, room));
      rest = rest.slice(room);
    }
  }

  // Characters of `text` that the current block takes.
  room(text) {
    const left = LONGEST - this.size;
    const end = text.indexOf("\n", Math.max(0, BLOCK - this.size));
    return Math.min(left, end < 0 ? text.length : end + 1);
  }

  draw(text) {
    this.size += text.length;
    const last = this.block.lastChild;
    if (last?.nodeType === Node.TEXT_NODE && isPlain(text)) last.appendData(text);
    else this.block.append(shown(text));
    // A line end closes a long block; the layout of a block is apart from that of others.
    if (this.size >= BLOCK && text.endsWith("\n")) this.block = null;
  }

  wait(text) {
    this.waiting.push(text);
    if (this.waiting.length > 1) return;
    moreButton(this.parent, "Show the rest", () => {
      const rest = this.waiting.join("");
      this.waiting = [];
      this.drawn = Math.max(0, DRAWN - 200_000);
      this.block = null;
      this.append(rest.slice(0, 200_000));
      if (rest.length > 200_000) this.wait(rest.slice(200_000));
    });
  }
}
