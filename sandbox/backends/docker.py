"""The "docker" sandbox: programs run in containers, each with its own fork server (`sandbox.zygote`).

    docker build -f docker/Dockerfile.sandbox -t storm-sandbox .
    python -c 'from storm_calm import open_sandbox; print(open_sandbox("docker").run("print(6 * 7)").stdout)'

Each worker has one warm container, whose main process is `sandbox.backends.worker`. All communication uses its standard
input and output, so the engine may be remote, and the container needs no network, volume or privilege.

The container isolates programs from the machine. Inside it, isolation level "landlock" protects the fork server (a
container may not create the namespaces of "full"), and the processes, the folder and the files in /dev/shm of each
program are removed at its end; an open session shares /dev/shm with the runs between its blocks. Together, this is
reported as "full". If the inside does not reach "landlock", as under gVisor ("runsc"), its own level is reported.
gVisor is used if the engine has it and `minimum_isolation` allows it.
"""

import atexit
import contextlib
import dataclasses
import json
import random
import threading
from typing import Any

from storm_calm.sandbox.backends.docker_engine import BUILD, LABEL, DockerEngine, owner_label
from storm_calm.sandbox.backends.docker_stream import ContainerStream, StreamLostError
from storm_calm.sandbox.backends.remote import RemoteSandbox, RemoteWorker, WorkerLostError
from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.cancellation import Cancellation
from storm_calm.sandbox.execution import Isolation, SandboxUnavailableError

_STARTUP_TIMEOUT_SECONDS = 120.0  # to start a container and load the libraries from a slow disk
# Resources of the worker and its fork servers, in addition to those of a program.
_OWN_MEMORY_MB = 2048
_OWN_PROCESSES = 512
_OWN_FILES_MB = 4
_OPEN_FILES = 4096
_SCRATCH = "/scratch"
_CPUS = 2
# Unused on most machines, and small enough for an engine that remaps user ids.
_USER_IDS = range(20_000, 60_000)


class DockerSandbox(RemoteSandbox):
    """Programs in containers. Made by `open_sandbox`."""

    def __init__(
        self,
        *,
        minimum_isolation: Isolation,
        isolation: Isolation,
        workers: int | None,
        limits: Limits,
        image: str = "storm-sandbox",
        runtime: str | None = None,
    ) -> None:
        """Start the first container on the engine at DOCKER_HOST, by default this machine's.

        image: an image built from docker/Dockerfile.sandbox.
        runtime: a runtime of the engine. Default: "runsc" if it reaches `minimum_isolation`, or else the engine's.
        Raises SandboxUnavailableError if the engine can't be reached or reports an error.
        """
        self._highest_isolation = isolation
        self._image = image
        self._room = limits
        self._room_lock = threading.Lock()
        self._engine = DockerEngine()
        with self._engine.translated_errors(image):
            self._engine.client.images.get(image)
        self._engine.remove_orphans()
        *better, last = self._engine.runtimes(runtime)
        for self._runtime in better:
            with contextlib.suppress(SandboxUnavailableError):
                self._start(minimum_isolation, workers, limits)
                return
        self._runtime = last
        self._start(minimum_isolation, workers, limits)

    def close(self) -> None:
        super().close()
        self._engine.client.close()
        atexit.unregister(self.close)

    def _start(self, minimum_isolation: Isolation, workers: int | None, limits: Limits) -> None:
        super().__init__(
            backend="docker",
            open_worker=self._open,
            workers=workers or self._engine.info["NCPU"],
            minimum_isolation=minimum_isolation,
            limits=limits,
        )
        atexit.register(self.close)

    def _hello(self, slot: Any) -> dict[str, Any]:
        hello = super()._hello(slot)
        if self._highest_isolation != "full":
            return hello
        # The first reason is that no higher level was requested inside the container.
        missing = hello["missing"][1:]
        isolation = "full" if hello["isolation"] == "landlock" and not missing else hello["isolation"]
        return {**hello, "isolation": isolation, "missing": missing}

    def _open(self) -> RemoteWorker:
        room = self._room
        settings = {
            "minimum_isolation": "limits",  # RemoteSandbox checks the level.
            "isolation": "limits" if self._highest_isolation == "limits" else "landlock",
            "workers": 1,
            "limits": self.limits.to_dict(),
            "dedicated": True,
        }
        with self._engine.translated_errors(self._image):
            container: str = self._engine.client.containers.create(
                self._image, [json.dumps(settings)], runtime=self._runtime, **self._hardening(room)
            ).id
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._engine.remove, container)
            with self._engine.translated_errors():
                # Attach before the start, so that no output is lost.
                streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                stream = ContainerStream(self._engine.client.api.attach_socket(container, params=streams))
                on_failure.callback(stream.close)
                self._engine.client.api.start(container)
            worker = _Container(self, container, stream, room)
            worker.wait_until_ready()
            on_failure.pop_all()
        return worker

    def _hardening(self, room: Limits) -> dict[str, Any]:
        """Return the options of a container for programs with limits up to `room`."""
        from docker.types import LogConfig, Ulimit

        user = random.choice(_USER_IDS)  # The kernel counts processes per user, over all containers.
        memory = f"{room.memory_mb + 2 * room.file_mb + _OWN_MEMORY_MB}m"
        files = f"size={room.file_mb + _OWN_FILES_MB}m,nr_inodes=16384"
        return {
            "labels": {LABEL: owner_label()},
            "stdin_open": True,
            "network_mode": "none",
            "read_only": True,
            "tmpfs": {_SCRATCH: f"rw,nosuid,nodev,noexec,mode=1777,{files}"},
            "environment": {"TMPDIR": _SCRATCH},  # An image may have files in /tmp.
            "shm_size": f"{room.file_mb}m",
            "user": f"{user}:{user}",
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "ipc_mode": "private",
            "pids_limit": room.processes + _OWN_PROCESSES,
            "mem_limit": memory,
            "memswap_limit": memory,  # Sum of memory and swap: no swap.
            "nano_cpus": min(_CPUS, self._engine.info["NCPU"]) * 10**9,
            "ulimits": [Ulimit(name="core", soft=0, hard=0), Ulimit(name="nofile", soft=_OPEN_FILES, hard=_OPEN_FILES)],
            # Otherwise the engine would store all output of the worker on disk.
            "log_config": LogConfig(type=LogConfig.types.NONE),
        }

    def check_room(self, room: Limits, limits: Limits) -> None:
        """Raise WorkerLostError, to get a bigger container, if `limits` exceed `room`."""
        if _maximum(room, limits) != room:
            with self._room_lock:
                self._room = _maximum(self._room, limits)
            raise WorkerLostError("it is too small for these limits")


