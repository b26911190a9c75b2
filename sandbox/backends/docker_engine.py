"""The Docker engine as the "docker" sandbox needs it: reaching it, its errors with a way out, and sweeping.

Every container of ours has a label that says whose it is. A container ends by itself when the process that made it is
gone, as its standard input ends then; what is left of it is swept away by whoever opens a sandbox on that engine next.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storm_calm.sandbox.execution import SandboxUnavailableError
from storm_calm.sandbox.zygote.processes import stat_fields

LABEL = "storm.sandbox"
"""The label of our containers; its value tells which process they belong to."""

BUILD = "docker build -f docker/Dockerfile.sandbox -t {image} ."
"""The command that makes the image, in the project's folder."""

_ENDED = ("exited", "dead")


class DockerEngine:
    """A Docker engine: the one that DOCKER_HOST names, or this machine's."""

    def __init__(self) -> None:
        """Raises SandboxUnavailableError where there is none, or the `docker` package is missing."""
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
        with self.translated_errors():
            self.info: dict[str, Any] = self.client.info()

    @contextlib.contextmanager
    def translated_errors(self, image: str = "") -> Iterator[None]:
        """Turn what the engine says or fails to say in the `with` block into SandboxUnavailableError with a way out."""
        try:
            yield
        except self._errors.ImageNotFound:
            command = BUILD.format(image=image)
            raise SandboxUnavailableError(
                f"the Docker engine has no image {image!r}; make it with `{command}` in the project's folder"
            ) from None
        except self._errors.APIError as error:
            raise SandboxUnavailableError(f"the Docker engine refuses: {error.explanation or error}") from None
        except (self._errors.DockerException, OSError) as error:
            raise SandboxUnavailableError(
                f"no Docker engine answers ({error}); start it (`systemctl start docker`), make this user one of its "
                "group, or name another one in DOCKER_HOST"
            ) from None

    def runtimes(self, wanted: str | None) -> list[str | None]:
        """What to run containers with, the best first; None is the engine's default. Raises if `wanted` isn't there."""
        known = sorted(self.info.get("Runtimes") or {})
        if wanted is None:
            return ["runsc", None] if "runsc" in known else [None]
        if wanted not in known:
            raise SandboxUnavailableError(
                f"the Docker engine has no runtime {wanted!r}, only {', '.join(known)}; install it and name it in the "
                "engine's daemon.json, or leave runtime out"
            )
        return [wanted]

    def remove_orphans(self) -> None:
        """Remove the containers that lost their process, and leave alone those that have one, or may have one."""
        with self.translated_errors():
            found = self.client.api.containers(all=True, filters={"label": LABEL})
        for container in found:
            if container["State"] in _ENDED or _is_gone(container["Labels"][LABEL]):
                self.remove(container["Id"])

    def remove(self, container: str) -> None:
        """Kill and remove a container, if it is there and the engine can be reached. Never raises."""
        with contextlib.suppress(self._errors.DockerException, OSError):
            self.client.api.remove_container(container, force=True, v=True)

    def describe_end(self, container: str) -> str:
        """How a container ended, in words."""
        try:
            state = self.client.api.inspect_container(container)["State"]
        except (self._errors.DockerException, OSError) as error:
            return f"the engine can't tell how it ended ({error})"
        if state["Running"]:
            return "it is running, and does not answer"
        memory = ", for lack of memory" if state["OOMKilled"] else ""
        return f"it ended with exit code {state['ExitCode']}{memory}"


def owner_label() -> str:
    """This process, as the label of its containers: its id, and where and when such an id means it."""
    return json.dumps([*_machine(), os.getpid(), _start(os.getpid())])


def _is_gone(label: str) -> bool:
    """Whether the process that wrote `label` has ended; False where that can't be known from here."""
    try:
        *machine, pid, start = json.loads(label)
    except ValueError:
        return False
    return machine == _machine() and _start(pid) != start


def _machine() -> list[str]:
    """What two processes must have in common to know each other by their ids: one run of a kernel, one namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return [boot, os.readlink("/proc/self/ns/pid")]


def _start(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; None for one that is not there or has ended."""
    fields = stat_fields(pid)
    return None if fields[0] in "ZX" else fields[19]
