"""What HiGHS 1.16 prints with the first model of a process, whatever its options."""

import re

_BANNER = re.compile(r"\ARunning HiGHS [^\n]*\n(?:Includes third-party [^\n]*\n)?")


def without_banner(output):
    """Return a program's output without the version of HiGHS at its beginning."""
    return _BANNER.sub("", output)
