"""The first code of `storm`: it imports nothing that takes time, so that Ctrl-C is understood from the start."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; after Ctrl-C, at any moment, say so and exit with 130."""
    try:
        for stream in (sys.stdout, sys.stderr):
            # A terminal that has no such character shows a question mark.
            if hasattr(stream, "reconfigure") and (stream.encoding or "").lower().replace("-", "") != "utf8":
                stream.reconfigure(errors="replace")
        from cli.main import app

        app()
    except KeyboardInterrupt:
        sys.stderr.write("storm: stopped\n")
        raise SystemExit(130) from None
