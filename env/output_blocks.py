"""The text of output blocks: how the model sees a program's output."""

import re

from storm_calm.env.special_tokens import harmless
from storm_calm.sandbox import Execution

HEAD_CHARS = TAIL_CHARS = 400
"""Characters shown from the start and the end of the output; 400 + "..." + 400, as published."""

LAST_RUN_NOTE = "(That was the last run; now give the final answer.)"
"""The last line of the last allowed execution's output."""


def observed(execution: Execution, *, last: bool) -> str:
    """Return the output as the model sees it, cut in the middle: solvers print objectives at the end.

    Standard error is included only if the program failed or printed nothing else: otherwise warnings are noise.
    """
    shown = [execution.stdout.strip("\n")]
    if execution.status != "ok" or not shown[0].strip():
        shown.append(execution.stderr.strip())
    text = "\n".join(part for part in shown if part.strip())
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = f"{text[:HEAD_CHARS]}...{text[-TAIL_CHARS:]}"
    lines = [line for line in (text, _verdict(execution)) if line] or ["(no output)"]
    return _shown("\n".join([*lines, LAST_RUN_NOTE] if last else lines))


def _verdict(execution: Execution) -> str:
    """Return one line about an abnormal end; "" if the output already shows it."""
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
    """Break marks of chat templates and blocks with a space, so that no program can write as the model."""
    text = harmless(text)
    # Each backtick from the third: replacing whole fences leaves new ones in longer runs.
    return re.sub(r"(?<=``)`", " `", text)
