"""Send a question with LiteLLM, which returns the thoughts as `reasoning_content`.

storm serve                                  # in another terminal
pip install litellm && python examples/litellm_chat.py ["QUESTION"]
"""

import os
import sys

import litellm

SHOP = (
    "A carpentry shop makes shelves and stools. Each unit of shelves takes 6 hours of labor and 11 boards of wood and "
    "brings a profit of $66. Each unit of stools takes 14 hours of labor and 9 boards of wood and brings a profit of "
    "$62. There are only 168 hours of labor available. There are only 163 boards of wood available. Any fraction of a "
    "unit is allowed. Plan production to maximize profit. What profit results?"
)
question = sys.argv[1] if len(sys.argv) > 1 else SHOP
answer = litellm.completion(
    model="openai/storm",
    api_base=os.environ.get("STORM_URL", "http://127.0.0.1:8000/v1"),
    api_key=os.environ.get("STORM_API_KEY", "none"),
    messages=[{"role": "user", "content": question}],
)
message = answer.choices[0].message
print(message.reasoning_content, file=sys.stderr)
print(message.content)
