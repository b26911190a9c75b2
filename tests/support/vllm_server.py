"""A real vLLM server on processors that serves the nano base model, in the environment of `make vllm`."""

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from storm_calm.agents.reasoners import built_in
from storm_calm.agents.reasoners.completions import Completions
from storm_calm.env.reasoner import Sampling
from support import REPOSITORY

PYTHON = REPOSITORY / ".venv-vllm" / "bin" / "python"
FOLDER = Path(built_in("nano-base"))
START_SECONDS = 600
"""The longest start; on two quiet cores it takes about 30 seconds."""
MEMORY_MB = 2500
SETTINGS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}


def open_served(url, kind=Completions):
    """Open the served nano model. The server names its folder, which has the tokenizer and the prompt format."""
    reasoner = kind(url)
    reasoner.sampling = Sampling(temperature=0.8, top_p=1.0)
    return reasoner


def skip_unless_possible():
    """Skip the calling test if vLLM cannot run on this machine, or is not installed."""
    cpu = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if "avx512f" not in cpu:
        pytest.skip("impossible here: vLLM's build for processors needs AVX-512")
    if not PYTHON.exists():
        pytest.skip("no .venv-vllm: run `make vllm`")
    memory = int(re.search(r"MemAvailable: +(\d+)", Path("/proc/meminfo").read_text())[1]) // 1024
    if memory < MEMORY_MB:
        pytest.skip(f"impossible here: vLLM needs {MEMORY_MB} MB of memory, and {memory} are free")


class VllmServer:
    """A vLLM server that can be killed and started again on the same port."""

    def __init__(self, log):
        self.log = log
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.process = None

    def start(self):
        """Start the server and wait until it answers."""
        options = {
            "model": FOLDER,
            "served-model-name": "nano-base",
            "host": "127.0.0.1",
            "port": self.port,
            "dtype": "float32",
            "max-model-len": 1536,
            "max-num-seqs": 12,
            # At least the context, for chunked prefill to be off: version 0.32 fails on seeded requests that are split.
            "max-num-batched-tokens": 16384,
        }
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        module = "vllm.entrypoints.openai.api_server"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [PYTHON, "-m", module, "--enforce-eager", "--no-enable-chunked-prefill", *words],
                env={**os.environ, **SETTINGS},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.5)

    def answers(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                return True
        except OSError:
            return False

    def metric(self, name):
        """Return the sum of a metric, such as "num_requests_running"."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as response:
            text = response.read().decode()
        return sum(float(value) for value in re.findall(rf"^vllm:{name}\{{[^}}]*\}} (\S+)$", text, re.MULTILINE))

    def kill(self):
        """Kill the server and its engine, as when the machine fails."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    close = kill
