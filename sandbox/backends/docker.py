"""The "docker" sandbox: programs run in containers, each with a fork server of its own in it (`sandbox.zygote`).

    docker build -f docker/Dockerfile.sandbox -t storm-sandbox .
    python -c 'from storm_calm import open_sandbox; print(open_sandbox("docker").run("print(6 * 7)").stdout)'

One container for each worker, kept warm, with `sandbox.backends.worker` as its main process. It is reached over its
standard input and output and nothing else: so the engine may be on another machine, and the container needs no network,
no volume and no right.

The container is the wall to the outside: namespaces, no capabilities, a read-only root folder, limits. Programs of one
worker run in it one after the other; what keeps them from the fork server, and from each other, is isolation level
"landlock" on the inside (a container may not make the namespaces of isolation level "full"), and what they could leave
behind is cleared away: their processes, their folder, /dev/shm (a session that is open shares it with the runs between
its blocks). The two together are reported as isolation level "full". Where the inside does not reach "landlock", as
under gVisor ("runsc"), which has none, the isolation level of the inside is what is reported, with the reasons. gVisor
is used where the engine has it and it gives the isolation level that is asked for.
"""

from __future__ import annotations

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

_STARTUP_TIMEOUT_SECONDS = 120.0  # to start a container and load the libraries: the first time on a slow disk
# What the worker and its fork servers need besides a program.
_OWN_MEMORY_MB = 2048
_OWN_PROCESSES = 512
_OWN_FILES_MB = 4
_OPEN_FILES = 4096
_SCRATCH = "/scratch"
_CPUS = 2
# Ids that no user of a machine has, and that an engine which shifts them can shift too.
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
        """The engine is the one that DOCKER_HOST names, or this machine's.

        image: made by docker/Dockerfile.sandbox. runtime: one of the engine's; by default "runsc" where that gives
        `minimum_isolation`, else what the engine takes. Raises SandboxUnavailableError where the engine can't be
        reached or refuses, with the way out.
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
        # The first reason is that nothing better was asked for on the inside.
        missing = hello["missing"][1:]
        isolation = "full" if hello["isolation"] == "landlock" and not missing else hello["isolation"]
        return {**hello, "isolation": isolation, "missing": missing}

    def _open(self) -> RemoteWorker:
        with self._room_lock:
            room = self._room
        settings = {
            "minimum_isolation": "limits",  # Whether it is enough is decided here.
            "isolation": "limits" if self._highest_isolation == "limits" else "landlock",
            "workers": 1,
            "limits": self.limits.to_dict(),
            "dedicated": True,
        }
        with self._engine.translated_errors(self._image):
            container: str = self._engine.client.containers.create(
                self._image, [json.dumps(settings)], runtime=self._runtime, **self._hardening(room)
            ).id
        try:
            with self._engine.translated_errors():
                # Attached before it starts, so that no word is lost.
                stream = ContainerStream(
                    self._engine.client.api.attach_socket(
                        container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                    )
                )
                self._engine.client.api.start(container)
            worker = _Container(self, container, stream, room)
            worker.wait_until_ready()
        except BaseException:
            self._engine.remove(container)
            raise
        return worker

    def _hardening(self, room: Limits) -> dict[str, Any]:
        """The options of a container that has room for programs with the limits `room`."""
        from docker.types import LogConfig, Ulimit

        user = random.choice(_USER_IDS)  # One each: the kernel counts processes by user, over all containers.
        memory = f"{room.memory_mb + 2 * room.file_mb + _OWN_MEMORY_MB}m"
        files = f"size={room.file_mb + _OWN_FILES_MB}m,nr_inodes=16384"
        return {
            "labels": {LABEL: owner_label()},
            "stdin_open": True,
            "network_mode": "none",
            "read_only": True,
            "tmpfs": {_SCRATCH: f"rw,nosuid,nodev,noexec,mode=1777,{files}"},
            "environment": {"TMPDIR": _SCRATCH},  # Not /tmp: an image may have something there.
            "shm_size": f"{room.file_mb}m",
            "user": f"{user}:{user}",
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "ipc_mode": "private",
            "pids_limit": room.processes + _OWN_PROCESSES,
            "mem_limit": memory,
            "memswap_limit": memory,  # Memory and swap together: no swap.
            "nano_cpus": min(_CPUS, self._engine.info["NCPU"]) * 10**9,
            "ulimits": [
                Ulimit(name="core", soft=0, hard=0),
                Ulimit(name="nofile", soft=_OPEN_FILES, hard=_OPEN_FILES),
            ],
            # Else the engine would write all that the worker says to its disk.
            "log_config": LogConfig(type=LogConfig.types.NONE),
        }

    def check_room(self, room: Limits, limits: Limits) -> None:
        """Raise WorkerLostError, for a bigger container, if one made for `room` can't run what has `limits`."""
        if _maximum(room, limits) != room:
            with self._room_lock:
                self._room = _maximum(self._room, limits)
            raise WorkerLostError("it is too small for these limits")


class _Container(RemoteWorker):
    """A running container and the stream to it."""

    def __init__(self, sandbox: DockerSandbox, container: str, stream: ContainerStream, room: Limits) -> None:
        self._sandbox = sandbox
        self._engine = sandbox._engine
        self.container_id = container
        self._stream = stream
        self._room = room
        self._closed = threading.Lock()

    def wait_until_ready(self) -> None:
        """Wait until the worker is ready. Raises SandboxUnavailableError if it never is."""
        try:
            answer = self._ask({"call": "hello"}, _STARTUP_TIMEOUT_SECONDS)
        except WorkerLostError as error:
            self.close()
            raise SandboxUnavailableError(
                f"the worker in image {self._sandbox._image!r} did not start: {error}; make the image anew with "
                f"`{BUILD.format(image=self._sandbox._image)}`"
            ) from None
        if "fault" in answer:
            self.close()
            raise SandboxUnavailableError(f"the worker in the container: {answer['fault']}")

    def call(self, request: dict[str, Any], timeout: float, cancellation: Cancellation | None = None) -> dict[str, Any]:
        limits = request.get("limits") or request.get("program", {}).get("limits")
        if limits:
            self._sandbox.check_room(self._room, Limits(**limits))
        return self._ask(request, timeout, cancellation)

    def close(self) -> None:
        if self._closed.acquire(blocking=False):
            # First, so that nothing waits for what we no longer read.
            self._stream.close()
            self._engine.remove(self.container_id)

    def _ask(self, request: dict[str, Any], timeout: float, cancellation: Cancellation | None = None) -> dict[str, Any]:
        try:
            answer = self._stream.ask(json.dumps(request).encode(), timeout, cancellation)
            return dict(json.loads(answer))
        except StreamLostError as error:
            if cancellation is not None and cancellation.cancelled:  # No time to ask the engine what happened.
                raise WorkerLostError(str(error)) from None
            words = self._stream.last_words.rpartition("\n")[2]
            said = f"; its last words: {words}" if words else ""
            raise WorkerLostError(
                f"the container was lost: {error}; {self._engine.describe_end(self.container_id)}{said}"
            ) from None
        except ValueError:
            raise WorkerLostError("the container does not speak as a worker does") from None


def _maximum(some: Limits, others: Limits) -> Limits:
    """Limits that leave room for both; time and output take none."""
    return dataclasses.replace(
        some,
        memory_mb=max(some.memory_mb, others.memory_mb),
        file_mb=max(some.file_mb, others.file_mb),
        processes=max(some.processes, others.processes),
    )
