"""A scripted reasoner: its next text depends only on the question and on the text so far.

It keeps no state, so it writes the same after a kill, and it is thread-safe. Its tokens are characters.
"""

import time

from storm_calm.agents.interveners.plain_hints import PLAIN_HINTS, SENSES, TRIGGER_HINTS
from storm_calm.agents.reasoners import chat_template
from storm_calm.env import Chunk, Problem, Sampling, collect

END = 0
"""The id of the end-of-turn token."""

THOUGHT = "The amount of each product is a decision, and the hours are the limit. The profit is what counts. "
PLAN = THOUGHT * 4 + "Let me solve it with code.\n"


def program(hours, *, objective="s.Maximize(3 * x)"):
    """Return a program that solves `workshop(hours)`."""
    return f"""```python
from ortools.linear_solver import pywraplp
s = pywraplp.Solver.CreateSolver('GLOP')
x = s.NumVar(0, {hours}, '')
{objective}
print(s.Objective().Value() if s.Solve() == 0 else 'infeasible')
```
"""


def boxed(value):
    """Return the end of a trajectory with this answer."""
    return f"</think>\nThe answer is \\boxed{{{value}}}."


def workshop(hours, *, id=None, family=""):
    """Return a problem whose answer is 3 times the hours."""
    question = f"A workshop has {hours} hours. Each chair takes one hour and earns 3. What is the largest profit?"
    return Problem(id=id or f"workshop-{hours}", question=question, answers=(3.0 * hours,), family=family)


def direct(hours, hints, outputs):
    """A role that writes the right program, then its answer."""
    return boxed(3 * hours) if outputs else PLAN + program(hours)


def by_hand(hours, hints, outputs):
    """A role that works by hand, wrongly, until it gets a hint."""
    if hints:
        return direct(hours, hints, outputs)
    return THOUGHT + "Let me work it out by hand.\nTrying some good choices gives about 7.\n" + boxed(7)


def overruling(hours, hints, outputs):
    """A role that doubts the solver's result until it gets a hint."""
    if outputs and not hints:
        return f"The result is {3 * hours}.\nThat does not look right, I would expect about 7.\n" + boxed(7)
    return direct(hours, hints, outputs)


def stubborn(hours, hints, outputs):
    """A role that works by hand despite hints."""
    return f"Let me work it out by hand once more ({hints}).\n" + boxed(3 * hours)


def wrong(hours, hints, outputs):
    """A role with a mistake that no rule detects: its result is right for another question."""
    return boxed(6 * hours) if outputs else PLAN + program(hours, objective="s.Maximize(6 * x)")


def silent(hours, hints, outputs):
    """A role that ends its turn at once."""
    return ""


def mixed(hours, hints, outputs):
    """A role that picks one of the above, depending on the hours."""
    return (direct, by_hand, overruling, wrong)[hours % 4](hours, hints, outputs)


class FakeReasoner:
    """A reasoner. role: called with the hours of the workshop and the numbers of hints and outputs so far."""

    name = "actor"
    instructions = None
    context = 6000
    hint_marks = ("", "")
    sampling = Sampling()

    def __init__(self, role, *, pause=0.0):
        self.role, self.pause = role, pause

    def render(self, messages):
        return chat_template.render(messages)

    def encode(self, text):
        return tuple(map(ord, text)), tuple(range(1, len(text) + 1))

    def encode_marked(self, text):
        return self.encode(text)

    def stream(self, prompt, *, stop, max_tokens, sampling):
        time.sleep(self.pause)
        text = prompt if isinstance(prompt, str) else "".join(map(chr, prompt))
        written = ""
        for letter in line(self.role, text):
            written += letter
            finish = "stop" if written.endswith(stop) else "length" if len(written) == max_tokens else None
            yield Chunk(text=letter, ids=(ord(letter),), ends=(1,), finish=finish)
            if finish:
                return
        yield Chunk(text="", ids=(END,), ends=(0,), finish="end")

    def generate(self, prompt, *, stop, max_tokens, sampling):
        return collect(self.stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling))

    def close(self):
        pass


def count_hints(text):
    """Return the number of hints in a text: those of the rules, and those of tests, which begin with "Wait, "."""
    rules = {*PLAIN_HINTS.values(), *SENSES.values(), *TRIGGER_HINTS.values()}
    return text.count("Wait, ") + sum(text.count(hint) for hint in rules)


def line(role, text):
    """Return the next text of a role after `text`, which includes the prompt."""
    prompt, _, played = text.rpartition("<|im_start|>assistant\n")
    hours = int(prompt.rpartition("A workshop has ")[2].split()[0])
    return role(hours, count_hints(played), played.count("```output\n"))
