// Short messages at the edge of the page, which screen readers read aloud.

import { by, el, button, shown } from "./dom.js";
import { icon } from "./icons.js";

let timer = 0;

export function say(text, { seconds = 5, failed = false } = {}) {
  const place = by("notice");
  clearTimeout(timer);
  place.replaceChildren(
    el(
      "p",
      { class: failed ? "failed" : null },
      el("span", {}, shown(text)),
      button(icon("close"), clear, { class: "quiet icon", "aria-label": "Dismiss" }),
    ),
  );
  timer = setTimeout(clear, 1000 * (failed ? 2 * seconds : seconds));
}

// For screen readers only.
export function announce(text) {
  by("notice").replaceChildren(el("span", { class: "hidden" }, shown(text)));
}

function clear() {
  by("notice").replaceChildren();
}

export function copy(text, what = "Copied") {
  navigator.clipboard.writeText(text).then(
    () => say(what, { seconds: 2 }),
    () => say("This browser does not allow copying", { failed: true }),
  );
}
