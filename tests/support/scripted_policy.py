"""A policy that follows a script, with the nano model's tokens."""

from storm_calm.agents.reasoners import chat_template
from storm_calm.env import Chunk, Sampling, collect

FAILING = "Let me solve it.\n```python\nprint(1 / 0)\n```\n"
SOLVING = (
    "That was a slip.\n```python\nfrom ortools.linear_solver import pywraplp\n"
    's = pywraplp.Solver.CreateSolver("GLOP")\nx = s.NumVar(0, 7, "x")\ns.Maximize(3 * x)\ns.Solve()\n'
    "print(s.Objective().Value())\n```\n"
)
INVENTING = "I can see it already.\n```output\n99\n```\n"
"""A turn with a forged output block, which is cut away."""
ANSWERING = "</think>\nThe answer is \\boxed{21}."
GUESSING = "</think>\nThe answer is \\boxed{99}."


class ScriptedPolicy:
    """A reasoner that returns one text after another, whatever the prompt, with the nano model's tokens."""

    name = "script"
    instructions = ""
    hint_marks = ("", "")
    sampling = Sampling(temperature=1.0, top_p=1.0)

    def __init__(self, renderer, texts):
        self.renderer, self.texts, self.context = renderer, list(texts), renderer.context
        self.end = renderer.encode_marked(chat_template.TURN_END)[0]
        self.prompts = []

    def render(self, messages):
        return self.renderer.render(messages)

    def encode(self, text):
        return self.renderer.encode(text)

    def encode_marked(self, text):
        return self.renderer.encode_marked(text)

    def tokens(self, prompt):
        """Return the ids of the next text, including the end of the turn if the text does not end with a program."""
        self.prompts.append(tuple(prompt))
        text = self.texts[len(self.prompts) - 1]
        ids = self.renderer.encode_marked(text)[0]
        return ids if text.endswith("```\n") else ids + self.end

    def stream(self, prompt, *, stop, max_tokens, sampling):
        read = self.renderer.read(self.tokens(prompt)[:max_tokens], stop=stop)
        yield Chunk(text=read.text, ids=read.ids, ends=read.ends, finish=read.finish)

    def generate(self, prompt, **keywords):
        return collect(self.stream(prompt, **keywords))

    def close(self):
        pass
