// A conversation: a tree of turns, of which one path is shown. Retried and edited questions are siblings.

import * as store from "./store.js";
import { newAnswer } from "./answer_job.js";
import { line } from "./dom.js";

const newId = () =>
  crypto.randomUUID?.() ||
  [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");

export class Conversation {
  constructor(head, turns) {
    this.head = head; // {id, title, created, changed, current}
    this.turns = turns; // Map of {id, parent, created, question: {text, files}, answer}
  }

  static create(title = "") {
    const now = Date.now();
    return new Conversation({ id: newId(), title, created: now, changed: now, current: null }, new Map());
  }

  static async load(id) {
    const head = await store.head(id);
    if (!head) return null;
    const [questions, answers] = await store.parts(id);
    const answerOf = new Map(answers.map((one) => [one.id, one.answer]));
    const turns = new Map();
    for (const one of questions.sort((a, b) => a.created - b.created)) {
      const answer = answerOf.get(one.id) || newAnswer();
      // The page was left before the end.
      if (answer.state === "streaming") answer.state = "stopped";
      turns.set(one.id, { id: one.id, parent: one.parent, created: one.created, question: one.question, answer });
    }
    return new Conversation(head, turns);
  }

  get title() {
    return this.head.title || "New problem";
  }

  // The turns from the first to the current one.
  get path() {
    const found = [];
    for (let turn = this.turns.get(this.head.current); turn; turn = this.turns.get(turn.parent)) found.unshift(turn);
    return found;
  }

  siblings(turn) {
    return [...this.turns.values()].filter((one) => one.parent === turn.parent);
  }

  // Show a turn and the latest turns after it.
  select(turn) {
    let last = turn;
    for (;;) {
      const after = [...this.turns.values()].filter((one) => one.parent === last.id);
      if (!after.length) break;
      last = after.at(-1);
    }
    this.head.current = last.id;
    return this.saveHead();
  }

  add(parent, question) {
    const turn = { id: newId(), parent: parent?.id ?? null, created: Date.now(), question, answer: newAnswer() };
    this.turns.set(turn.id, turn);
    this.head.current = turn.id;
    this.head.title ||= line(question.text, 70) || question.files[0]?.name || "";
    return turn;
  }

  saveHead() {
    this.head.changed = Date.now();
    return store.put("heads", this.head);
  }

  async saveQuestion(turn) {
    const { id, parent, created, question } = turn;
    await store.put("questions", { id, conversation: this.head.id, parent, created, question });
    await this.saveHead();
  }

  saveAnswer(turn) {
    return store.put("answers", { id: turn.id, conversation: this.head.id, answer: turn.answer });
  }

  // The messages of the API up to a turn. Of files with the same name, the last is sent.
  messages(turn) {
    const turns = [];
    for (let one = turn; one; one = this.turns.get(one.parent)) turns.unshift(one);
    const latest = new Map(turns.flatMap((one) => one.question.files.map((file) => [file.name, file])));
    const found = [];
    for (const one of turns) {
      const files = one.question.files.filter((file) => latest.get(file.name) === file);
      const text = one.question.text || "Solve the problem that the files describe.";
      found.push({ role: "user", content: files.length ? [{ type: "text", text }, ...files.map(filePart)] : text });
      if (one !== turn) found.push({ role: "assistant", content: one.answer.content || "(no answer)" });
    }
    return found;
  }

  // The files that programs of a turn see, by name.
  files(turn) {
    const turns = [];
    for (let one = turn; one; one = this.turns.get(one.parent)) turns.unshift(one);
    return Object.fromEntries(turns.flatMap((one) => one.question.files.map((file) => [file.name, file.data])));
  }
}

const filePart = (file) => ({
  type: "file",
  file: { filename: file.name, file_data: `data:application/octet-stream;base64,${file.data}` },
});
