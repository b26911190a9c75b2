// Ask with OpenAI's client for Node.
//
//   storm serve                          (in another terminal)
//   npm install openai && node examples/openai_node.mjs "A workshop has 40 hours. ..."
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.env.STORM_URL ?? "http://127.0.0.1:8000/v1",
  apiKey: process.env.STORM_API_KEY ?? "none",
});
const question = process.argv[2] ?? "A workshop has 40 hours. A chair takes 2 and earns 5. What is best?";
const stream = await client.chat.completions.create({
  model: "storm",
  stream: true,
  messages: [{ role: "user", content: question }],
});
for await (const chunk of stream) {
  const delta = chunk.choices[0]?.delta ?? {};
  process.stderr.write(delta.reasoning ?? "");
  process.stdout.write(delta.content ?? "");
  if (chunk.storm?.answer) process.stdout.write(`\n${JSON.stringify(chunk.storm.answer)}\n`);
}
