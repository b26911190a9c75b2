"""Ask with OpenAI's Python client, watch the thoughts, and ask again with another number.

storm serve                                  # in another terminal
pip install openai && python examples/openai_python.py "A workshop has 40 hours. ..."
"""

import os
import sys

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("STORM_URL", "http://127.0.0.1:8000/v1"),
    api_key=os.environ.get("STORM_API_KEY", "none"),
)
question = sys.argv[1] if len(sys.argv) > 1 else "A workshop has 40 hours. A chair takes 2 and earns 5. What is best?"
messages = [{"role": "user", "content": question}]

answer = ""
for chunk in client.chat.completions.create(model="storm", messages=messages, stream=True):
    delta = chunk.choices[0].delta
    print(getattr(delta, "reasoning", None) or "", end="", file=sys.stderr, flush=True)
    answer += delta.content or ""
    storm = getattr(chunk, "storm", None) or {}
    if "answer" in storm:
        print(answer)
        print("answer:", storm["answer"], "backed by a solver report:", storm["backed"])

messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": "And with 10 more hours?"}]
again = client.chat.completions.create(model="storm", messages=messages)
print(again.choices[0].message.content)
