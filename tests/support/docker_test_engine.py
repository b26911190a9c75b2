"""A Docker engine and an image for the tests: the running engine, or a private one started for the tests.

No image can be pulled in the test environment, so the base image is built from this machine's Python: the interpreter,
its standard library, the solver libraries and the shared libraries they need, each at its path on this machine.
"""

import contextlib
import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import Distribution, distribution
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException, ImageNotFound
from packaging.requirements import Requirement

from storm_calm.sandbox.libraries import DISTRIBUTIONS
from storm_calm.sandbox.zygote import kernel

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "storm-sandbox-test"
SERVING_IMAGE = "storm-serving-test"
_BASE = "storm-sandbox-test-base"
_DOCKERFILE = "docker/Dockerfile.sandbox"
_SERVING = "docker/Dockerfile.serving"
_BIN = os.path.dirname(sys.executable)
_LEFT_OUT = {"tests", "test", "site-packages", "dist-packages", "idlelib", "ensurepip", "tkinter", "_scs_mkl"}
_PATIENCE = 60.0  # seconds for an engine to start
_DETACH = 2


class NoEngineError(Exception):
    """No engine is running and none could be started. The message gives the reason."""


class ImpossibleError(NoEngineError):
    """This machine cannot start an engine, no matter what is installed."""


@contextlib.contextmanager
def running_engine() -> Iterator[docker.DockerClient]:
    """Yield the running engine, or one that lives as long as the `with` block and is set as DOCKER_HOST."""
    try:
        client = docker.from_env()
        client.ping()
    except (DockerException, OSError) as error:
        reason = str(error)
    else:
        yield client
        return
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        raise NoEngineError(f"no Docker engine answers ({reason}), and starting one takes root and `dockerd`")
    with private_engine() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        yield docker.from_env()


@contextlib.contextmanager
def private_engine() -> Iterator[str]:
    """Start an engine with all its data in its own folder, and stop it after the `with` block."""
    folder = Path(tempfile.mkdtemp(prefix="dockerd-"))
    # In memory: deleting the image from disk would take longer than the tests.
    try:
        kernel.mount("tmpfs", str(folder), 0, "size=4g,mode=0700")
    except OSError as error:
        folder.rmdir()
        raise ImpossibleError(f"dockerd can't run if nothing may be mounted ({error})") from None
    address = f"unix://{folder}/socket"
    command = [
        *("dockerd", "--iptables=false", "--bridge=none", f"--host={address}", f"--pidfile={folder}/pid"),
        *(f"--data-root={folder}/data", f"--exec-root={folder}/exec"),
    ]
    log = folder / "log"
    try:
        with log.open("wb") as output:
            engine = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                # The engine must not outlive killed tests.
                preexec_fn=lambda: kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM),
            )
        try:
            _wait_for(address, engine, log)
            yield address
        finally:
            stop(address, engine)
    finally:
        _unmount(folder)
        folder.rmdir()


def stop(address: str, engine: subprocess.Popen[bytes]) -> None:
    """Stop an engine that was started here. Stop its containers first; otherwise it would wait for each."""
    with contextlib.suppress(DockerException, OSError):
        client = docker.DockerClient(base_url=address)
        for container in client.api.containers(all=True):
            client.api.remove_container(container["Id"], force=True)
    engine.terminate()
    try:
        engine.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(engine.pid, signal.SIGKILL)
        engine.wait()


