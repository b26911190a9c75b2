"""Fixtures: a sandbox without isolation, a renderer with words as tokens, and a scripted reasoner."""

import contextlib
import io
import re
import traceback
from dataclasses import dataclass, field

import pytest

from storm_calm.env import Chunk, Problem, Sampling, SolverEnv, collect
from storm_calm.sandbox import Execution, Limits, Sandbox, SandboxUnavailableError

END = 0
"""The id of the end-of-turn token."""


class OpenSandbox(Sandbox):
    """A sandbox that runs the tests' own programs in this process."""

    backend = "open"
    isolation = "limits"

    def __init__(self):
        self.down = False
        self.codes = []
        self.limits = Limits()
        self.limits_seen = []

    def execute(self, program, cancellation=None):
        code = program.code
        self.limits_seen.append(program.limits)
        self.codes.append(code)
        if self.down:
            raise SandboxUnavailableError("the workers are gone")
        stdout, stderr, status = io.StringIO(), io.StringIO(), "ok"
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            try:
                exec(compile(code, "main.py", "exec"), {})
            except Exception:
                traceback.print_exc()
                status = "error"
        return Execution(
            code=code,
            status=status,
            stdout=stdout.getvalue(),
            stderr=stderr.getvalue(),
            exit_code=int(status == "error"),
            isolation=self.isolation,
            backend=self.backend,
        )

    def session(self, *, limits=None):
        raise NotImplementedError

    def close(self):
        pass


class WordRenderer:
    """A renderer whose tokens are words, white space, and other characters with their line breaks."""

    instructions = None
    context = 2000
    hint_marks = ("", "")

    def __init__(self):
        self.words = ["<end>"]

    def render(self, messages):
        return "".join(f"<{message['role']}>{message['content']}" for message in messages) + "<assistant><think>\n"

    def encode_marked(self, text):
        return self.encode(text)

    def encode(self, text):
        ids, ends = [], []
        for match in re.finditer(r"\w+|[^\S\n]+|[^\w\s]+\n*|\s+", text):
            if match[0] not in self.words:
                self.words.append(match[0])
            ids.append(self.words.index(match[0]))
            ends.append(match.end())
        return tuple(ids), tuple(ends)


class PlainRenderer(WordRenderer):
    """A renderer without tokens."""

    def encode(self, text):
        return None


@dataclass
class ScriptedReasoner:
    """A reasoner that streams one given line per call, up to stop strings and limits."""

    renderer: WordRenderer
    lines: list
    name: str = "scripted"
    sampling: Sampling = field(default_factory=Sampling)
    calls: list = field(default_factory=list)

    @property
    def instructions(self):
        return self.renderer.instructions

    @property
    def context(self):
        return self.renderer.context

    @property
    def hint_marks(self):
        return self.renderer.hint_marks

    def render(self, messages):
        return self.renderer.render(messages)

    def encode(self, text):
        return self.renderer.encode(text)

    def encode_marked(self, text):
        return self.encode(text)

    def stream(self, prompt, *, stop, max_tokens, sampling):
        self.calls.append({"prompt": prompt, "stop": stop, "max_tokens": max_tokens, "sampling": sampling})
        line = self.lines[len(self.calls) - 1]
        encoded = self.encode(line)
        ids, ends = encoded or (tuple(line), tuple(range(1, len(line) + 1)))
        begin = 0
        for number, (token, end) in enumerate(zip(ids, ends, strict=True), start=1):
            text = line[begin:end]
            finish = "stop" if line[:end].endswith(stop) else "length" if number == max_tokens else None
            yield Chunk(
                text=text,
                ids=(token,) if encoded else None,
                ends=(len(text),) if encoded else None,
                finish=finish,
            )
            if finish:
                return
            begin = end
        yield Chunk(text="", ids=(END,) if encoded else None, ends=(0,) if encoded else None, finish="end")

    def generate(self, prompt, *, stop, max_tokens, sampling):
        return collect(self.stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling))

    def close(self):
        pass


@pytest.fixture
def sandbox():
    return OpenSandbox()


@pytest.fixture
def renderer():
    return WordRenderer()


@pytest.fixture
def plain_renderer():
    return PlainRenderer()


@pytest.fixture
def problem():
    return Problem(id="p1", question="How many chairs?", answers=(42.0,))


@pytest.fixture
def env(sandbox, renderer, problem):
    env = SolverEnv(sandbox, renderer)
    env.reset(problem)
    return env


@pytest.fixture
def script(renderer):
    """Return a function that makes a reasoner from its lines."""
    return lambda *lines, renderer=renderer: ScriptedReasoner(renderer, list(lines))
