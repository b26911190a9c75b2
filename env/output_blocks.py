"""The text of output blocks: how the model sees a program's output."""

import re

from storm_calm.env.abnormal_end import abnormal_end
from storm_calm.env.special_tokens import harmless
from storm_calm.sandbox import Execution
from storm_calm.sandbox.neutral_paths import neutral

HEAD_CHARS = TAIL_CHARS = 400
"""Characters shown from the start and the end of the output; 400 + "..." + 400, as published."""

LAST_RUN_NOTE = "(That was the last run; now give the final answer.)"
"""The last line of the last allowed execution's output."""


def observed(execution: Execution, *, last: bool) -> str:
    """Return the output as the model sees it, cut in the middle: solvers print objectives at the end.

    Standard error is included only if the program failed or printed nothing else: otherwise warnings are noise. The
    sandbox's help on an error, and a line about an abnormal end, follow after the cut.
    """
    shown = [execution.stdout.strip("\n")]
    if execution.status != "ok" or not shown[0].strip():
        shown.append(execution.own_stderr.strip())
    text = neutral("\n".join(part for part in shown if part.strip()))
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = f"{text[:HEAD_CHARS]}...{text[-TAIL_CHARS:]}"
    lines = [line for line in (text, execution.help, abnormal_end(execution)) if line] or ["(no output)"]
    return _shown("\n".join([*lines, LAST_RUN_NOTE] if last else lines))


def _shown(text: str) -> str:
    """Break marks of chat templates and blocks with a space, so that no program can write as the model."""
    text = harmless(text)
    # Each backtick from the third: replacing whole fences leaves new ones in longer runs.
    return re.sub(r"(?<=``)`", " `", text)
