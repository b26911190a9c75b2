// Split reasoning, as it is written, into thoughts and programs: the text of ```python blocks is a program.

const OPENING = /^ {0,3}(`{3,}|~{3,})[ \t]*(?:python|py|python3)[ \t]*\r?\n$/i;
const MAYBE = /^ {0,3}(?:`{1,}|~{1,})[^\n`]{0,20}$|^ {1,3}$/;

// A splitter; `parts` grows by appending, so that a view draws only what is new.
export class ReasoningParts {
  constructor(parts) {
    this.parts = parts;
    this.held = ""; // The beginning of a line that may be a fence.
    this.atStart = true;
    this.fence = null;
  }

  feed(text) {
    let rest = this.held + text;
    this.held = "";
    while (rest) {
      const end = rest.indexOf("\n");
      const piece = end < 0 ? rest : rest.slice(0, end + 1);
      if (this.atStart && end < 0 && MAYBE.test(piece)) {
        this.held = piece;
        return;
      }
      this.take(piece);
      this.atStart = end >= 0;
      rest = rest.slice(piece.length);
    }
  }

  take(piece) {
    if (this.fence) {
      const closing = this.atStart && piece.trim();
      if (closing && closing.startsWith(this.fence) && !closing.replaceAll(this.fence[0], "")) {
        this.fence = null;
        this.last.closed = true;
      } else this.last.code += piece;
      return;
    }
    const opening = this.atStart && OPENING.exec(piece);
    if (opening) {
      this.fence = opening[1];
      this.parts.push({ kind: "program", code: "", closed: false, execution: null, started: Date.now() });
    } else this.thought(piece);
  }

  thought(text) {
    if (this.last?.kind !== "thought") {
      if (!text.trim()) return;
      this.parts.push({ kind: "thought", text: "", started: Date.now(), seconds: 0 });
    }
    this.last.text += text;
    this.last.seconds = (Date.now() - this.last.started) / 1000;
  }

  // A program ran: the block that is open, or one in another spelling.
  ran(execution) {
    this.flush();
    this.fence = null;
    this.atStart = true;
    if (this.last?.kind !== "program" || this.last.execution)
      this.parts.push({ kind: "program", code: "", started: Date.now() });
    Object.assign(this.last, { code: String(execution.code ?? this.last.code), closed: true, execution });
  }

  hint(intervention, text) {
    this.flush();
    this.fence = null;
    this.atStart = true;
    this.parts.push({
      kind: "hint",
      trigger: String(intervention.trigger ?? ""),
      text: String(intervention.hint ?? text),
    });
  }

  flush() {
    const held = this.held;
    this.held = "";
    if (held) this.take(held);
  }

  get last() {
    return this.parts.at(-1);
  }
}
