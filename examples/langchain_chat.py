"""Ask with LangChain; langchain-openai passes the answer on and leaves thoughts out.

storm serve                                  # in another terminal
pip install langchain-openai && python examples/langchain_chat.py "A workshop has 40 hours. ..."
"""

import os
import sys

from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    model="storm",
    base_url=os.environ.get("STORM_URL", "http://127.0.0.1:8000/v1"),
    api_key=os.environ.get("STORM_API_KEY", "none"),
)
question = sys.argv[1] if len(sys.argv) > 1 else "A workshop has 40 hours. A chair takes 2 and earns 5. What is best?"
for chunk in model.stream(question):
    print(chunk.content, end="", flush=True)
print()
