"""`storm serve` as a process."""

import os
import re
import subprocess
import sys
import threading

import httpx

STORM = [sys.executable, "-c", "from storm_calm.cli.start import main; main()"]


class ServeProcess:
    """A server that accepts requests. Its standard error is read all the time, so that it never blocks."""

    def __init__(self, *words, **environment):
        self.process = subprocess.Popen(
            [*STORM, "serve", "--port", "0", "--minimum-isolation", "limits", *words],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200", **environment},
        )
        self.output = ""
        while "curl" not in self.output:
            line = self.process.stderr.readline()
            assert line, self.output
            self.output += line
        self.url = re.search(r"at (http://\S+/v1)", self.output)[1]
        self.root = self.url.removesuffix("/v1")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.output += line

    def post(self, question, **fields):
        body = {"model": "storm", "messages": [{"role": "user", "content": question}], **fields}
        return httpx.post(f"{self.url}/chat/completions", json=body, timeout=60)

    def later(self, question, **fields):
        """Post in a thread. Return the thread and a list that receives the response."""
        got = []
        thread = threading.Thread(target=lambda: got.append(self.post(question, **fields)))
        thread.start()
        return thread, got

    def wait(self):
        code = self.process.wait(40)
        self._reader.join(10)
        return code

    def close(self):
        """Kill the process if it is still running."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(10)
        self.process.stderr.close()
