// The review page. Text of models and people is inserted as text nodes, never as markup.

import { saving } from "./saving.js";
import { blocks, element, highlight } from "./text_blocks.js";

const LETTERS = { y: "yes", n: "no", c: "cannot_say" };
const WORDS = { yes: "yes", no: "no", cannot_say: "can't say" };

const $ = (id) => document.getElementById(id);
const words = (name) => name.replaceAll("_", " ");

let review; // The response of GET review.
let at = -1; // The number of the shown intervention.
let shown; // The response of GET items/NUMBER.
let here = 0; // The question that the keys answer.
let choosing = false; // Whether digits choose the right trigger.
let going = null; // A promise that settles when the requested intervention is shown.
const ratings = new Map(); // The last rating of each intervention, by number.
const saver = saving({ onSaved: mark, onStatus: status });

function status(text, kind = "") {
  $("status").textContent = text;
  $("status").className = kind;
}

/** Save the rating of the shown intervention. */
function keep() {
  saver.keep(at, ratings.get(at));
}

function typed() {
  ratings.get(at).comment = $("comment").value;
  saver.typed(at, ratings.get(at));
}

// Showing

function mark(number, state) {
  review.states[number] = state;
  const reviewed = review.states.filter((one) => one === "reviewed").length;
  $("reviewed").textContent = reviewed;
  $("strip").children[number].classList.remove("open", "draft", "reviewed");
  $("strip").children[number].classList.add(state);
  $("done").hidden = reviewed < review.states.length;
  $("onward").hidden = reviewed === review.states.length;
}

function fold(folded) {
  $("before").classList.toggle("folded", folded);
  $("unfold").textContent = folded ? "Show all" : "Show end";
  if (folded) $("before").scrollTop = $("before").scrollHeight;
}

function showCase() {
  $("about").textContent = [shown.id, ...shown.about.map(words)].join(" · ");
  $("question").textContent = shown.question;
  $("answers").textContent = shown.answers.join(" or ") || "unknown";
  const state = { kind: "prose" };
  const before = blocks(shown.before, state);
  const nothing = element("p", { className: "nothing", textContent: "Nothing: the cut is at the beginning." });
  $("before").replaceChildren(...(before.length ? before : [nothing]));
  $("removed").replaceChildren(...blocks([{ source: "cut", text: shown.removed }], state));
  highlight($("removed"), shown.evidence);
  fold(true);
  $("unfold").hidden = $("before").scrollHeight <= $("before").clientHeight;
  $("hint").textContent = shown.hint;
  $("trigger").textContent = words(shown.trigger);
  const trigger = review.triggers.find((one) => one.name === shown.trigger);
  $("class").textContent = words(trigger.class).replace("or ", "OR ");
  $("meaning").textContent = trigger.meaning;
  $("why").textContent = shown.why;
  $("why").hidden = !shown.why;
  $("evidence").textContent = shown.evidence;
  $("evidence").hidden = !shown.evidence;
  $("place").textContent = `${at + 1} of ${review.states.length}`;
  $("previous").disabled = at === 0;
  $("next").disabled = at === review.states.length - 1;
  for (const [number, one] of [...$("strip").children].entries()) one.classList.toggle("here", number === at);
}

function showAnswers() {
  const rating = ratings.get(at);
  for (const [number, question] of review.questions.entries()) {
    const place = $("questions").children[number];
    place.classList.toggle("here", number === here);
    place.toggleAttribute("aria-current", number === here);
    for (const input of place.querySelectorAll(`input[name="${question.name}"]`)) {
      input.checked = rating.answers[question.name] === input.value;
    }
  }
  const wrong = rating.answers.trigger === "no";
  const which = document.querySelector(".which");
  which.hidden = !wrong;
  for (const input of which.querySelectorAll("input")) {
    input.checked = rating.right_trigger === input.value;
    input.disabled = !wrong || input.value === shown.trigger;
    input.parentElement.hidden = input.value === shown.trigger;
  }
}

function radio(name, value, label, key, chosen) {
  const input = element("input", { type: "radio", name, value });
  input.addEventListener("change", chosen);
  return element("label", {}, input, element("span", {}, label, element("kbd", { textContent: key })));
}

function build() {
  document.title = `Review of ${review.run}`;
  $("run").textContent = review.run;
  $("reviewer").textContent = review.reviewer;
  $("total").textContent = review.states.length;
  $("comment").maxLength = review.longest_comment;
  for (const number of review.states.keys()) {
    const one = element("i", { title: `${number + 1}` });
    one.addEventListener("click", () => go(number));
    $("strip").append(one);
  }
  for (const [number, question] of review.questions.entries()) {
    const answers = element("div", { className: "answers" });
    for (const [key, value] of Object.entries(LETTERS)) {
      answers.append(radio(question.name, value, WORDS[value], key, () => give(number, value)));
    }
    const head = element("legend", {}, element("kbd", { textContent: number + 1 }), question.words);
    const place = element("fieldset", {}, head, element("p", { textContent: question.help }), answers);
    if (question.name === "trigger") place.append(triggers(number));
    $("questions").append(place);
  }
  for (const [number, state] of review.states.entries()) mark(number, state);
}

function triggers(number) {
  const answers = element("div", { className: "answers" });
  for (const [index, { name, meaning }] of review.triggers.entries()) {
    const choice = radio("right_trigger", name, words(name), index + 1, () => choose(name));
    choice.title = meaning;
    answers.append(choice);
  }
  answers.append(radio("right_trigger", review.none, "none of them", 0, () => choose(review.none)));
  return element("div", { className: "which" }, element("p", { textContent: "Which trigger is right?" }), answers);
}

