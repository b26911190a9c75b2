"""Use the Responses API with a data file. Thoughts, programs and the answer are items of the response.

This needs a model that reads data files. The nano model does not, and says so.

storm serve                                  # in another terminal
pip install openai && python examples/responses_python.py
"""

import base64
import os
import sys

from openai import OpenAI

COSTS = "product,hours,profit\nchair,2,5\ntable,3,8\n"
question = sys.argv[1] if len(sys.argv) > 1 else "A workshop has 40 hours. What does it earn at most? See costs.csv."

client = OpenAI(
    base_url=os.environ.get("STORM_URL", "http://127.0.0.1:8000/v1"),
    api_key=os.environ.get("STORM_API_KEY", "none"),
)
data = base64.b64encode(COSTS.encode()).decode()
response = client.responses.create(
    model="storm",
    input=[
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": question},
                {"type": "input_file", "filename": "costs.csv", "file_data": f"data:text/csv;base64,{data}"},
            ],
        }
    ],
)
for item in response.output:
    if item.type == "code_interpreter_call":
        print("program:\n", item.code, "\nprinted:", item.outputs[0].logs if item.outputs else "nothing")
print(response.output_text)
print("verdict:", response.storm["verdict"]["summary"])
