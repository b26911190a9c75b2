"""Runs the services of a Compose file through the Docker SDK, for the keys that our files have.

As a program it has the two commands that docker/rolling_restart.sh needs:

    python compose_services.py FILE ps --quiet SERVICE
    python compose_services.py FILE up --detach --no-deps --no-recreate SERVICE
"""

import os
import re
import sys
import time
from pathlib import Path

import docker
import yaml
from docker.types import Healthcheck, Mount

KNOWN = {
    *("image", "build", "command", "environment", "deploy", "read_only", "tmpfs", "cap_drop", "security_opt"),
    *("pids_limit", "mem_limit", "stop_grace_period", "stop_signal", "restart", "depends_on", "volumes", "ports"),
    *("healthcheck", "user", "shm_size", "profiles", "ipc", "extends"),
}
NANOSECONDS = 1_000_000_000


class ComposeServices:
    """The services of a file. images: names for services that are built."""

    def __init__(self, client, file, images=None, environment=os.environ):
        self.client, self.file = client, Path(file).resolve()
        self._images = images or {"storm": environment.get("TEST_SERVING_IMAGE", "")}
        text = interpolated(self.file.read_text(), environment)
        self.data = yaml.safe_load(text)
        self.project = self.data["name"]
        self.services = {name: self._extended(service) for name, service in self.data["services"].items()}
        for name, service in self.services.items():
            assert set(service) <= KNOWN, (name, set(service) - KNOWN)

    def containers(self, name):
        """Return the running containers of a service, the oldest first."""
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={name}"]
        return sorted(self.client.containers.list(filters={"label": labels}), key=lambda one: one.attrs["Created"])

    def up(self, name):
        """Start the missing containers of a service."""
        service = self.services[name]
        for _ in range(int(service.get("deploy", {}).get("replicas", 1)) - len(self.containers(name))):
            self._start(name, service)

    def down(self):
        """Remove all containers with their volumes, and the network."""
        label = f"com.docker.compose.project={self.project}"
        for container in self.client.containers.list(all=True, filters={"label": label}):
            container.remove(force=True)
        for volume in self.client.volumes.list():
            if volume.name.startswith(f"{self.project}_"):
                volume.remove()
        for network in self.client.networks.list(names=[self.project]):
            network.remove()

    def wait_healthy(self, name, seconds=60):
        deadline = time.monotonic() + seconds
        for container in self.containers(name):
            while container.attrs["State"].get("Health", {}).get("Status") != "healthy":
                logs = container.logs().decode()
                assert container.status in ("created", "running"), logs
                assert time.monotonic() < deadline, (logs, container.attrs["State"])
                time.sleep(0.1)
                container.reload()

    def address(self, name):
        """Return the IP address of the first container of a service."""
        (container, *_) = self.containers(name)
        return container.attrs["NetworkSettings"]["Networks"][self.project]["IPAddress"]

    def _start(self, name, service):
        api = self.client.api
        if not self.client.networks.list(names=[self.project]):
            self.client.networks.create(self.project, driver="bridge", internal=True)
        binds, volumes = [], [volume.split(":") for volume in service.get("volumes", ())]
        for source, target, *mode in volumes:
            if source.startswith("."):
                path = str((self.file.parent / source).resolve())
                binds.append(Mount(target, path, type="bind", read_only=mode == ["ro"]))
            else:
                binds.append(Mount(target, f"{self.project}_{source}", type="volume"))
        tmpfs = dict(one.partition(":")[::2] for one in service.get("tmpfs", ()))
        probe = service.get("healthcheck")
        made = api.create_container(
            service.get("image") or self._images[name],
            command=service.get("command"),
            environment={key: str(value) for key, value in service.get("environment", {}).items()},
            user=service.get("user"),
            detach=True,
            stop_signal=service.get("stop_signal"),
            healthcheck=probe
            and Healthcheck(
                test=probe["test"],
                interval=seconds_of(probe["interval"]) * NANOSECONDS,
                timeout=seconds_of(probe["timeout"]) * NANOSECONDS,
                retries=probe["retries"],
            ),
            labels={"com.docker.compose.project": self.project, "com.docker.compose.service": name},
            networking_config=api.create_networking_config({self.project: api.create_endpoint_config(aliases=[name])}),
            host_config=api.create_host_config(
                network_mode=self.project,
                mounts=binds,
                read_only=service.get("read_only", False),
                tmpfs=tmpfs,
                cap_drop=service.get("cap_drop"),
                security_opt=service.get("security_opt"),
                pids_limit=service.get("pids_limit"),
                mem_limit=service.get("mem_limit"),
                shm_size=service.get("shm_size"),
            ),
        )
        api.start(made["Id"])

    def _extended(self, service):
        base = service.get("extends")
        if base is None:
            return service
        return yaml.safe_load(interpolated((self.file.parent / base["file"]).read_text(), {}))["services"][
            base["service"]
        ]


def interpolated(text, environment):
    """Return the text with the variables of the environment."""

    def value(found):
        if found[0] == "$$":
            return "$"
        name, kind, other = found[1], found[2], found[3]
        if environment.get(name):
            return environment[name]
        assert kind != ":?", f"{name} is missing: {other}"
        return other or ""

    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return re.sub(r"\$\$|\$\{(\w+)(:[-?])?([^}]*)\}", value, "\n".join(lines))


def seconds_of(text):
    return int(text.removesuffix("s"))


def main(file, command, *words):
    services = ComposeServices(docker.from_env(), file)
    if command == "ps":
        sys.stdout.write("".join(f"{one.id}\n" for one in services.containers(words[-1])))
    else:
        assert (command, *words[:-1]) == ("up", "--detach", "--no-deps", "--no-recreate")
        services.up(words[-1])


if __name__ == "__main__":
    main(*sys.argv[1:])
