"""Ask with LiteLLM, which hands thoughts on as `reasoning_content`.

storm serve                                  # in another terminal
pip install litellm && python examples/litellm_chat.py "A workshop has 40 hours. ..."
"""

import os
import sys

import litellm

question = sys.argv[1] if len(sys.argv) > 1 else "A workshop has 40 hours. A chair takes 2 and earns 5. What is best?"
answer = litellm.completion(
    model="openai/storm",
    api_base=os.environ.get("STORM_URL", "http://127.0.0.1:8000/v1"),
    api_key=os.environ.get("STORM_API_KEY", "none"),
    messages=[{"role": "user", "content": question}],
)
message = answer.choices[0].message
print(message.reasoning_content, file=sys.stderr)
print(message.content)
