"""The three isolation levels: what each does to the fork server once, and to every program.

`best_isolation.best_isolation` finds the highest that this machine allows.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.execution import Isolation
from storm_calm.sandbox.zygote import kernel, landlock, namespaces, seccomp
from storm_calm.sandbox.zygote.throwaway_child import capabilities_as_nobody

_OPEN_FILES = 256
_SHARED_MEMORY = "/dev/shm"
_DEVICES = ("/dev/null", "/dev/full", "/dev/random", "/dev/urandom")
_SHOWN_OF_THE_SYSTEM = (
    "/etc/ld.so.cache",
    "/etc/mime.types",  # Python reads it wherever it is there, and openpyxl asks Python.
    "/etc/localtime",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/filesystems",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class IsolationContext:
    """Where a fork server stands after `enter`."""

    isolation: Isolation
    """What its programs get."""
    scratch: str
    """The folder that programs work in or, without namespaces, that holds a folder for each."""
    libraries: str
    """The folder in which programs find the libraries that they can import."""
    packages: tuple[str, ...] = ()
    """The folders that these lie in, where they are not inside of the interpreter's."""
    capabilities: frozenset[int] = frozenset()
    """What programs keep of root's powers, so that they can run at all."""
    data_bytes: int = 0
    """Bytes of data that the fork server has loaded, which every program starts with."""
    counted: bool = False
    """Whether a control group limits the number of a program's processes."""
    dedicated: bool = False
    """Nothing but this sandbox runs on the machine, and one program of it at a time: a container made for it."""

    @property
    def shared(self) -> tuple[str, ...]:
        """Folders that a program can write to besides its own, and that are emptied after it."""
        return (_SHARED_MEMORY,) if self.isolation == "landlock" and self.dedicated else ()


def enter(
    isolation: Isolation,
    scratch: str,
    *,
    dedicated: bool = False,
    libraries: Iterable[str] = (),
    groups: Iterable[int] = (),
) -> IsolationContext:
    """Take this process to where it can start programs in `isolation`. Its children are the ones who are there.

    scratch: an empty folder for programs to work in; not used with namespaces.
    dedicated: as in `IsolationContext`. libraries: the files and folders of the libraries that programs can import.
    groups: the folders in which this process makes control groups, open.
    """
    libraries = list(libraries)
    if isolation == "full":
        namespaces.enter(libraries)
        return IsolationContext(
            isolation=isolation, scratch=namespaces.SCRATCH, dedicated=dedicated, libraries=namespaces.LIBRARIES
        )
    needed = capabilities_as_nobody() if os.geteuid() == 0 else None
    if needed is not None:
        os.chown(scratch, namespaces.NOBODY, namespaces.NOBODY)
        namespaces.become(namespaces.NOBODY, capabilities=needed)
    context = IsolationContext(
        isolation=isolation,
        scratch=scratch,
        capabilities=needed or frozenset(),
        dedicated=dedicated,
        libraries=_link(libraries, os.path.join(scratch, "libraries")),
        packages=tuple(sorted({os.path.dirname(os.path.realpath(path)) for path in libraries})),
    )
    if isolation == "landlock":
        # Each program restricts itself further; here, once, what would take each of them as long as all the rest.
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        landlock.restrict(
            read=[*shown_of_the_system(), *map(os.path.realpath, libraries), *_SHOWN_OF_THE_SYSTEM, "/proc"],
            lists=namespaces.standard_library(),  # Packages may lie in it.
            write=[scratch, *context.shared, *_DEVICES, *(f"/proc/self/fd/{fd}" for fd in groups)],
            scoped=False,
        )
    return context


def _link(paths: Iterable[str], folder: str) -> str:
    """Make `folder` with links to files and folders, read-only, and return it."""
    if not os.path.isdir(folder):
        os.mkdir(folder)
        for path in paths:
            os.symlink(os.path.realpath(path), os.path.join(folder, os.path.basename(path)))
        os.chmod(folder, 0o555)
    return folder


