// The page: connects the list, the conversation and the place to write.

import { by, line } from "./dom.js";
import { AnswerJob, jobOf } from "./answer_job.js";
import { ApiFailure, get } from "./api.js";
import { askForKey } from "./api_key.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { MOST_BYTES, claimed, fromFile } from "./conversation_file.js";
import { saveConversation } from "./downloads.js";
import { drawExamples } from "./examples.js";
import { followAgain } from "./follow_scroll.js";
import { announce, say } from "./notice.js";
import { Sidebar } from "./sidebar.js";
import * as store from "./store.js";
import { Thread } from "./thread.js";

const SAVED_EACH = 1000; // milliseconds between two writes of an answer in progress

let conversation = Conversation.create();
let model = "storm";
let isDemo = false;

const thread = new Thread({
  retry: (turn) => answer(conversation.turns.get(turn.parent), turn.question),
  edit: (turn, text) => answer(conversation.turns.get(turn.parent), { ...turn.question, text }),
  ask: (text) => composer.fill(text),
  select: async (turn) => {
    await conversation.select(turn);
    show(conversation);
  },
  saveAnswer: (one, turn) => one.saveAnswer(turn).catch(notKept),
});
const composer = new Composer({
  send: (text, files) => answer(conversation.path.at(-1) || null, { text, files }),
  stop: () => live()?.stop(),
  openConversation,
});
const sidebar = new Sidebar({
  open: (id) => {
    location.hash = `c/${id}`;
  },
  removed: (id) => {
    for (const turn of id === conversation.head.id ? conversation.turns.values() : []) jobOf(turn.id)?.stop();
    if (id === conversation.head.id) startNew();
  },
  renamed: (id, title) => {
    if (id !== conversation.head.id) return;
    conversation.head.title = title;
    heading();
  },
});

// The answer in progress of the shown conversation.
function live() {
  for (const turn of conversation.turns.values()) {
    const job = jobOf(turn.id);
    if (job) return job;
  }
  return null;
}

function show(one) {
  const changed = one !== conversation;
  conversation = one;
  thread.show(one);
  heading();
  composer.setBusy(Boolean(live()));
  sidebar.refresh(one.head.id);
  if (changed) followAgain();
}

function heading() {
  const empty = !conversation.head.current;
  document.body.classList.toggle("empty", empty);
  by("title").textContent = line(conversation.title, 90);
  document.title = empty ? "STORM" : `${line(conversation.title, 60)} – STORM`;
  by("share").hidden = empty;
  by("question").placeholder = empty ? "Describe the problem: what to decide, the limits, the goal" : "Ask a follow-up";
}

function startNew() {
  if (location.hash) history.pushState(null, "", location.pathname + location.search);
  show(Conversation.create());
  by("question").focus();
}

// Conversations with an answer in progress stay in memory, so that leaving them does not stop it.
const active = new Map();

async function answer(parent, question) {
  if (live()) {
    say("An answer is in progress. Stop it, or wait for its end.");
    return;
  }
  const one = conversation;
  const turn = one.add(parent, question);
  active.set(one.head.id, one);
  const body = { model, messages: one.messages(turn), stream: true, storm: { return_record: true } };
  // The most likely text of the demo model solves the examples; a retry is another text.
  if (isDemo && one.siblings(turn).length === 1) body.temperature = 0;
  let saved = Date.now();
  const job = new AnswerJob(turn.id, body, turn.answer, (ended) => {
    if (conversation === one) thread.changed(turn);
    if (!ended && Date.now() - saved > SAVED_EACH) {
      saved = Date.now();
      one.saveAnswer(turn).catch(notKept);
    }
  });
  show(one);
  followAgain();
  announce("The question was sent.");
  if (location.hash !== `#c/${one.head.id}`) history.pushState(null, "", `#c/${one.head.id}`);
  one
    .saveQuestion(turn)
    .then(() => one.saveAnswer(turn))
    .then(() => sidebar.refresh(), notKept);
  await job.done;
  active.delete(one.head.id);
  one.saveAnswer(turn).catch(notKept);
  if (conversation === one) {
    thread.finished(turn);
    composer.setBusy(Boolean(live()));
    announce(
      { done: "The answer is complete.", stopped: "Stopped.", failed: "The answer failed." }[turn.answer.state] || "",
    );
  }
}

function notKept(error) {
  say(
    error?.name === "QuotaExceededError"
      ? "This browser has no room left: the conversation is not kept. Delete others, or save it as a file."
      : "The conversation cannot be kept in this browser.",
    { failed: true },
  );
}

async function openFromAddress() {
  const id = /^#c\/([\w-]{1,64})$/.exec(location.hash)?.[1];
  if (!id) return show(Conversation.create());
  if (id === conversation.head.id) return undefined;
  const found = active.get(id) || (await Conversation.load(id).catch(() => null));
  if (location.hash !== `#c/${id}`) return undefined; // Another was opened meanwhile.
  if (!found) {
    say("This conversation is not in this browser.", { failed: true });
    history.replaceState(null, "", location.pathname + location.search);
  }
  show(found || Conversation.create());
  // The list, from which it was opened, may be hidden now.
  return by("main").focus({ preventScroll: true });
}

// Open a file if it is a saved conversation. Returns whether it claims to be one.
async function openConversation(file) {
  try {
    if (!(await file.slice(0, 300).text()).includes("storm-conversation")) return false;
    if (file.size > MOST_BYTES) throw new Error("The file is too large for a conversation.");
    const data = claimed(await file.text());
    if (!data) return false;
    const opened = fromFile(data);
    await opened.saveHead();
    for (const turn of opened.turns.values()) {
      await opened.saveQuestion(turn);
      await opened.saveAnswer(turn);
    }
    location.hash = `c/${opened.head.id}`;
    document.body.classList.remove("side-open");
  } catch (error) {
    say(error instanceof Error ? error.message : "The file cannot be opened.", { failed: true, seconds: 10 });
  }
  return true;
}

async function describeModel() {
  try {
    const entry = (await get("v1/models")).data?.[0];
    if (typeof entry?.id !== "string") return;
    model = entry.id;
    isDemo = entry.storm?.demo === true;
    by("model").textContent = isDemo ? "Demo model: it only knows problems like the examples" : "";
  } catch (error) {
    if (error instanceof ApiFailure && error.status !== 401) say(error.message, { failed: true });
  }
}

by("new").addEventListener("click", () => {
  document.body.classList.remove("side-open");
  startNew();
});
by("share").addEventListener("click", () => saveConversation(conversation));
by("set-key").addEventListener("click", async () => {
  if (await askForKey("The key for this server, if it needs one.")) describeModel();
});
addEventListener("hashchange", openFromAddress);
drawExamples(by("examples"), (text) => composer.fill(text));
openFromAddress().then(() => {
  if (store.isTemporary()) say("This browser does not keep conversations: they last until the page is left.");
});
describeModel();
