// What the agent did before it answered: thoughts, programs with their output, and hints of the guard.

import { el, line, shown } from "./dom.js";
import { block, python } from "./code.js";
import { duration, number, plural, sentence, words } from "./format.js";
import { GrowingText } from "./growing_text.js";

const TAIL = 160; // characters of a thought in its one-line summary

export function viewOf(part, count) {
  if (part.kind === "thought") return new ThoughtView(part);
  if (part.kind === "program") return new ProgramView(part, count);
  return new HintView(part);
}

class ThoughtView {
  constructor(part) {
    this.part = part;
    this.drawn = 0;
    this.preview = el("span", { class: "preview", dir: "auto" });
    this.time = el("span", { class: "time" });
    this.label = el("span", { class: "label" });
    this.body = el("div", {
      class: "thought-text",
      tabindex: "0",
      role: "region",
      "aria-label": "Thoughts",
      dir: "auto",
    });
    this.text = new GrowingText(this.body);
    this.node = el(
      "details",
      { class: "work thought", toggle: () => this.draw() },
      el("summary", {}, this.label, this.time, this.preview),
      this.body,
    );
  }

  // live: whether it still grows.
  update(live) {
    const { part } = this;
    this.node.classList.toggle("live", live);
    this.label.textContent = live ? "Thinking" : "Thought";
    const seconds = live ? (Date.now() - part.started) / 1000 : part.seconds;
    this.time.textContent = seconds >= 0.05 ? duration(seconds) : "";
    const tail = part.text.slice(-3 * TAIL).trimEnd();
    const last = tail.slice(tail.lastIndexOf("\n") + 1) || tail;
    this.preview.textContent = line(live ? last.slice(-TAIL) : part.text.slice(0, 2 * TAIL), TAIL);
    this.draw();
  }

  draw() {
    if (!this.node.open || this.drawn === this.part.text.length) return;
    const { body } = this;
    const follows = this.drawn === 0 || body.scrollHeight - body.scrollTop - body.clientHeight < 40;
    this.text.append(this.part.text.slice(this.drawn));
    const first = this.drawn === 0;
    this.drawn = this.part.text.length;
    if (follows && !(first && !this.node.classList.contains("live"))) body.scrollTop = body.scrollHeight;
  }

  finish() {}
}

class ProgramView {
  constructor(part, count) {
    this.part = part;
    this.count = count;
    this.drawn = 0;
    this.touched = false;
    this.state = el("span", { class: "state" });
    this.code = el("div", {});
    this.output = el("div", {});
    this.live = null;
    const summary = el(
      "summary",
      { click: () => (this.touched = true) },
      el("span", { class: "label" }, `Program ${count}`),
      this.state,
    );
    this.node = el("details", { class: "work program" }, summary, this.code, this.output);
  }

  update(live) {
    const { part } = this;
    if (!this.touched && live) this.node.open = true;
    if (part.closed) this.close();
    else if (live) this.grow();
    else this.close();
    if (part.execution && !this.ran) {
      this.ran = true;
      this.output.replaceChildren(...outputOf(part.execution));
    }
    this.node.classList.toggle("live", live && !part.execution);
    this.state.replaceChildren(...this.summary(live));
  }

  grow() {
    if (!this.live) {
      const pre = el("pre", {});
      this.live = new GrowingText(pre);
      this.code.replaceChildren(el("div", { class: "code" }, pre));
    }
    this.live.append(this.part.code.slice(this.drawn));
    this.drawn = this.part.code.length;
  }

  close() {
    if (this.closed === this.part.code) return;
    this.closed = this.part.code;
    this.code.replaceChildren(block(this.part.code, `Program ${this.count}`, python));
  }

  summary(live) {
    const { execution, closed } = this.part;
    if (!execution) return [!live ? "did not run" : closed ? "running…" : "writing…"];
    const seconds = typeof execution.wall_seconds === "number" ? duration(execution.wall_seconds) : "";
    if (execution.status !== "ok")
      return [el("span", { class: "bad" }, words(line(execution.status, 40))), " ", seconds];
    const report = reportsOf(execution).at(-1);
    return [report ? reportText(report) : "ran", " · ", seconds];
  }

  // The answer is complete: programs fold, unless the user opened or closed them.
  finish() {
    if (!this.touched) this.node.open = false;
  }
}

class HintView {
  constructor(part) {
    const trigger = part.trigger ? ` · ${words(line(part.trigger, 60))}` : "";
    this.node = el(
      "div",
      { class: "work hint", role: "note" },
      el("b", {}, `Hint of the guard${trigger}`),
      el("p", { dir: "auto" }, shown(part.text.slice(0, 5000))),
    );
  }

  update() {}
  finish() {}
}

const reportsOf = (execution) => (Array.isArray(execution.reports) ? execution.reports : []);

function reportText(report) {
  const solver = line(report.solver || report.library || "Solver", 40);
  const status = words(line(report.status ?? "", 40));
  return typeof report.objective === "number"
    ? `${solver}: ${status}, objective ${number(report.objective)}`
    : `${solver}: ${status}`;
}

// The output of a program and the reports of its solvers.
export function outputOf(execution) {
  const made = [];
  for (const [name, label] of [
    ["stdout", "Output"],
    ["stderr", "Errors"],
  ]) {
    const text = typeof execution[name] === "string" ? execution[name] : "";
    if (text.trim())
      made.push(el("div", { class: `output ${name}` }, el("span", { class: "caption" }, label), block(text, label)));
  }
  const reports = reportsOf(execution).slice(0, 20);
  if (reports.length) made.push(el("ul", { class: "reports" }, reports.map(reportLine)));
  if (!made.length) made.push(el("p", { class: "faint" }, "No output."));
  return made;
}

function reportLine(report) {
  const about = [
    typeof report.variables === "number" && plural(report.variables, "variable"),
    typeof report.constraints === "number" && plural(report.constraints, "constraint"),
    typeof report.seconds === "number" && duration(report.seconds),
  ].filter(Boolean);
  return el(
    "li",
    {},
    sentence(reportText(report)),
    about.length ? el("span", { class: "faint" }, ` (${about.join(", ")})`) : null,
  );
}
