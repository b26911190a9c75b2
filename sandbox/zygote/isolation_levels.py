"""The three isolation levels: what each applies once to the fork server, and to every program.

`best_isolation.best_isolation` finds the highest level that this machine allows.
"""

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
_READABLE_FILES = (
    "/etc/ld.so.cache",
    "/etc/mime.types",  # openpyxl makes Python read it if it exists.
    "/etc/localtime",
    *("/sys/devices/system/cpu", "/sys/devices/system/node"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class IsolationContext:
    """The isolation of a fork server, after `enter`, and its folders."""

    isolation: Isolation
    scratch: str  # the working folder of programs or, without namespaces, the parent of their working folders
    libraries: str  # the folder from which programs import libraries
    packages: tuple[str, ...] = ()  # the folders that contain the targets of the links in `libraries`
    capabilities: frozenset[int] = frozenset()  # those of root without which programs could not run
    data_bytes: int = 0  # bytes of data in the fork server, with which every program starts
    counted: bool = False  # whether a control group limits the number of a program's processes
    dedicated: bool = False  # whether this is a container that runs only this sandbox, and one program at a time

    @property
    def shared(self) -> tuple[str, ...]:
        """Folders outside its own that a program can write to. They are emptied after it."""
        return (_SHARED_MEMORY,) if self.isolation == "landlock" and self.dedicated else ()


def enter(
    isolation: Isolation, scratch: str, *, dedicated: bool, libraries: Iterable[str], groups: Iterable[int] = ()
) -> IsolationContext:
    """Prepare this process to start programs in `isolation`. With namespaces, only its later children are inside.

    scratch: an empty folder for programs to work in; not used with namespaces.
    libraries: the files and folders of the libraries that programs can import.
    groups: file descriptors of the folders in which this process makes control groups.
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
        # Each program restricts itself further. This part is done once, because it is as slow as all the rest.
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        landlock.restrict(
            read=[*shown_of_the_system(), *map(os.path.realpath, libraries), *_READABLE_FILES, "/proc"],
            lists=namespaces.standard_library(),  # It may contain packages, which must stay hidden.
            write=[scratch, *context.shared, *_DEVICES, *(f"/proc/self/fd/{fd}" for fd in groups)],
            scoped=False,
        )
    return context


def _link(paths: Iterable[str], folder: str) -> str:
    """Make `folder`, read-only, with a link to each of `paths`, and return it."""
    if not os.path.isdir(folder):
        os.mkdir(folder)
        for path in paths:
            os.symlink(os.path.realpath(path), os.path.join(folder, os.path.basename(path)))
        os.chmod(folder, 0o555)
    return folder


def shown_of_the_system() -> list[str]:
    """Return the fewest paths that cover `namespaces.system_folders` without `hidden_folders`.

    They have no links (/lib may be a link to /usr/lib), because Landlock rules apply to the real folder.
    """
    hidden = sorted(set(map(os.path.realpath, namespaces.hidden_folders())))
    folders = sorted(set(map(os.path.realpath, namespaces.system_folders())))
    return [path for folder in folders for path in _without(folder, hidden)]


def _without(folder: str, hidden: Sequence[str]) -> Iterator[str]:
    """Yield the fewest paths that cover `folder` without `hidden`."""
    real = f"{os.path.realpath(folder)}/"
    if any(real.startswith(f"{path}/") for path in hidden):
        return
    if not any(path.startswith(real) for path in hidden):
        yield folder
    elif not os.path.islink(folder):  # The target of a link is covered at its real path, if at all.
        with contextlib.suppress(OSError):
            for entry in os.scandir(folder):
                yield from _without(entry.path, hidden)


def compile_seccomp(context: IsolationContext) -> None:
    """Build the filter for `apply_seccomp` once in the fork server, for all programs."""
    if context.isolation != "limits":
        seccomp.program(**_seccomp_options(context), sends_files=False)


def _seccomp_options(context: IsolationContext) -> dict[str, bool]:
    full = context.isolation == "full"
    # Landlock does not restrict connecting to a socket file: without a root folder of its own, a program could talk to
    # an agent or a daemon. A container made for this sandbox has none.
    return {"unix_sockets": full or context.dedicated, "own_files": full}


def apply_isolation(context: IsolationContext, folder: str, limits: Limits, network: int = -1) -> None:
    """Isolate this process permanently at the level of `context`, with `folder` as its working folder.

    network: with namespaces, the network namespace to join; -1 for a new one.
    `apply_seccomp` restricts system calls. Raises OSError if a step fails; the process must then end.
    """
    if context.isolation == "full":
        namespaces.isolate(limits.file_mb, network)
    else:
        os.chdir(folder)
    _set_resource_limits(context, limits)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.keep_capabilities(context.capabilities)
    if context.isolation == "full":
        # The root folder has nothing to hide, so only writing is restricted.
        landlock.restrict(read=["/"], write=[namespaces.writable_folder(), "/dev"])
    elif context.isolation == "landlock":
        shown = [*namespaces.system_folders(), *context.packages, context.libraries, *_READABLE_FILES]
        landlock.restrict(read=[*shown, f"/proc/{os.getpid()}"], write=[folder, *context.shared, *_DEVICES])


def apply_seccomp(context: IsolationContext, *, sends_files: bool = False) -> None:
    """Restrict the system calls of this process permanently, after `apply_isolation`.

    sends_files: whether it may send open files to other processes. A supervisor must, a program must not.
    """
    if context.isolation != "limits":
        seccomp.restrict(**_seccomp_options(context), sends_files=sends_files)


def _set_resource_limits(context: IsolationContext, limits: Limits) -> None:
    """Set resource limits of this process and its children. They can only be lowered afterwards."""
    values = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_FSIZE: limits.file_mb << 20,
        # Private writable memory of each process. The fork server limits their sum.
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
    """Count this user's threads on the machine. Without a user namespace, RLIMIT_NPROC counts them all."""
    count = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{name}").st_uid == os.geteuid():
                count += len(os.listdir(f"/proc/{name}/task"))
    return count
