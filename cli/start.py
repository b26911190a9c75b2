"""Entry point of `storm`. It imports nothing slow, so Ctrl-C is handled from the start."""

from __future__ import annotations

# The module signal takes several milliseconds to import, in which Ctrl-C would print a traceback.
import _signal  # type: ignore[import-not-found]
import os
import sys


def _leave(number: int, frame: object) -> None:
    """Exit at Ctrl-C while the command line is imported: nothing has begun that could need an end."""
    os.write(2, b"storm: stopped\n")
    os._exit(130)


# Only as the command: another program that imports this module keeps its own handler.
if os.path.basename(sys.argv[0]) == "storm" and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _leave)

import signal  # noqa: E402
import threading  # noqa: E402


def main() -> None:
    """Run the command line. Exit with 130 after Ctrl-C, also during imports."""
    try:
        try:
            _run()
        except KeyboardInterrupt:
            _stopped()
    except KeyboardInterrupt:  # `_resend_interrupt` may send it once more.
        _stopped()
    finally:
        if threading.active_count() == 1:  # Nothing is left that Ctrl-C could stop.
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run() -> None:
    sys.unraisablehook = _resend_interrupt
    for stream in (sys.stdout, sys.stderr):
        # A terminal without UTF-8 shows question marks instead of failing.
        if hasattr(stream, "reconfigure") and (stream.encoding or "").lower().replace("-", "") != "utf8":
            stream.reconfigure(errors="replace")
    from storm_calm.cli.main import app

    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    app(prog_name="storm")


def _stopped() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stderr.write("storm: stopped\n")
    raise SystemExit(130) from None


def _resend_interrupt(fault: sys.UnraisableHookArgs) -> None:
    """Send Ctrl-C again if Python dropped it in a callback that cannot raise, such as those of imports."""
    if issubclass(fault.exc_type, KeyboardInterrupt):
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(fault)
