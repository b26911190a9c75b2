"""Send a question with OpenAI's Python client, stream the thoughts, then send a follow-up question.

storm serve                                  # in another terminal
pip install openai && python examples/openai_python.py ["QUESTION"]
"""

import os
import sys

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("STORM_URL", "http://127.0.0.1:8000/v1"),
    api_key=os.environ.get("STORM_API_KEY", "none"),
)
SHOP = (
    "A carpentry shop makes shelves and stools. Each unit of shelves takes 6 hours of labor and 11 boards of wood and "
    "brings a profit of $66. Each unit of stools takes 14 hours of labor and 9 boards of wood and brings a profit of "
    "$62. There are only 168 hours of labor available. There are only 163 boards of wood available. Any fraction of a "
    "unit is allowed. Plan production to maximize profit. What profit results?"
)
question = sys.argv[1] if len(sys.argv) > 1 else SHOP
messages = [{"role": "user", "content": question}]

answer = ""
for chunk in client.chat.completions.create(model="storm", messages=messages, stream=True):
    delta = chunk.choices[0].delta
    print(getattr(delta, "reasoning", None) or "", end="", file=sys.stderr, flush=True)
    answer += delta.content or ""
    storm = getattr(chunk, "storm", None) or {}
    if "answer" in storm:
        print(answer)
        print("answer:", storm["answer"])
        print("verdict:", storm["verdict"]["backing"], "-", storm["verdict"]["summary"])

# A follow-up question. The nano model knows single questions only, and says so.
messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": "And with 10 more hours?"}]
again = client.chat.completions.create(model="storm", messages=messages)
print(again.choices[0].message.content)
