"""The connection to the Docker engine: error messages and removal of orphaned containers.

Each container has a label that identifies the process that created it. When that process ends, the container's standard
input is closed, so that it exits. The next sandbox on the same engine removes it.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storm_calm.sandbox.execution import SandboxUnavailableError
from storm_calm.sandbox.zygote.processes import stat_fields

LABEL = "storm.sandbox"
"""The label of containers; its value identifies their process."""

BUILD = "docker build -f docker/Dockerfile.sandbox -t {image} ."
"""The command that builds the image, to run in the project's folder."""


class DockerEngine:
    """The Docker engine at DOCKER_HOST, by default this machine's."""

    def __init__(self) -> None:
        """Connect. Raises SandboxUnavailableError without an engine or the `docker` package."""
        try:
            import docker
            import docker.errors
        except ImportError as error:
            raise SandboxUnavailableError(
                f"the docker backend needs the docker package ({error}); pip install 'storm-calm[docker]'"
            ) from None
        self._errors = docker.errors
        with self.translated_errors():
            self.client = docker.from_env()
            self.info: dict[str, Any] = self.client.info()

    @contextlib.contextmanager
    def translated_errors(self, image: str = "") -> Iterator[None]:
        """Translate exceptions of the engine's client to SandboxUnavailableError."""
        try:
            yield
        except self._errors.ImageNotFound:
            command = BUILD.format(image=image)
            raise SandboxUnavailableError(
                f"the Docker engine has no image {image!r}; build it with `{command}` in the project's folder"
            ) from None
        except self._errors.APIError as error:
            raise SandboxUnavailableError(f"the Docker engine reports an error: {error.explanation or error}") from None
        except (self._errors.DockerException, OSError) as error:
            raise SandboxUnavailableError(
                f"no connection to a Docker engine ({error}); start it (`systemctl start docker`), add this user to "
                "the group docker, or set DOCKER_HOST to another engine"
            ) from None

    def runtimes(self, wanted: str | None) -> list[str | None]:
        """Return the runtimes to try in order; None is the engine's default. Raises if `wanted` is unknown."""
        known = sorted(self.info.get("Runtimes") or {})
        if wanted is None:
            return ["runsc", None] if "runsc" in known else [None]
        if wanted not in known:
            raise SandboxUnavailableError(
                f"the Docker engine has no runtime {wanted!r}, only {', '.join(known)}; install it and add it to the "
                "engine's daemon.json, or leave runtime out"
            )
        return [wanted]

    def remove_orphans(self) -> None:
        """Remove the containers that have exited or whose process has certainly ended."""
        with self.translated_errors():
            found = self.client.api.containers(all=True, filters={"label": LABEL})
        for container in found:
            if container["State"] in ("exited", "dead") or _is_gone(container["Labels"][LABEL]):
                self.remove(container["Id"])

    def remove(self, container: str) -> None:
        """Kill and remove a container; ignore errors."""
        with contextlib.suppress(self._errors.DockerException, OSError):
            self.client.api.remove_container(container, force=True, v=True)

    def describe_end(self, container: str) -> str:
        """Describe how a container ended, for error messages."""
        try:
            state = self.client.api.inspect_container(container)["State"]
        except (self._errors.DockerException, OSError) as error:
            return f"its end is unknown ({error})"
        if state["Running"]:
            return "it is running but does not answer"
        memory = ", out of memory" if state["OOMKilled"] else ""
        return f"it ended with exit code {state['ExitCode']}{memory}"


def owner_label() -> str:
    """Return the label that identifies this process: boot id, pid namespace, pid and start time."""
    return json.dumps([*_machine(), os.getpid(), _start_time(os.getpid())])


def _is_gone(label: str) -> bool:
    """Return whether the process that wrote `label` has ended; False if that is unknown."""
    try:
        *machine, pid, start = json.loads(label)
    except ValueError:
        return False
    return machine == _machine() and _start_time(pid) != start


def _machine() -> list[str]:
    """Return what identifies the space of process ids: the kernel's boot id, and the pid namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return [boot, os.readlink("/proc/self/ns/pid")]


def _start_time(pid: int) -> str | None:
    """Return a process's start time in clock ticks since boot; None if it has ended."""
    fields = stat_fields(pid)
    return None if fields[0] in "ZX" else fields[19]
