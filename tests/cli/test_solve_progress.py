"""While nothing is printed, `storm solve` shows on a terminal how long it takes and how quick the model is."""

import io
import json
import os
import pty
import subprocess
import sys
import time

import pytest
from rich.console import Console

from storm_calm.cli.solve_display import Waiting
from support.fake_completions_server import FakeCompletionsServer
from support.fake_reasoner import direct, workshop

TOOL = {"source": "tool", "text": "36", "execution": {}}


def shown(waiting, *events):
    for event in events:
        waiting.event(event)
    return waiting._line().plain


def test_the_line_has_tokens_per_second_programs_and_seconds(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("storm_calm.cli.solve_display.monotonic", lambda: now[0])
    waiting = Waiting(until_text=False, console=Console(file=io.StringIO(), force_terminal=True))
    now[0] = 107.0
    assert shown(waiting) == "waiting for the model: 7 s"
    text = {"source": "model", "text": "x" * 40}
    shown(waiting, text)
    now[0] = 112.0
    assert shown(waiting, *[text] * 9) == "solving: about 100 tokens, 20 tokens/s, 12 s"
    assert shown(waiting, TOOL) == "solving: about 100 tokens, 20 tokens/s, 1 program, 12 s"
    assert shown(waiting, TOOL) == "solving: about 100 tokens, 20 tokens/s, 2 programs, 12 s"


@pytest.mark.parametrize(("options", "words"), [((), "waiting for the model"), (("--json",), "tokens/s")])
def test_a_terminal_shows_it_and_clears_it_and_the_output_stays_clean(tmp_path, options, words):
    def slowly(*situation):
        time.sleep(0.6)  # More than the time between two updates of the line.
        return direct(*situation)

    master, slave = pty.openpty()
    with FakeCompletionsServer(slowly) as endpoint:
        done = subprocess.run(
            [
                *(
                    sys.executable,
                    "-c",
                    "from storm_calm.cli.start import main; main()",
                    "solve",
                    workshop(12).question,
                ),
                *("--reasoner", endpoint.url, "--minimum-isolation", "limits", *options),
            ],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
            text=True,
            timeout=60,
            check=True,
        )
    os.close(slave)
    written = os.read(master, 1 << 16).decode()
    assert words in written
    assert "\x1b[2K" in written  # It is erased.
    assert "tokens/s" not in done.stdout
    if options:
        assert json.loads(done.stdout)["answer"]["value"] == 36
    else:
        assert "Answer: 36" in done.stdout


def test_without_a_terminal_nothing_is_shown():
    stream = io.StringIO()
    with Waiting(until_text=True, console=Console(file=stream)) as waiting:
        waiting.event({"source": "model", "text": "x"})
    assert (waiting.shown, stream.getvalue()) == (False, "")
