// Read server-sent events from a response.

const MOST = 32 * 1024 * 1024; // characters of one event: the last has the plan

// Yield lists of the data of events, as they arrive. Comment lines keep the connection open and are left out.
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      // An event of many pieces would be searched again from its start with each.
      const from = Math.max(0, rest.length - 1);
      rest += value;
      if (!rest.includes("\n\n", from)) {
        if (rest.length > MOST) throw new Error("an event of the stream is too long");
        continue;
      }
      const blocks = rest.split("\n\n");
      rest = blocks.pop();
      const found = blocks.map(dataOf).filter((data) => data !== null);
      if (found.length) yield found;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function dataOf(block) {
  if (block.startsWith("data: ") && !block.includes("\n")) return block.slice(6);
  const lines = block.split("\n").filter((one) => one.startsWith("data:"));
  return lines.length ? lines.map((one) => one.slice(5).replace(/^ /, "")).join("\n") : null;
}
