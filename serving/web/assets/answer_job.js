// One answer in progress: reads the stream into the answer's data. Views read the data; nothing here draws.

import { ApiFailure, describe, request } from "./api.js";
import { events } from "./event_stream.js";
import { ReasoningParts } from "./reasoning_parts.js";

const MOST = 4_000_000; // characters of an answer that are kept

export function newAnswer() {
  return {
    state: "streaming",
    started: Date.now(),
    seconds: 0,
    parts: [],
    content: "",
    words: null,
    tree: null,
    facts: null,
    report: null,
    record: null,
    failure: null,
    whatIf: { changes: [], result: null },
    edited: null,
  };
}

const running = new Map();

export const jobOf = (turnId) => running.get(turnId) || null;

export class AnswerJob {
  // body: of the chat request. onChange: called after each read, and once more at the end.
  constructor(turnId, body, answer, onChange) {
    this.answer = answer;
    this.onChange = onChange;
    this.abort = new AbortController();
    this.received = 0;
    running.set(turnId, this);
    this.done = this.run(body).finally(() => {
      running.delete(turnId);
      answer.seconds = (Date.now() - answer.started) / 1000;
      onChange(true);
    });
  }

  stop() {
    this.abort.abort();
  }

  async run(body) {
    const { answer } = this;
    const split = new ReasoningParts(answer.parts);
    try {
      const response = await request("v1/chat/completions", { body, signal: this.abort.signal });
      let ended = false;
      for await (const list of events(response)) {
        for (const data of list) {
          if (data === "[DONE]") ended = true;
          else this.take(JSON.parse(data), split);
        }
        this.onChange(false);
      }
      if (!ended && !answer.facts)
        throw new ApiFailure({ message: "The connection broke before the answer was complete." });
      answer.state = "done";
    } catch (error) {
      if (this.abort.signal.aborted) answer.state = "stopped";
      else {
        answer.state = "failed";
        const known = error instanceof ApiFailure;
        answer.failure = {
          message: known ? error.message : "The connection broke before the answer was complete.",
          status: error.status || 0,
          retryAfter: error.retryAfter || null,
          at: Date.now(),
        };
      }
    } finally {
      split.flush();
    }
  }

  take(chunk, split) {
    if (chunk.error) throw describe(chunk.error);
    const choice = chunk.choices?.[0];
    const facts = chunk.storm;
    if (!choice) return;
    const reasoning = choice.delta?.reasoning ?? choice.delta?.reasoning_content;
    if (facts?.execution) split.ran(facts.execution);
    else if (facts?.intervention) split.hint(facts.intervention, reasoning || "");
    else if (typeof reasoning === "string" && this.room(reasoning)) split.feed(reasoning);
    const content = choice.delta?.content;
    if (typeof content === "string" && content && this.room(content)) {
      if (!this.answer.content) split.flush();
      this.closing = content;
      this.answer.content += content;
    }
    if (choice.finish_reason && facts) this.conclude(facts);
  }

  room(text) {
    this.received += text.length;
    return this.received <= MOST;
  }

  conclude(facts) {
    const { report = null, record = null, answer, stop, notes, verdict } = facts;
    // The other facts repeat what is in the parts and the report.
    Object.assign(this.answer, { facts: { answer, stop, notes, verdict }, report, record });
    // For clients that show text only, the last piece repeats the plan and the verdict, which are in the report, too.
    if (report && this.closing?.startsWith("\n\n"))
      this.answer.words = this.answer.content.length - this.closing.length;
  }
}
