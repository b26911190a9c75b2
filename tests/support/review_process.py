"""Run the review page in a process that a test may kill: `python -m support.review_process RUN NAME [PORT]`."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

from support import TESTS


class ReviewProcess:
    """A reviewer's page, at `url`."""

    def __init__(self, run, name, *, port=0):
        command = [sys.executable, "-m", "support.review_process", str(run), name, str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TESTS)
        self.url = self._process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.url

    def kill(self):
        """Send SIGKILL, to simulate a power failure."""
        self._process.kill()
        self._process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        self._process.stdout.close()


def main(run, name, port):
    from storm_calm.serving.review.review_server import serve

    def on_listening(url, reviewer):
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    with contextlib.suppress(KeyboardInterrupt):
        serve(Path(run), name, port=int(port), on_listening=on_listening)


if __name__ == "__main__":
    main(*sys.argv[1:])
