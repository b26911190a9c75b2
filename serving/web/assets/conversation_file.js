// Conversations as files. A file from elsewhere is checked value by value, limited in size, and only ever shown.

import { Conversation } from "./conversation.js";
import { newAnswer } from "./answer_job.js";

const FORMAT = "storm-conversation",
  VERSION = 1;
export const MOST_BYTES = 64 * 1024 * 1024;

export function toFile(conversation) {
  const { title, created, current } = conversation.head;
  const turns = [...conversation.turns.values()].map(({ id, parent, created: at, question, answer }) => ({
    id,
    parent,
    created: at,
    question,
    answer: { ...answer, tree: undefined },
  }));
  return JSON.stringify({ format: FORMAT, version: VERSION, title, created, current, turns }, null, 1);
}

// Return the data of a text if it claims to be a conversation, else null.
export function claimed(text) {
  if (!text.slice(0, 200).includes(FORMAT)) return null;
  try {
    const data = JSON.parse(text);
    return data && data.format === FORMAT ? data : null;
  } catch {
    throw new Error("The file is not complete: it is not JSON.");
  }
}

// Return the conversation in a file's data, with new ids. Raises Error with the place of a wrong value.
export function fromFile(data) {
  if (data.version !== VERSION)
    throw new Error(`The file has version ${String(data.version).slice(0, 20)}; this page reads version ${VERSION}.`);
  const conversation = Conversation.create(text(data.title, "title", 500));
  conversation.head.created = time(data.created, "created");
  const turns = list(data.turns, "turns", 1000);
  const made = new Map();
  turns.forEach((turn, number) => {
    const place = `turns[${number}]`;
    const { id, parent } = object(turn, place);
    text(id, `${place}.id`, 100);
    if (made.has(id)) throw wrong(`${place}.id`, "is used twice");
    // A parent comes before its turn, so there are no circles.
    if (parent !== null && !made.has(parent)) throw wrong(`${place}.parent`, "is not an earlier turn");
    const copy = conversation.add(made.get(parent) ?? null, question(turn.question, `${place}.question`));
    copy.created = time(turn.created, `${place}.created`);
    copy.answer = answer(turn.answer, `${place}.answer`);
    made.set(id, copy);
  });
  if (data.current !== null && !made.has(data.current)) throw wrong("current", "is not a turn");
  conversation.head.current = data.current === null ? null : made.get(data.current).id;
  return conversation;
}

function question(value, place) {
  const given = object(value, place);
  const files = list(given.files, `${place}.files`, 20).map((file, number) => {
    const at = `${place}.files[${number}]`;
    const { name, size, data } = object(file, at);
    if (typeof data !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(data)) throw wrong(`${at}.data`, "is not base64");
    return { name: text(name, `${at}.name`, 255), size: amount(size, `${at}.size`), data };
  });
  return { text: text(given.text, `${place}.text`, 200_000), files };
}

function answer(value, place) {
  const given = object(value, place);
  const made = newAnswer();
  const states = ["done", "stopped", "failed", "streaming"];
  if (!states.includes(given.state)) throw wrong(`${place}.state`, `is not one of ${states.join(", ")}`);
  made.state = given.state === "streaming" ? "stopped" : given.state;
  made.started = time(given.started, `${place}.started`);
  made.seconds = amount(given.seconds, `${place}.seconds`);
  made.content = text(given.content, `${place}.content`, 4_000_000);
  made.words = given.words === null || given.words === undefined ? null : amount(given.words, `${place}.words`);
  made.parts = list(given.parts, `${place}.parts`, 1000).map((part, number) =>
    partOf(part, `${place}.parts[${number}]`),
  );
  made.facts = given.facts === null ? null : plain(given.facts, `${place}.facts`);
  made.report = given.report === null ? null : plain(given.report, `${place}.report`);
  made.record = given.record === null ? null : plain(given.record, `${place}.record`);
  if (given.failure)
    made.failure = {
      message: text(object(given.failure, `${place}.failure`).message, `${place}.failure.message`, 2000),
      status: 0,
      retryAfter: null,
      at: 0,
    };
  return made;
}

function partOf(value, place) {
  const part = object(value, place);
  if (part.kind === "thought")
    return {
      kind: "thought",
      text: text(part.text, `${place}.text`, 4_000_000),
      seconds: amount(part.seconds, `${place}.seconds`),
      started: 0,
    };
  if (part.kind === "hint")
    return {
      kind: "hint",
      trigger: text(part.trigger, `${place}.trigger`, 200),
      text: text(part.text, `${place}.text`, 100_000),
    };
  if (part.kind !== "program") throw wrong(`${place}.kind`, "is not thought, program or hint");
  const execution = part.execution === null ? null : plain(part.execution, `${place}.execution`);
  return { kind: "program", code: text(part.code, `${place}.code`, 1_000_000), closed: true, execution, started: 0 };
}

// Plain data of bounded depth and size; what is drawn of it is checked where it is drawn.
function plain(value, place, depth = 40, room = { left: 1_000_000 }) {
  if ((room.left -= 1) < 0) throw wrong(place, "has too many values");
  if (value === null || typeof value === "boolean" || typeof value === "number") return value;
  if (typeof value === "string") return text(value, place, 8_000_000);
  if (depth === 0) throw wrong(place, "is nested too deeply");
  if (Array.isArray(value)) return value.map((one, number) => plain(one, `${place}[${number}]`, depth - 1, room));
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, plain(one, `${place}.${name.slice(0, 50)}`, depth - 1, room)]),
  );
}

const wrong = (place, why) =>
  new Error(`The file is not a conversation that this page can open: ${place.slice(0, 200)} ${why}.`);

function object(value, place) {
  if (!value || typeof value !== "object" || Array.isArray(value)) throw wrong(place, "is not an object");
  return value;
}

function list(value, place, most) {
  if (!Array.isArray(value)) throw wrong(place, "is not a list");
  if (value.length > most) throw wrong(place, `has more than ${most} entries`);
  return value;
}

function text(value, place, most) {
  if (typeof value !== "string") throw wrong(place, "is not text");
  if (value.length > most) throw wrong(place, `has more than ${most} characters`);
  return value;
}

function amount(value, place) {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0)
    throw wrong(place, "is not a number from 0 on");
  return value;
}

const time = (value, place) => {
  if (amount(value, place) > 8.64e15) throw wrong(place, "is not a time");
  return value;
};
