"""Entry point of `storm`. It imports nothing slow, so Ctrl-C is handled from the start."""

from __future__ import annotations

import os
import signal
import sys
import threading


def main() -> None:
    """Run the command line. Exit with 130 after Ctrl-C, also during imports."""
    try:
        sys.unraisablehook = _resend_interrupt
        for stream in (sys.stdout, sys.stderr):
            # A terminal without UTF-8 shows question marks instead of failing.
            if hasattr(stream, "reconfigure") and (stream.encoding or "").lower().replace("-", "") != "utf8":
                stream.reconfigure(errors="replace")
        from storm_calm.cli.main import app

        app(prog_name="storm")
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # `_resend_interrupt` may send it once more.
        sys.stderr.write("storm: stopped\n")
        raise SystemExit(130) from None


def _resend_interrupt(fault: sys.UnraisableHookArgs) -> None:
    """Send Ctrl-C again if Python dropped it in a callback that cannot raise, such as those of imports."""
    if issubclass(fault.exc_type, KeyboardInterrupt):
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(fault)