// Answering

function give(number, answer) {
  const rating = ratings.get(at);
  const { name } = review.questions[number];
  rating.answers[name] = answer;
  if (name === "trigger" && answer !== "no") rating.right_trigger = null;
  choosing = name === "trigger" && answer === "no";
  here = choosing ? number : Math.min(number + 1, review.questions.length - 1);
  keep();
  showAnswers();
  follow();
}

function choose(name) {
  if (name === shown.trigger) return;
  ratings.get(at).right_trigger = name;
  choosing = false;
  here = review.questions.findIndex((one) => one.name === "trigger") + 1;
  keep();
  showAnswers();
  follow();
}

/** Scroll to the current question. */
function follow() {
  $("questions").children[here].scrollIntoView({ block: "nearest" });
}

// Navigation

/** Show an intervention, from 0. */
function go(number) {
  if (number < 0 || number >= review.states.length || number === at) return Promise.resolve();
  const mine = load(number).finally(() => {
    if (going === mine) going = null;
  });
  going = mine;
  return mine;
}

async function load(number) {
  await going; // Show interventions in the order of the requests.
  let item;
  try {
    const answer = await fetch(`items/${number}`);
    if (!answer.ok) throw new Error((await answer.json()).error);
    item = await answer.json();
  } catch (error) {
    status(`Cannot show ${number + 1}: ${error instanceof TypeError ? "the server does not answer" : error.message}.`, "failed");
    return;
  }
  saver.flush(); // Save text that was typed while the intervention was loading.
  at = number;
  shown = item;
  // A rating that is being saved is newer than the one on the server.
  if (!ratings.has(at)) ratings.set(at, item.rating ?? { answers: {}, right_trigger: null, comment: "" });
  const rating = ratings.get(at);
  here = Math.max(0, review.questions.findIndex((one) => !(one.name in rating.answers)));
  choosing = false;
  $("comment").value = rating.comment;
  history.replaceState(null, "", `#${at + 1}`);
  document.querySelector("main").hidden = false;
  document.activeElement?.blur();
  showCase();
  showAnswers();
  scrollTo(0, 0);
  $("rating").scrollTop = 0;
}

/** Show the next intervention without a complete rating, from the beginning after the last one. */
function onward() {
  const count = review.states.length;
  for (let step = 1; step <= count; step++) {
    const number = (at + step) % count;
    if (state(number) !== "reviewed") return go(number);
  }
}

/** Return the state of an intervention, including ratings that are being saved. */
function state(number) {
  const one = ratings.get(number);
  if (!one) return review.states[number];
  const whole = review.questions.every((question) => question.name in one.answers);
  return whole && (one.answers.trigger !== "no" || one.right_trigger) ? "reviewed" : "draft";
}

function press(event) {
  if ($("keys").open || at < 0) return;
  const typing = event.target === $("comment");
  if (typing && (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey)))) {
    event.preventDefault();
    $("comment").blur();
    if (event.key === "Enter") onward();
    return;
  }
  if (typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (going) {
    // A key that is pressed while the next intervention loads is meant for that one.
    event.preventDefault();
    going.then(() => press(event));
    return;
  }
  const control = event.target instanceof HTMLElement && event.target.matches("button, input, [tabindex]");
  const { key } = event;
  if (key in LETTERS) give(here, LETTERS[key]);
  else if (/^[0-9]$/.test(key) && choosing) {
    const name = key === "0" ? review.none : review.triggers[key - 1]?.name;
    if (name) choose(name);
  } else if (/^[1-9]$/.test(key) && key <= review.questions.length) {
    here = key - 1;
    choosing = review.questions[here].name === "trigger" && ratings.get(at).answers.trigger === "no";
    showAnswers();
    follow();
  } else if (key === "m") $("comment").focus();
  else if (key === "j" || (key === "ArrowRight" && !control)) go(at + 1);
  else if (key === "k" || (key === "ArrowLeft" && !control)) go(at - 1);
  else if (key === "a") fold(!$("before").classList.contains("folded"));
  else if (key === "Escape") choosing = false;
  else if (key === "?") $("keys").showModal();
  else if (key === "Enter" && !(event.target instanceof HTMLButtonElement)) onward();
  else return;
  event.preventDefault();
}

// Start

async function begin() {
  const answer = await fetch("review");
  if (!answer.ok) throw new Error((await answer.json()).error);
  review = await answer.json();
  build();
  document.addEventListener("keydown", press);
  $("comment").addEventListener("input", typed);
  $("rating").addEventListener("submit", (event) => event.preventDefault());
  $("previous").addEventListener("click", () => go(at - 1));
  $("next").addEventListener("click", () => go(at + 1));
  $("onward").addEventListener("click", onward);
  $("unfold").addEventListener("click", () => fold(!$("before").classList.contains("folded")));
  $("keys-button").addEventListener("click", () => $("keys").showModal());
  addEventListener("hashchange", () => go(Number(location.hash.slice(1)) - 1));
  const asked = Number(location.hash.slice(1)) - 1;
  const open = review.states.findIndex((one) => one !== "reviewed");
  await go(review.states[asked] ? asked : Math.max(0, open));
}

begin().catch((error) => {
  $("failure").textContent = `The review cannot be shown: ${error.message}.`;
  $("failure").hidden = false;
});
