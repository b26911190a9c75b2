"""Output blocks: how a program's output is shown to the model, and their removal if the model wrote them itself.

truncate_at_output("It prints\\n```output\\n42", "```output")      # "It prints\\n"
"""

from __future__ import annotations

import re

from storm_calm.env.special_tokens import harmless
from storm_calm.sandbox import Execution

HEAD_CHARS = TAIL_CHARS = 400
"""Characters of output that are shown from its beginning and its end; 400 + "..." + 400, as published."""

LAST_RUN_NOTE = "(That was the last run; now give the final answer.)"
"""What the output of the last allowed execution ends with."""


def truncate_at_output(text: str, start: str) -> str:
    """Return `text` up to the first output block, which the model made up. start: how such a block opens."""
    return text.partition(start)[0]


def observed(execution: Execution, *, last: bool) -> str:
    """Return the output as the model sees it, cut in its middle: solvers print objectives at the end.

    Standard error is shown where the run failed, or where there is nothing else to show; warnings are noise otherwise.
    """
    shown = [execution.stdout.strip("\n")]
    if execution.status != "ok" or not shown[0].strip():
        shown.append(execution.stderr.strip())
    lines = [_shortened("\n".join(part for part in shown if part.strip())), _verdict(execution)]
    lines = [line for line in lines if line] or ["(no output)"]
    return _shown("\n".join([*lines, LAST_RUN_NOTE] if last else lines))


def _shortened(text: str) -> str:
    return text if len(text) <= HEAD_CHARS + TAIL_CHARS else f"{text[:HEAD_CHARS]}...{text[-TAIL_CHARS:]}"


def _verdict(execution: Execution) -> str:
    """One line on a run that did not end by itself; "" where the output says it all."""
    match execution.status:
        case "timeout":
            return f"TimeoutError: stopped after {execution.wall_seconds:.{0 if execution.wall_seconds >= 1 else 1}f} s"
        case "memory_limit":
            return f"MemoryError: stopped with {execution.peak_memory_mb:.0f} MB in use"
        case "output_limit":
            return "OutputError: stopped for printing too much"
        case "killed":
            return f"Killed: {execution.reason}"
        case "error" if not execution.stderr.strip():
            return f"Killed by signal {execution.signal}" if execution.signal else f"Exit code {execution.exit_code}"
    return ""


def _shown(text: str) -> str:
    """`text` with a space in all marks of chat templates and blocks, so that no program can speak as the model."""
    text = harmless(text)
    # Each backtick from the third on: replacing fences one by one leaves new ones in longer runs.
    return re.sub(r"(?<=``)`", " `", text)
