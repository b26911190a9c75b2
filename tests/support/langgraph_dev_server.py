"""`langgraph dev` of this project as a process, with its usage report and version check disabled."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

HOUSE = Path(__file__).resolve().parents[2]
QUIET = {"LANGGRAPH_NO_VERSION_CHECK": "1", "LANGGRAPH_CLI_NO_ANALYTICS": "1"}


def configured(folder, checkpointer=None):
    """Write the project's configuration into `folder`, where the server also stores its threads.

    checkpointer: the path of a function that opens another store of checkpoints.
    """
    config = json.loads((HOUSE / "langgraph.json").read_text())
    graphs = {name: str(HOUSE / path) for name, path in config["graphs"].items()}
    http = {**config["http"], "app": str(HOUSE / config["http"]["app"])}
    file = folder / "langgraph.json"
    more = {"checkpointer": {"path": str(HOUSE / checkpointer)}} if checkpointer else {}
    file.write_text(json.dumps({**config, "dependencies": [str(HOUSE)], "graphs": graphs, "http": http, **more}))
    return file


class DevServer:
    """A server in its own process.

    log: a file for its output. checkpointer: as above. environment: additional environment variables.
    """

    def __init__(self, log, checkpointer=None, **environment):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url, self.log = f"http://127.0.0.1:{port}", log
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STORM_")}
        with log.open("w") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"),
                    *("--config", str(configured(log.parent, checkpointer)), "--port", str(port)),
                ],
                cwd=log.parent,
                env={**kept, **QUIET, **environment},
                stdout=output,
                stderr=output,
            )

    def __enter__(self):
        deadline = time.monotonic() + 60
        while True:
            assert self._process.poll() is None, self.log.read_text()
            try:
                urllib.request.urlopen(f"{self.url}/ok", timeout=5)
                return self
            except URLError:
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.1)

    def __exit__(self, *error):
        self.stop()

    def kill(self):
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        """Stop it as Ctrl-C does. Return its output."""
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        return self.log.read_text()