def shown_of_the_system() -> list[str]:
    """What is in `namespaces.system_folders` but not in `hidden_folders`, in as few files and folders as can be.

    Their real places: /lib may lead to /usr/lib, and Landlock allows what is there, by whichever name.
    """
    hidden = sorted(set(map(os.path.realpath, namespaces.hidden_folders())))
    folders = sorted(set(map(os.path.realpath, namespaces.system_folders())))
    return [path for folder in folders for path in _without(folder, hidden)]


def _without(folder: str, hidden: Sequence[str]) -> Iterator[str]:
    """What is in `folder` apart from `hidden`, in as few files and folders as can be."""
    real = f"{os.path.realpath(folder)}/"
    if any(real.startswith(f"{path}/") for path in hidden):
        return
    if not any(path.startswith(real) for path in hidden):
        yield folder
    elif not os.path.islink(folder):  # What a link leads to is shown at its own place, as far as it is.
        with contextlib.suppress(OSError):
            for entry in os.scandir(folder):
                yield from _without(entry.path, hidden)


def compile_seccomp(context: IsolationContext) -> None:
    """In the fork server: work out once what `apply_isolation` needs in every child."""
    if context.isolation != "limits":
        seccomp.program(unix_sockets=_has_unix_sockets(context), own_files=context.isolation == "full")


def _has_unix_sockets(context: IsolationContext) -> bool:
    # A socket file is reached by its path, which Landlock doesn't govern: without a root folder of their own,
    # programs could talk to an agent or a daemon. A container made for this sandbox has none.
    return context.isolation == "full" or context.dedicated


def apply_isolation(context: IsolationContext, folder: str, limits: Limits, network: int = -1) -> None:
    """Lock this process in for good, in the way of `context.isolation`, with `folder` as its working folder.

    network: with namespaces, the network namespace to join; by default a new one.
    System calls are left to `apply_seccomp`. Raises OSError if a part of it fails; the process must then end.
    """
    if context.isolation == "full":
        namespaces.isolate(limits.file_mb, network)
    else:
        os.chdir(folder)
    _set_resource_limits(context, limits)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.keep_capabilities(context.capabilities)
    if context.isolation == "full":
        # The root folder holds nothing to hide; only writing is left to refuse.
        landlock.restrict(read=["/"], write=[folder, "/dev"])
    elif context.isolation == "landlock":
        shown = [*namespaces.system_folders(), *context.packages, context.libraries, *_SHOWN_OF_THE_SYSTEM]
        landlock.restrict(read=[*shown, f"/proc/{os.getpid()}"], write=[folder, *context.shared, *_DEVICES])


def apply_seccomp(context: IsolationContext, *, sends_files: bool = False) -> None:
    """Restrict the system calls of this process for good, after `apply_isolation`.

    sends_files: whether it may send open files to others, as a supervisor must and a program must not.
    """
    if context.isolation != "limits":
        seccomp.restrict(
            unix_sockets=_has_unix_sockets(context), own_files=context.isolation == "full", sends_files=sends_files
        )


def _set_resource_limits(context: IsolationContext, limits: Limits) -> None:
    """Resource limits of this process and its children. They can only be lowered from here on."""
    values = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_FSIZE: limits.file_mb << 20,
        # Private writable memory, per process; the fork server's watch sees to their sum.
        resource.RLIMIT_DATA: context.data_bytes + (limits.memory_mb << 20),
    }
    if context.isolation == "full":
        values[resource.RLIMIT_NPROC] = limits.processes
    elif not context.counted:
        values[resource.RLIMIT_NPROC] = limits.processes + _tasks_of_this_user()

    for kind, value in values.items():
        _, hard = resource.getrlimit(kind)
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))


def _tasks_of_this_user() -> int:
    """How many threads this user has on the machine: without a user namespace the limit counts them all."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == os.geteuid():
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue
    return count
