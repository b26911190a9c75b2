// The result under an answer: verdict, plan, limits, formulas, program and downloads, and what changes would do.

import { button, el, line, shown } from "./dom.js";
import { post } from "./api.js";
import { chartFigure } from "./charts.js";
import { same, withChange } from "./changes.js";
import { downloads } from "./downloads.js";
import { formulas } from "./formulas.js";
import { number, sentence, words } from "./format.js";

import { infeasible } from "./infeasible.js";
import { limitsTable } from "./limits_table.js";

import { announce } from "./notice.js";
import { readReport } from "./plan_report.js";
import { planTables, variableTable } from "./plan_tables.js";
import { programPanel } from "./program_editor.js";

import { tabs } from "./tabs.js";
import { verdictLines } from "./verdict.js";
import { askBar, changeBar, comparison } from "./what_if.js";

const RUN_SECONDS = 60;

export class ResultCard {
  // actions: {save(), ask(text), conversation, turn}.
  constructor(answer, actions) {
    Object.assign(this, { answer, actions, zeros: false, tab: null, editing: null, busy: false, failure: null });
    answer.whatIf ||= { changes: [], result: null };
    this.node = el("section", { class: "card", "aria-label": "Result" });
    this.draw();
  }

  // The solve that changes refer to: that of the answer, or of the edited program.
  get base() {
    const { answer } = this;
    return answer.edited ? { report: answer.edited.run.report, record: answer.edited.run.record } : answer;
  }

  get current() {
    return this.answer.whatIf.result || this.base;
  }

  get code() {
    const programs = this.answer.parts.filter((part) => part.kind === "program" && part.execution);
    return programs.at(-1)?.code || "";
  }

  draw() {
    const report = readReport(this.current.report);
    const base = readReport(this.base.report);
    const focus = this.focusPath();
    this.node.replaceChildren(
      ...[this.head(report), comparison(this.answer.whatIf.result), this.panels(report, base), this.whatIfBar()]
        .flat()
        .filter(Boolean),
    );
    this.restoreFocus(focus);
  }

  // Redrawing must not throw the keyboard back to the start of the page.
  focusPath() {
    const active = document.activeElement;
    return this.node.contains(active) ? active.getAttribute("aria-label")?.split(":")[0] || active.textContent : null;
  }

  restoreFocus(name) {
    if (!name) return;
    const found = [...this.node.querySelectorAll("button, input, textarea, summary")].find(
      (one) => (one.getAttribute("aria-label")?.split(":")[0] || one.textContent) === name,
    );
    (found || this.node.querySelector("[role=tab][aria-selected=true]"))?.focus({ preventScroll: true });
  }

  head(report) {
    const { answer } = this;
    const changed = Boolean(answer.whatIf.result || answer.edited);
    const lines = verdictLines(answer, report, changed);
    const goal = report?.sense ? { minimize: "Minimum", maximize: "Maximum" }[report.sense] : "Objective";
    const solved = report && ["optimal", "feasible"].includes(report.status);
    const big =
      solved && report.objective !== null
        ? [
            el("span", { class: "goal" }, report.status === "optimal" ? goal : `${goal}, best found`),
            el("strong", { class: "objective" }, number(report.objective)),
          ]
        : report
          ? [
              el(
                "strong",
                { class: "objective words" },
                report.status === "infeasible" ? "No feasible plan" : sentence(words(report.status)),
              ),
            ]
          : null;
    const solver = report ? [report.solver, report.library].filter(Boolean) : [];
    return el(
      "header",
      { class: "card-head" },
      el("h3", { class: "hidden" }, "Result"),
      el(
        "div",
        { class: "numbers-head" },
        big,
        solver.length
          ? el("span", { class: "faint" }, shown(solver[0] === solver[1] ? solver[0] : solver.join(", from ")))
          : null,
        changed ? el("span", { class: "badge changed" }, answer.whatIf.result ? "What-if" : "Edited program") : null,
      ),
      el("div", { class: "verdict" }, lines),
    );
  }

  panels(report, base) {
    const entries = [];
    const change = base?.changeable && this.base.record ? (one) => this.change(one) : null;
    const { changes } = this.answer.whatIf;
    if (report && (report.conflict || report.status === "infeasible"))
      entries.push({
        id: "conflict",
        label: "Why not",
        draw: () => infeasible(report, change ? (list) => this.apply(list) : null),
      });
    if (report?.groups.length) entries.push({ id: "plan", label: "Plan", draw: () => this.plan(report) });
    if (base?.constraints.length)
      entries.push({
        id: "limits",
        label: "Limits",
        draw: () => [this.hint(change), limitsTable(merged(base, report, "constraints"), changes, change)],
      });
    if (base?.variables.length)
      entries.push({
        id: "variables",
        label: "Variables",
        draw: () => [this.hint(change), variableTable(merged(base, report, "variables"), changes, change)],
      });
    if (report?.notation.length) entries.push({ id: "formulas", label: "Formulas", draw: () => formulas(report) });
    if (this.code) entries.push({ id: "program", label: "Program", draw: () => this.program() });
    entries.push({
      id: "save",
      label: "Save",
      draw: () =>
        downloads({
          record: this.current.record,
          hasPlan: Boolean(report?.groups.length),
          code: this.answer.edited?.code || this.code,
          conversation: this.actions.conversation,
        }),
    });
    if (!entries.some((entry) => entry.id === this.tab)) this.tab = entries[0].id;
    return tabs("Parts of the result", entries, this.tab, (id) => (this.tab = id));
  }

