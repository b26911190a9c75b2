"""A reasoner that submits reference programs, to check a test set and the harness without a model.

    with closing(Replay(Path("MIPLIB-NL"))) as reasoner: ...

It finds the reference whose question is in the prompt, writes its program in one block, and boxes the result that the
program printed. The result is the last line of the output with

- `objective`, `objective value`, `optimal value` or `optimal objective`, with ":" or "=" and a number, in any case and
  also with `_` for the space,
- `infeasible` or `unbounded` at the end, after nothing else or `status`, or
- `done` alone, for a problem whose answer is a plan without a number.

It never reads an accepted answer. Without a reference, or if the program failed or printed no result, it says so and
boxes nothing.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from storm_calm.agents.reasoners import chat_template
from storm_calm.agents.reasoners.async_interface import Prompt
from storm_calm.agents.reasoners.replay_references import find, read_references
from storm_calm.env.code_fences import CODE_START, FENCE, OUTPUT_BLOCK
from storm_calm.env.prompt_format import PromptFormat
from storm_calm.env.reasoner import Chunk, Encoding, Generation, Message, ReasonerError, Sampling, collect
from storm_calm.env.token_estimate import estimate_tokens
from storm_calm.sandbox import MAX_CODE_BYTES

FORMAT = PromptFormat(instructions="", thinking="none")
CONTEXT = 4 << 20
"""Tokens of a transcript: room for the longest program, whatever its tokens are."""

_USER, _TURN = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
_OBJECTIVE = re.compile(
    r"^\W*(?:objective|(?:objective|optimal|optimal[ _]objective)[ _]value|optimal[ _]objective)\W*[:=]\s*[$€£]?\s*"
    r"(?P<number>[-+]?(?:\d+(?:,\d{3})*(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)(?![\w.]|,\d)",
    re.IGNORECASE,
)
_STATUS = re.compile(r"^\W*(?:(?:\w+[ _])?status\W*)?(?P<status>infeasible|unbounded)\W*$", re.IGNORECASE)
_FAILED = re.compile(
    r"^(?:Traceback \(most recent call last\)|(?:Timeout|Memory|Output)Error: stopped |Killed: |Exit code -?\d+$"
    r"|The program was ended by signal )",
    re.MULTILINE,
)


class Replay:
    """A reasoner over the reference programs of a folder. Thread-safe."""

    name = "replay"
    instructions = FORMAT.system_prompt
    prompt_format = FORMAT
    context: int | None = CONTEXT
    hint_marks = ("", "")
    sampling = Sampling(temperature=0.0, top_p=1.0)

    def __init__(self, folder: Path) -> None:
        """Read the references. Raises ReasonerError that names the folder and the fix."""
        try:
            self._references = read_references(folder)
        except (ValueError, OSError) as error:
            raise ReasonerError(f"replay: {error}") from error

    def render(self, messages: Sequence[Message]) -> str:
        return chat_template.render(messages, fmt=FORMAT)

    def encode(self, text: str) -> Encoding | None:
        return None

    def encode_marked(self, text: str) -> Encoding | None:
        return None

    def stream(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Iterator[Chunk]:
        """Continue `prompt`, which must be text that `render` began. The sampling changes nothing."""
        if not isinstance(prompt, str):
            raise ReasonerError("replay: the prompt is token ids, which it does not have; give text")
        question, _, written = prompt.rpartition(_USER)[2].partition(_TURN)
        text = self._next(question, written)
        ends = [text.find(one) + len(one) for one in stop if one in text]
        segment = text[: min(ends)] if ends else text
        if estimate_tokens(segment) > max_tokens:
            # No token is shorter than a character.
            yield Chunk(text=segment[:max_tokens], finish="length")
        else:
            yield Chunk(text=segment, finish="stop" if ends else "end")

    def generate(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Generation:
        return collect(self.stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling))

    def close(self) -> None:
        pass

    def _next(self, question: str, written: str) -> str:
        """Return the text after `written`, the turn so far."""
        found = find(self._references, question)
        if len(found) != 1:
            several = ", ".join(reference.id for reference in found[:5])
            return f"Several references have this question: {several}.\n" if found else "I have no reference for it.\n"
        program = found[0].program
        size = len(program.encode("utf-8", errors="surrogatepass"))
        if size > MAX_CODE_BYTES:
            return f"The reference program has {size} bytes; no program may have more than {MAX_CODE_BYTES}.\n"
        submission = _block(program)
        start = written.rfind(submission)
        if start < 0:
            return submission[_written_of(submission, written) :]
        output = OUTPUT_BLOCK.match(written, start + len(submission))
        return _answer("" if output is None else output[1])


def _block(program: str) -> str:
    """Return the turn with the program, in fences that are longer than any in it."""
    fence = FENCE
    while fence in program:
        fence += FENCE[0]
    return f"I run the reference program.\n\n{fence}{CODE_START.removeprefix(FENCE)}\n{program.rstrip()}\n{fence}\n"


def _written_of(submission: str, written: str) -> int:
    """Return how many characters of the submission are at the end of the turn: a stop string may be inside of it."""
    ends = [found.end() for found in re.finditer(r"(?:`{3,}|~{3,})(?:\n|output)", submission)]
    return next((end for end in reversed(ends) if written.endswith(submission[:end])), 0)


def _answer(output: str) -> str:
    """Return the text after an output."""
    if _FAILED.search(output):
        return "The reference program failed, so I have no answer.\n"
    for line in reversed(output.split("\n")):
        if found := _OBJECTIVE.match(line):
            value = found["number"].replace(",", "")
            return f"The program found the objective value {value}.\n\n\\boxed{{{value}}}\n"
        if found := _STATUS.match(line):
            status = found["status"].lower()
            return f"The solver proved that the problem is {status}.\n\n\\boxed{{{status}}}\n"
        if line.strip().lower() == "done":
            return "The program found the plan.\n\n\\boxed{done}\n"
    return "The reference program printed no objective value, so I have no answer.\n"