def _wait_for(address: str, engine: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            docker.DockerClient(base_url=address).ping()
            return
        except (DockerException, OSError) as error:
            if engine.poll() is not None or time.monotonic() > deadline:
                last = log.read_text(errors="replace").strip().rpartition("\n")[2]
                raise NoEngineError(f"dockerd did not start: {last or error}") from None
            time.sleep(0.05)


def _unmount(folder: Path) -> None:
    """Unmount `folder` and the engine's mounts below it, the innermost first."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in reversed(points):
        if f"{point}/".startswith(f"{folder}/"):
            kernel.libc.umount2(point.encode(), _DETACH)


def build_image(client: docker.DockerClient) -> str:
    """Build `docker/Dockerfile.sandbox` without a network on a base with everything installed. Return its name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    libraries = [line for line in project["dependencies"] if re.match(r"[\w-]+", line)[0] in DISTRIBUTIONS]
    base = _base(client, ["pip", *libraries])
    _build(client, _DOCKERFILE, ("pyproject.toml", "sandbox", "storm_calm/__init__.py"), base, IMAGE)
    return IMAGE


def build_serving_image(client: docker.DockerClient) -> str:
    """Build `docker/Dockerfile.serving` in the same way. Return its name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        "pip",
        "hatchling",
        *project["dependencies"],
        *project["optional-dependencies"]["serve"],
        *project["optional-dependencies"]["postgres"],
    ]
    rooms = ("agents", "cli", "env", "rl", "sandbox", "serving", "storm_calm", "models/nano/base", "models/nano/storm")
    files = ("pyproject.toml", "README.md", "LICENSE", *rooms)
    _build(client, _SERVING, files, _base(client, wanted), SERVING_IMAGE)
    return SERVING_IMAGE


def _build(client: docker.DockerClient, dockerfile: str, names: tuple[str, ...], base: str, image: str) -> None:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name in (dockerfile, *names):
            tar.add(ROOT / name, name, filter=lambda info: None if "__pycache__" in info.name else info)
    context.seek(0)
    client.images.build(
        fileobj=context,
        custom_context=True,
        dockerfile=dockerfile,
        buildargs={"BASE": base},
        network_mode="none",
        tag=image,
        rm=True,
    )


def _base(client: docker.DockerClient, wanted: list[str]) -> str:
    """Return the name of a base image with the wanted distributions.

    The image is built if the engine has none of the same content.
    """
    distributions = _distributions(wanted)
    content = [
        sys.executable,
        sys.version,
        Path(__file__).read_text(),
        *(f"{one.name} {one.version}" for one in distributions),
    ]
    name = f"{_BASE}:{hashlib.sha256(repr(content).encode()).hexdigest()[:16]}"
    try:
        client.images.get(name)
    except ImageNotFound:
        path = os.pathsep.join([_BIN, "/usr/local/bin", "/usr/bin", "/bin"])
        with reading_of(lambda tar: Tree(tar).add_python(distributions)) as blocks:
            client.api.import_image_from_stream(
                blocks, repository=_BASE, tag=name.rpartition(":")[2], changes=[f"ENV PATH={path}"]
            )
    return name


@contextlib.contextmanager
def reading_of(fill: Callable[[tarfile.TarFile], None]) -> Iterator[Iterator[bytes]]:
    """Yield the bytes of a tar archive while `fill` is still adding files."""
    reader, writer = os.pipe()

    def write() -> None:
        with open(writer, "wb") as file, tarfile.open(fileobj=file, mode="w|") as tar:
            fill(tar)

    with ThreadPoolExecutor(1) as pool, open(reader, "rb") as file:
        writing = pool.submit(write)
        yield iter(lambda: file.read(1 << 20), b"")
        writing.result()


def _distributions(wanted: list[str]) -> list[Distribution]:
    """Return the wanted installed distributions with their extras, and all their dependencies."""
    waiting = [(Requirement(line), "") for line in wanted]
    found: dict[str, Distribution] = {}
    done: set[tuple[str, str]] = set()
    while waiting:
        needed, extra = waiting.pop()
        if needed.marker is not None and not needed.marker.evaluate({"extra": extra}):
            continue
        for kind in ("", *needed.extras):
            if (needed.name, kind) not in done:
                done.add((needed.name, kind))
                found[needed.name] = distribution(needed.name)
                waiting += [(Requirement(line), kind) for line in found[needed.name].requires or []]
    return [found[name] for name in sorted(found)]


class Tree:
    """Files of this machine, added to a tar archive at their own paths, with links and parent folders."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._added: set[str] = set()

    def add_python(self, distributions: list[Distribution]) -> None:
        """Add the interpreter with its environment, `distributions`, and every shared library that they need."""
        paths = sysconfig.get_paths()
        for name in {os.path.basename(sys.executable), "python", "python3"}:
            if os.path.exists(f"{_BIN}/{name}"):
                self.add(f"{_BIN}/{name}")
        self.add("/bin/sh")
        self.add("/etc/ld.so.cache")
        if os.path.exists(f"{sys.prefix}/pyvenv.cfg"):
            self.add(f"{sys.prefix}/pyvenv.cfg")
        for folder in {os.path.realpath(paths[kind]) for kind in ("stdlib", "platstdlib")}:
            self.add_folder(folder)
        for one in distributions:
            for file in one.files or []:
                path = os.path.normpath(str(one.locate_file(file)))
                if not _LEFT_OUT & {*file.parts, file.name.partition(".")[0]} and os.path.isfile(path):
                    self.add(path)
        binaries = [os.path.realpath(sys.executable), "/bin/sh"]
        binaries += [path for path in self._added if re.search(r"\.so(\.\d+)*$", path)]
        self.add_libraries(binaries)
        for folder in ("proc", "sys", "dev"):
            self.add_missing_folder(f"/{folder}")
        self.add_missing_folder("/tmp", mode=0o1777)

    def add_libraries(self, binaries: list[str]) -> None:
        """Add every shared library that the binaries need."""
        for line in subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout.splitlines():
            found = re.search(r"(?:=> |^\s+)(/\S+) \(", line)
            if found:
                self.add(os.path.normpath(found[1]))

    def add_folder(self, folder: str) -> None:
        """Add a folder of the standard library, without the parts that no program needs."""
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if name not in _LEFT_OUT and not name.startswith("config-")]
            for name in files:
                self.add(os.path.join(parent, name))

    def add(self, path: str) -> None:
        """Add a file. For a link, also add its target."""
        parent = os.path.dirname(path)
        if os.path.realpath(parent) != parent:
            real = self._add_links_on_the_way(parent)
            self.add(os.path.join(real, os.path.basename(path)))
            return
        if path in self._added or not os.path.lexists(path):  # The target of a link may not exist.
            return
        self._added.add(path)
        self.add_missing_folder(parent)
        self._tar.add(path, path.lstrip("/"), recursive=False, filter=_of_root)
        if os.path.islink(path):
            self.add(os.path.normpath(os.path.join(parent, os.readlink(path))))

    def add_missing_folder(self, folder: str, mode: int = 0o755) -> None:
        """Add an empty folder that every user may enter, at the path where this machine has it."""
        parts = Path(folder).parts[1:]
        for count in range(1, len(parts) + 1):
            path = "/" + "/".join(parts[:count])
            if path not in self._added:
                self._added.add(path)
                info = tarfile.TarInfo(path.lstrip("/"))
                info.type, info.mode = tarfile.DIRTYPE, mode
                self._tar.addfile(info)

    def _add_links_on_the_way(self, folder: str) -> str:
        """Add the links to folders in `folder`'s path, such as /lib. Return the path without them."""
        real = "/"
        for part in Path(folder).parts[1:]:
            path = os.path.join(real, part)
            if os.path.islink(path):
                if path not in self._added:
                    self._added.add(path)
                    self.add_missing_folder(real)
                    self._tar.add(path, path.lstrip("/"), recursive=False, filter=_of_root)
                real = os.path.realpath(path)
            else:
                real = path
        return real


def _of_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return the entry owned by root and readable by all, as in any image."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode |= 0o444 | (0o111 if info.mode & 0o100 else 0)
    return info
