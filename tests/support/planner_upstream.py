"""An upstream whose model plans shipments from two CSV files, and other plays for the page."""

import asyncio
import re
from pathlib import Path

from aiohttp import web

from support.fake_upstream import FakeUpstream, event

PLANTS = "plant,capacity (t)\nNorth,60\nSouth,70\n"
COSTS = """plant,store,cost,distance (km)
North,Bremen,4,110
North,Essen,6,260
North,Kassel,5,240
North,Ulm,9,620
South,Bremen,8,560
South,Essen,7,430
South,Kassel,6,330
South,Ulm,3,90
"""
QUESTION = (
    "Ship tons from the plants to the stores at the least cost; any fraction of a ton is allowed. "
    "Bremen needs 30 tons, Essen 45, Kassel 25 and Ulm 20. The capacities of the plants and the costs per ton are in "
    "the files."
)
PROGRAM = """```python
import csv
import pulp

capacity = {row["plant"]: float(row["capacity (t)"]) for row in csv.DictReader(open("plants.csv"))}
cost = {(row["plant"], row["store"]): float(row["cost"]) for row in csv.DictReader(open("costs.csv"))}
demand = {"Bremen": 30, "Essen": 45, "Kassel": 25, "Ulm": 20}

model = pulp.LpProblem("shipping", pulp.LpMinimize)
ship = pulp.LpVariable.dicts("ship", cost, lowBound=0)
model += pulp.lpSum(cost[pair] * ship[pair] for pair in cost)
for plant in capacity:
    model += pulp.lpSum(ship[pair] for pair in cost if pair[0] == plant) <= capacity[plant], f"capacity_{plant}"
for store in demand:
    model += pulp.lpSum(ship[pair] for pair in cost if pair[1] == store) >= demand[store], f"demand_{store}"
model.solve(pulp.PULP_CBC_CMD(msg=0))
print(pulp.value(model.objective))
```
"""
THOUGHTS = (
    "The amounts from each plant to each store are the decisions. Each plant has a capacity, each store a demand.\n"
    "The objective is the sum of cost times amount. The tables are in two files, so I read them in the program.\n"
)
HOSTILE = (
    '<img src=x onerror="window.hacked = 1"><script>window.hacked = 2</script> [link](javascript:hacked=3) '
    "\u202egnihsihp\u202c \u0007 ![x](http://example.com/x.png) <style>body{display:none}</style> "
    + "w" * 60_000
    + "\n"
)
WORDS_AT_ONCE = 40
"""Tokens of the quick part of a long thought in one event."""


class PlannerUpstream(FakeUpstream):
    """The server. Its further plays:

    [[ship]]     also for QUESTION: thoughts, a program that reads the CSV files, an answer with its output
    [[hostile]]  thoughts, output and an answer with HTML, control characters, and a line of 60,000 characters
    [[longthought]]  90,000 characters of thoughts, then 10,000 more at 200 tokens per second
    """

    async def _models(self, request):
        entry = {"id": "planner", "object": "model", "created": 1, "owned_by": self.owner, "max_model_len": 200_000}
        return web.json_response({"object": "list", "data": [entry]})

    async def _play(self, request, asked):
        if "[[longthought]]" not in asked["prompt"].rpartition("<|im_start|>user\n")[2]:
            return await super()._play(request, asked)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        words = [f"word{number:05} " for number in range(10_000)]  # 10 characters each
        for start in range(0, 9_000, WORDS_AT_ONCE):
            await response.write(event("".join(words[start : start + WORDS_AT_ONCE]) + "\n" * (start % 200 == 0)))
            await asyncio.sleep(0.005)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number, word in enumerate(words[9_000:]):
            await response.write(event(word))
            await asyncio.sleep(max(0, begun + number / 200 - loop.time()))
        await response.write(event("</think>\nIt is \\boxed{1}.", "stop"))
        await response.write(b"data: [DONE]\n\n")
        return "done", response

    def _text(self, play, prompt, last):
        outputs = re.findall(r"```output\n(.*?)\n```", last, re.DOTALL)
        if play == "ship" or "Bremen needs 30 tons" in last:
            if not outputs:
                return f"{THOUGHTS}Let me solve it with code.\n{PROGRAM}"
            return f"The solver found an optimum.\n</think>\nThe least cost is \\boxed{{{outputs[-1].strip()}}}."
        if play == "hostile":
            if not outputs:
                return f"{HOSTILE}```python\nprint({HOSTILE[:300]!r})\n```\n"
            return f"</think>\n{HOSTILE}\n\n# <b>Plan</b>\n\nIt is \\boxed{{1}}."
        return super()._text(play, prompt, last)


def write_files(folder: Path) -> list[str]:
    """Write the two CSV files and return their paths."""
    for name, text in (("plants.csv", PLANTS), ("costs.csv", COSTS)):
        (folder / name).write_text(text, encoding="utf-8")
    return [str(folder / "plants.csv"), str(folder / "costs.csv")]
