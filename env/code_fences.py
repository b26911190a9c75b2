"""Fences of program blocks and output blocks in the inline protocol."""

import re

FENCE = "```"
CODE_START = "```python"
"""The usual opening of a program block; `CODE_OPENING` matches the other spellings."""

OUTPUT_START = "```output"

CODE_OPENING = re.compile(r"```(?:python3?|py)[ \t]*\r?\n", re.IGNORECASE)
"""The opening fence of a program, with its line break."""

# The line breaks after the fence belong to the block: tokenizers join them to the fence in one token.
CODE_CLOSING = re.compile(r"```[ \t]*(?:[\r\n]+|\Z)")

OUTPUT_BLOCK = re.compile(r"```output\n(.*?)\n```\n", re.DOTALL)
"""An output block as the environment writes it; group 1 is the output."""
