// Ratings on their way to the disk. "Saved" is shown when none is on its way any more.

const TYPING = 400; // Milliseconds after the last key until a comment goes to disk.
const AGAIN = [500, 1000, 2000, 4000]; // Milliseconds until a rating that could not be sent is sent again.

/**
 * onSaved(number, state): called when a rating is on disk, with how far its intervention is.
 * onStatus(text, kind): called with the status to show; kind is "saved", "failed" or nothing.
 */
export function saving({ onSaved, onStatus }) {
  const waiting = new Map(); // By number, the last word only.
  let sending = false;
  let typing = null; // A comment that is being typed: { number, rating, timer }.

  function put(number, rating, more = {}) {
    const headers = { "content-type": "application/json" };
    return fetch(`items/${number}`, { method: "PUT", headers, body: JSON.stringify(rating), ...more });
  }

  /** Send what is waiting, one after another, until it is all on disk. */
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
          if (answer.status === 404) failure = "its server was started anew; open the address that it says now";
        }
      } catch {
        failure = "the server does not answer";
      }
      // A newer rating may be waiting by now; then that is still to be sent.
      const sent = () => waiting.get(number) === rating && waiting.delete(number);
      if (answer?.status === 413 || answer?.status === 422) {
        // It would be rejected again.
        rejected = `Not saved: ${failure}.`;
        sent();
      } else if (failure) {
        onStatus(`Not saved: ${failure}. It is tried again; keep this page open.`, "failed");
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

  /** What was typed last is no longer held back. */
  function release() {
    if (!typing) return;
    clearTimeout(typing.timer);
    waiting.set(typing.number, structuredClone(typing.rating));
    typing = null;
  }

  /** A rating goes to disk. */
  function keep(number, rating) {
    release();
    waiting.set(number, structuredClone(rating));
    onStatus("Saving…");
    send();
  }

  /** The same, when nothing more is typed for a while, or at `flush`. */
  function typed(number, rating) {
    clearTimeout(typing?.timer);
    typing = { number, rating, timer: setTimeout(flush, TYPING) };
    onStatus("Saving…");
  }

  function flush() {
    release();
    send();
  }

  // The page goes: what is not on disk yet is sent in a way that outlives it.
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
