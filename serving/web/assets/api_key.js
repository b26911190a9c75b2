// The API key: asked for if the server wants one, kept for this tab, or for this browser if the user likes.

import { el, shown } from "./dom.js";
import { ask } from "./dialogs.js";

const NAME = "storm-api-key";
let asking = null;

function stored(store) {
  try {
    return store().getItem(NAME);
  } catch {
    return null; // Storage can be switched off.
  }
}

let current = stored(() => sessionStorage) || stored(() => localStorage);

export const apiKey = () => current;

function setKey(key, remember) {
  current = key || null;
  for (const [store, keep] of [
    [() => sessionStorage, true],
    [() => localStorage, remember],
  ]) {
    try {
      if (current && keep) store().setItem(NAME, current);
      else store().removeItem(NAME);
    } catch {
      // Kept in memory until the page is left.
    }
  }
}

// Ask for a key once, however many requests need it. Returns whether there is a new one.
export function askForKey(reason) {
  asking ||= dialog(reason).finally(() => {
    asking = null;
  });
  return asking;
}

async function dialog(reason) {
  const input = el("input", { type: "password", autocomplete: "off", spellcheck: "false", maxlength: "500" });
  const remember = el("input", { type: "checkbox" });
  remember.checked = stored(() => localStorage) !== null;
  const body = [
    el("p", {}, shown(reason)),
    el("label", { class: "field" }, "API key", input),
    el("label", { class: "check" }, remember, "Remember in this browser"),
    el("p", { class: "faint" }, "The key is sent to this server only. Leave it empty to forget it."),
  ];
  const given = await ask({
    title: "API key",
    body,
    confirm: "Use key",
    read: () => ({ key: input.value.trim(), remember: remember.checked }),
  });
  if (given === null) return false;
  setKey(given.key, given.remember);
  return Boolean(given.key);
}