  hint(change) {
    return change ? el("p", { class: "faint hint-line" }, "Change a number, then solve again.") : null;
  }

  plan(report) {
    const tables = planTables(report, this.zeros, (on) => {
      this.zeros = on;
      this.draw();
    });
    if (!report.chart?.items.length) return tables;
    return el("div", { class: "plan-pair" }, el("div", {}, tables), chartFigure(report.chart));
  }

  program() {
    const { answer } = this;
    return programPanel({
      original: this.code,
      edited: answer.edited,
      editing: this.editing,
      busy: this.busy,
      failure: this.failure,
      onEdit: () => {
        this.editing = answer.edited?.code || this.code;
        this.draw();
        this.node.querySelector(".program-edit")?.focus();
      },
      onType: (code) => {
        this.editing = code; // Kept while another tab is shown.
      },
      onRun: (code) => this.runProgram(code),
      onStop: () => this.abort.abort(),
      onReset: () => {
        if (this.editing === null) answer.edited = null;
        this.editing = null;
        this.failure = null;
        if (!answer.edited) answer.whatIf = { changes: [], result: null };
        this.keep();
      },
    });
  }

  async runProgram(code) {
    if (this.busy) return;
    this.editing = code;
    await this.during(async (signal) => {
      const files = this.actions.conversation.files(this.actions.turn);
      const run = await post("v1/programs/run", { code, files, seconds: RUN_SECONDS }, signal);
      this.answer.edited = { code, run };
      this.answer.whatIf = { changes: [], result: null };
      this.editing = null;
      this.tab = "program";
      announce(run.status === "ok" ? "The program ran." : `The program ended with ${words(line(run.status, 40))}.`);
    });
  }

  change(one) {
    const { whatIf } = this.answer;
    whatIf.changes = withChange(whatIf.changes, one);
    this.failure = null;
    this.keep();
  }

  apply(changes) {
    const { whatIf } = this.answer;
    for (const one of changes) {
      // After other changes, the limit to change may be a changed one.
      const earlier = whatIf.changes.find((other) => same(one, other));
      whatIf.changes = withChange(whatIf.changes, earlier ? { ...one, before: earlier.before } : one);
    }
    return this.solve();
  }

  solve() {
    return this.during(async (signal) => {
      const { changes } = this.answer.whatIf;
      const sent = changes.map(({ kind, name, value }) => ({ kind, name, value }));
      const result = await post("v1/plans/what-if", { record: this.base.record, changes: sent }, signal);
      this.answer.whatIf.result = { ...result, of: changes };
      if (["conflict", "plan"].includes(this.tab)) this.tab = result.status === "infeasible" ? "conflict" : "plan";
      announce(`Solved again: ${words(line(result.status, 40))}.`);
    });
  }

  async during(work) {
    if (this.busy) return;
    this.busy = true;
    this.failure = null;
    this.abort = new AbortController();
    this.draw();
    try {
      await work(this.abort.signal);
    } catch (error) {
      this.failure = this.abort.signal.aborted ? "Stopped." : error.message;
    }
    this.busy = false;
    this.keep();
  }

  keep() {
    this.draw();
    this.actions.save();
  }

  whatIfBar() {
    const { whatIf, report } = this.answer;
    if (!whatIf.changes.length && !whatIf.result) return report ? askBar(this.actions.ask) : null;
    return changeBar(whatIf, {
      busy: this.busy,
      failure: this.editing === null ? this.failure : null,
      onUndo: (one) => this.change({ ...one, value: one.before }),
      onSolve: () => this.solve(),
      onStop: () => this.abort.abort(),
      onAsk: this.actions.ask,
      onReset: () => this.reset(),
    });
  }

  reset() {
    this.answer.whatIf = { changes: [], result: null };
    this.failure = null;
    this.keep();
  }
}

// The rows of the base model, whose limits are edited, with the amounts of the current solve.
function merged(base, report, list) {
  if (!report || report === base) return base;
  const now = new Map(report[list].map((row) => [row.name, row]));
  const limits = ({ lower, upper, cost }) => ({ lower, upper, ...(cost === undefined ? {} : { cost }) });
  return {
    ...base,
    [list]: base[list].map((row) => (now.has(row.name) ? { ...now.get(row.name), ...limits(row) } : row)),
  };
}