class _Container(RemoteWorker):
    """A running container and the stream to it."""

    def __init__(self, sandbox: DockerSandbox, container: str, stream: ContainerStream, room: Limits) -> None:
        self._sandbox = sandbox
        self.container_id = container
        self._stream = stream
        self._room = room
        self._closed = threading.Lock()

    def wait_until_ready(self) -> None:
        """Wait for the worker's first answer. Raises SandboxUnavailableError if it fails to start."""
        try:
            answer = self._ask({"call": "hello"}, _STARTUP_TIMEOUT_SECONDS)
        except WorkerLostError as error:
            raise SandboxUnavailableError(
                f"the worker in image {self._sandbox._image!r} did not start: {error}; rebuild the image with "
                f"`{BUILD.format(image=self._sandbox._image)}`"
            ) from None
        if "fault" in answer:
            raise SandboxUnavailableError(f"the worker in the container failed: {answer['fault']}")

    def call(self, request: dict[str, Any], timeout: float, cancellation: Cancellation | None = None) -> dict[str, Any]:
        limits = request.get("limits") or request.get("program", {}).get("limits")
        if limits:
            self._sandbox.check_room(self._room, Limits(**limits))
        return self._ask(request, timeout, cancellation)

    def close(self) -> None:
        if self._closed.acquire(blocking=False):
            self._stream.close()  # First, so that no thread waits for an answer.
            self._sandbox._engine.remove(self.container_id)

    def _ask(self, request: dict[str, Any], timeout: float, cancellation: Cancellation | None = None) -> dict[str, Any]:
        try:
            return dict(json.loads(self._stream.ask(json.dumps(request).encode(), timeout, cancellation)))
        except StreamLostError as error:
            if cancellation is not None and cancellation.cancelled:  # Do not wait for the engine.
                raise WorkerLostError(str(error)) from None
            last = self._stream.stderr_tail.rpartition("\n")[2]
            output = f"; its last error output: {last}" if last else ""
            end = self._sandbox._engine.describe_end(self.container_id)
            raise WorkerLostError(f"the container was lost: {error}; {end}{output}") from None
        except ValueError:
            raise WorkerLostError("the container's answer is not valid JSON") from None


def _maximum(some: Limits, others: Limits) -> Limits:
    """Return the elementwise maximum of the limits that a container has to provide."""
    names = ("memory_mb", "file_mb", "processes")
    return dataclasses.replace(some, **{name: max(getattr(some, name), getattr(others, name)) for name in names})
