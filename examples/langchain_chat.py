"""Send a question with LangChain. langchain-openai returns the answer without the thoughts.

storm serve                                  # in another terminal
pip install langchain-openai && python examples/langchain_chat.py ["QUESTION"]
"""

import os
import sys

from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    model="storm",
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
for chunk in model.stream(question):
    print(chunk.content, end="", flush=True)
print()
