// Judgements on their way to the disk. "Saved" is told when none is on its way any more.

const TYPING = 400; // Milliseconds after the last key until a comment goes to disk.
const AGAIN = [500, 1000, 2000, 4000]; // Milliseconds until a judgement that could not be sent is sent again.

/**
 * kept(number, state): called when a judgement is on disk, with how far its intervention is.
 * told(text, kind): called with what is to be said about it; kind is "saved", "failed" or nothing.
 */
export function keeping({ kept, told }) {
  const waiting = new Map(); // By number, the last word only.
  let sending = false;
  let typing = null; // A comment that is being typed: { number, judgement, timer }.

  function put(number, judgement, more = {}) {
    const headers = { "content-type": "application/json" };
    return fetch(`items/${number}`, { method: "PUT", headers, body: JSON.stringify(judgement), ...more });
  }

  /** Send what is waiting, one after another, until it is all on disk. */
  async function send() {
    if (sending) return;
    sending = true;
    let failures = 0;
    let refused = "";
    while (waiting.size) {
      const [number, judgement] = waiting.entries().next().value;
      let answer, failure;
      try {
        answer = await put(number, judgement);
        if (!answer.ok) {
          failure = (await answer.json()).error;
          if (answer.status === 404) failure = "its server was started anew; open the address that it says now";
        }
      } catch {
        failure = "the server does not answer";
      }
      // More may have been said meanwhile; then that is still to be sent.
      const sent = () => waiting.get(number) === judgement && waiting.delete(number);
      if (answer?.status === 413 || answer?.status === 422) {
        // It would be refused again.
        refused = `Not saved: ${failure}.`;
        sent();
      } else if (failure) {
        told(`Not saved: ${failure}. It is tried again; keep this page open.`, "failed");
        await new Promise((done) => setTimeout(done, AGAIN[Math.min(failures++, AGAIN.length - 1)]));
      } else {
        failures = 0;
        const { state } = await answer.json();
        kept(number, state);
        sent();
        if (!waiting.size && !typing) told(state === "judged" ? "Saved" : "Draft saved", "saved");
      }
    }
    if (refused) told(refused, "failed");
    sending = false;
  }

  /** What was typed last is no longer held back. */
  function release() {
    if (!typing) return;
    clearTimeout(typing.timer);
    waiting.set(typing.number, structuredClone(typing.judgement));
    typing = null;
  }

  /** A judgement goes to disk. */
  function keep(number, judgement) {
    release();
    waiting.set(number, structuredClone(judgement));
    told("Saving…");
    send();
  }

  /** The same, when nothing more is typed for a while, or at `flush`. */
  function typed(number, judgement) {
    clearTimeout(typing?.timer);
    typing = { number, judgement, timer: setTimeout(flush, TYPING) };
    told("Saving…");
  }

  function flush() {
    release();
    send();
  }

  // The page goes: what is not on disk yet is sent in a way that outlives it.
  addEventListener("pagehide", () => {
    release();
    for (const [number, judgement] of waiting) put(number, judgement, { keepalive: true }).catch(() => {});
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
