"""The fences of program blocks and output blocks, for everything that reads the inline protocol."""

from __future__ import annotations

import re

FENCE = "```"
"""What closes a block."""

CODE_START = "```python"
"""How most models open a program block; `CODE_OPENING` knows the other spellings."""

OUTPUT_START = "```output"
"""How an output block opens."""

CODE_OPENING = re.compile(r"```(?:python3?|py)[ \t]*\r?\n", re.IGNORECASE)
"""The opening fence of a program, its line break included."""

# The line breaks after the fence belong to the block: tokenizers join them to the fence in one token.
CODE_CLOSING = re.compile(r"```[ \t]*(?:[\r\n]+|\Z)")
"""The closing fence of a program."""

OUTPUT_BLOCK = re.compile(r"```output\n(.*?)\n```\n", re.DOTALL)
"""An output block as the environment writes it; group 1 is the output."""
