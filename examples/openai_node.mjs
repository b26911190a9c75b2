// Send a question with OpenAI's client for Node.
//
//   storm serve                          (in another terminal)
//   npm install openai && node examples/openai_node.mjs ["QUESTION"]
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.env.STORM_URL ?? "http://127.0.0.1:8000/v1",
  apiKey: process.env.STORM_API_KEY ?? "none",
});
const shop =
  "A carpentry shop makes shelves and stools. Each unit of shelves takes 6 hours of labor and 11 boards of wood and " +
  "brings a profit of $66. Each unit of stools takes 14 hours of labor and 9 boards of wood and brings a profit of " +
  "$62. There are only 168 hours of labor available. There are only 163 boards of wood available. Any fraction of a " +
  "unit is allowed. Plan production to maximize profit. What profit results?";
const question = process.argv[2] ?? shop;
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
  if (chunk.storm?.verdict) process.stdout.write(`verdict: ${chunk.storm.verdict.summary}\n`);
}
