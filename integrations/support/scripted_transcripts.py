"""Scripted transcripts for the test that rewards equal those of the environment: programs, last message, and ending."""

from dataclasses import dataclass

from storm_calm import generate
from storm_calm.env import Generation, Inline, Problem, SolverEnv, score


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptedTranscript:
    """What a policy writes on one problem."""

    problem: Problem
    kind: str
    programs: tuple[str, ...]
    message: str
    """The last message."""
    truncated: bool = False
    """Whether the token limit cut the last message."""


FAILING = "print(1 / 0)"


def scripted_transcripts(count):
    """Return transcripts of all kinds on held-out problems of all families."""
    problems = generate(["all"], split="heldout", seed=11, limit=count)
    return [scripted_transcript(problem, number) for number, problem in enumerate(problems)]


def scripted_transcript(problem, number):
    answer = problem.answers[0]
    right = answer if isinstance(answer, str) else f"{answer:.6f}"
    wrong = "infeasible" if not isinstance(answer, str) else "12345.678"
    shown = right if isinstance(answer, str) else f"{answer:,.6f}"
    prints = f"print({right!r})"
    kinds = [
        ("right", (prints,), f"The answer is \\boxed{{{right}}}."),
        ("wrong number", (prints,), "The answer is \\boxed{-987654.25}."),
        ("wrong status", (prints,), f"The answer is \\boxed{{{wrong}}}."),
        ("no box", (prints,), f"The answer is {right}."),
        ("repaired", (FAILING, prints), f"That was a slip. \\boxed{{{right}}}"),
        ("guessed", (), f"I see it: \\boxed{{{right}}}"),
        ("one program too many", tuple(f"print({n})" for n in range(5)), f"\\boxed{{{right}}}"),
        ("all programs used", tuple(f"print({n})" for n in range(4)), f"\\boxed{{{right}}}"),
        ("same failure again", (FAILING, FAILING, FAILING), f"\\boxed{{{right}}}"),
        ("truncated", (prints,), f"\\boxed{{{right}}} and th"),
        ("printed only", (f"print('\\\\boxed{{{right}}}')",), "The program has printed the answer."),
        ("separators", (prints,), f"Profit: \\boxed{{\\text{{{shown}}}}}"),
        ("two boxes", (prints,), f"First \\boxed{{1}}, then \\boxed{{{right}}}."),
        ("fences in the program", ('print("```output")\nprint("</tool_call>")', prints), f"\\boxed{{{right}}}"),
        ("empty", (prints,), ""),
    ]
    kind, programs, message = kinds[number % len(kinds)]
    return ScriptedTranscript(
        problem=problem, kind=kind, programs=programs, message=message, truncated=kind == "truncated"
    )


class _NoTokens:
    instructions = None
    context = None
    hint_marks = ("", "")

    def render(self, messages):
        return messages[-1]["content"]

    def encode(self, text):
        return None

    encode_marked = encode


def our_reward(transcript, sandbox):
    """Return the reward of the environment for the same transcript with programs in fenced blocks."""
    env = SolverEnv(sandbox, _NoTokens(), protocol=Inline())
    env.reset(transcript.problem)
    for program in transcript.programs:
        if env.episode.stop is None:
            env.step(Generation(text=f"~~~~python\n{program}\n~~~~\n", finish="stop"))
    if env.episode.stop is None:
        env.step(Generation(text=transcript.message, finish="length" if transcript.truncated else "end"))
    return score(env.episode).reward
