"""Errors as models see them that were trained on the protocol: without help and suggestions."""

import re
from dataclasses import replace

from storm_calm.sandbox import Execution

_SUGGESTION = re.compile(r"\. Did you (?:mean: '[^'\n]{1,200}'|forget to import '\w{1,200}')\?(?=\s*\Z)")


def without_help(execution: Execution) -> Execution:
    """Return a failed execution without the sandbox's help and python's suggestion at its end.

    Small models such as nano know the exact text of errors from training, and further text misleads them.
    """
    if execution.status != "error":
        return execution
    return replace(execution, stderr=_SUGGESTION.sub("", execution.own_stderr))
