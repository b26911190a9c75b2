"""The first code of `storm`: it imports nothing that takes time, so that Ctrl-C is understood from the start."""

from __future__ import annotations

import os
import signal
import sys
import threading


def main() -> None:
    """Run the command line; after Ctrl-C, at any moment, say so and exit with 130."""
    try:
        sys.unraisablehook = _pass_on
        for stream in (sys.stdout, sys.stderr):
            # A terminal that has no such character shows a question mark.
            if hasattr(stream, "reconfigure") and (stream.encoding or "").lower().replace("-", "") != "utf8":
                stream.reconfigure(errors="replace")
        from storm_calm.cli.main import app

        app()
    except KeyboardInterrupt:
        sys.stderr.write("storm: stopped\n")
        raise SystemExit(130) from None


def _pass_on(fault: sys.UnraisableHookArgs) -> None:
    """Send Ctrl-C again if it came where Python drops exceptions, as in the callbacks that imports make many of."""
    if issubclass(fault.exc_type, KeyboardInterrupt):
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(fault)
