// Save ratings on the server. "Saved" is shown when all are on disk.

const TYPING = 400; // Milliseconds after the last key until a comment is saved.
const AGAIN = [500, 1000, 2000, 4000]; // Milliseconds before each retry.

/**
 * onSaved(number, state): called when a rating is on disk, with the state of its intervention.
 * onStatus(text, kind): called with the status to show; kind is "saved", "failed" or nothing.
 */
export function saving({ onSaved, onStatus }) {
  const waiting = new Map(); // Unsaved ratings by number; only the newest of each.
  let sending = false;
  let typing = null; // A comment that is being typed: { number, rating, timer }.

  function put(number, rating, more = {}) {
    const headers = { "content-type": "application/json" };
    return fetch(`items/${number}`, { method: "PUT", headers, body: JSON.stringify(rating), ...more });
  }

  /** Send unsaved ratings one at a time until all are on disk. */
  async function send() {
    if (sending) return;
    sending = true;
    let failures = 0;
    let rejected = "";
    while (waiting.size) {
      const [number, rating] = waiting.entries().next().value;
      let answer, failure;
      try {
        answer = await put(number, rating);
        if (!answer.ok) {
          failure = (await answer.json()).error;
          if (answer.status === 404) failure = "the server was restarted; open its new URL";
        }
      } catch {
        failure = "the server does not answer";
      }
      // If a newer rating arrived meanwhile, keep that one to send.
      const sent = () => waiting.get(number) === rating && waiting.delete(number);
      if (answer?.status === 413 || answer?.status === 422) {
        // A retry would be rejected again.
        rejected = `Not saved: ${failure}.`;
        sent();
      } else if (failure) {
        onStatus(`Not saved: ${failure}. Retrying; keep this page open.`, "failed");
        await new Promise((done) => setTimeout(done, AGAIN[Math.min(failures++, AGAIN.length - 1)]));
      } else {
        failures = 0;
        const { state } = await answer.json();
        onSaved(number, state);
        sent();
        if (!waiting.size && !typing) onStatus(state === "reviewed" ? "Saved" : "Draft saved", "saved");
      }
    }
    if (rejected) onStatus(rejected, "failed");
    sending = false;
  }

  /** Queue the comment that is being typed. */
  function release() {
    if (!typing) return;
    clearTimeout(typing.timer);
    waiting.set(typing.number, structuredClone(typing.rating));
    typing = null;
  }

  /** Save a rating now. */
  function keep(number, rating) {
    release();
    waiting.set(number, structuredClone(rating));
    onStatus("Saving…");
    send();
  }

  /** Save a rating when typing pauses, or at `flush`. */
  function typed(number, rating) {
    clearTimeout(typing?.timer);
    typing = { number, rating, timer: setTimeout(flush, TYPING) };
    onStatus("Saving…");
  }

  function flush() {
    release();
    send();
  }

  // The page is closing: send unsaved ratings with requests that survive it.
  addEventListener("pagehide", () => {
    release();
    for (const [number, rating] of waiting) put(number, rating, { keepalive: true }).catch(() => {});
  });
  addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") flush();
  });
  addEventListener("beforeunload", (event) => {
    flush();
    if (waiting.size) event.preventDefault();
  });

  return { keep, typed, flush };
}
