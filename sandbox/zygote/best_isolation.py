"""Find the best isolation level that this machine allows.

Each level is tried in throwaway processes, because settings in /proc do not show reliably what is allowed.
"""

import errno
import os
import resource
from collections.abc import Iterable

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.execution import ISOLATION_LEVELS, Isolation
from storm_calm.sandbox.zygote import kernel, landlock, namespaces
from storm_calm.sandbox.zygote.isolation_levels import IsolationContext, apply_isolation, apply_seccomp, enter
from storm_calm.sandbox.zygote.throwaway_child import capabilities_as_nobody, run_in_child

_ADVICE = {
    "full": (
        "namespaces are refused ({error}); allow them with `sysctl kernel.apparmor_restrict_unprivileged_userns=0` or "
        "`sysctl user.max_user_namespaces=10000`, in a container with `--security-opt seccomp=unconfined "
        "--security-opt systempaths=unconfined`"
    ),
    "landlock": (
        "Landlock or seccomp is refused ({error}); they need Linux 5.13 or later on x86_64 or aarch64, booted with "
        "`landlock` in the `lsm=` list"
    ),
    "limits": "resource limits can't be set ({error})",
}


def _weaknesses(isolation: Isolation, *, dedicated: bool = False) -> list[str]:
    """Describe what an isolation level leaves open."""
    if isolation == "full":
        return []
    found = []
    if not dedicated:
        found.append("programs share the machine's processes and their count")
        found.append("the scratch folder's total size has no limit")
    if isolation == "landlock":
        if not dedicated:
            found.append("no private /dev/shm: the locks and pools of multiprocessing fail")
        if landlock.version() < landlock.SCOPES_SIGNALS:
            found.append(
                f"Landlock version {landlock.version()} does not stop signals to other processes of the same user; "
                "Linux 6.12 or later does"
            )
    else:
        found.append("programs can read and write what their user can, signal its processes, and use the network")
    if os.geteuid() == 0:
        needed = capabilities_as_nobody()
        if needed is None:
            found.append("programs run as root: this process may not become another user (CAP_SETUID, CAP_SETGID)")
        elif needed and isolation == "limits":
            found.append("programs can read every file: the interpreter is where only root can; install it elsewhere")
    return found


def best_isolation(
    highest: Isolation, scratch: str, *, dedicated: bool = False, libraries: Iterable[str] = ()
) -> tuple[Isolation | None, tuple[str, ...]]:
    """Return the best isolation level, at most `highest`, that this machine allows, or None, and what it lacks.

    scratch, dedicated, libraries: as in `enter`.
    """
    missing: list[str] = []
    if highest != ISOLATION_LEVELS[0]:
        missing.append(f"the caller asked for no more than isolation level {highest!r}")
    for isolation in ISOLATION_LEVELS[ISOLATION_LEVELS.index(highest) :]:
        error = _rehearse(isolation, scratch, dedicated, libraries)
        if error is None:
            return isolation, (*missing, *_weaknesses(isolation, dedicated=dedicated))
        if error.errno == errno.EAGAIN:
            most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
            return None, (f"no process can be started: this user may have {most}; raise that with `ulimit -u`",)
        missing.append(_ADVICE[isolation].format(error=error.strerror or error))
    return None, tuple(missing)


def _rehearse(isolation: Isolation, scratch: str, dedicated: bool, libraries: Iterable[str]) -> OSError | None:
    """Take all steps up to a program of `isolation` in throwaway processes. Return the error, or None."""

    def start() -> None:
        context = enter(isolation, scratch, dedicated=dedicated, libraries=libraries)
        run_in_child(lambda: serve(context))

    def serve(context: IsolationContext) -> None:
        if isolation == "full":
            namespaces.mount_proc()
            kernel.unshare(kernel.CLONE_NEWPID)
        run_in_child(lambda: run(context))

    def run(context: IsolationContext) -> None:
        apply_isolation(context, context.scratch, Limits())
        apply_seccomp(context)

    try:
        run_in_child(start)
    except OSError as error:
        return error
    return None
