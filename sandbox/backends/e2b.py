"""The "e2b" sandbox: programs run in E2B's cloud, in children of the same fork server as everywhere.

    from storm_calm import open_sandbox

    print(open_sandbox("e2b").run("print(6 * 7)").stdout)  # With E2B_API_KEY in the environment.

Each worker has a cloud sandbox of its own, kept warm for as long as it is open. This package is sent there as code,
libraries that its template lacks are installed, and a `LocalSandbox` is opened in its kernel; so isolation levels,
limits, solver reports and sessions are the ones of the "local" backend. A cloud sandbox is a small virtual machine: it
stands between programs and you whatever the isolation level is, and the isolation level says how well programs are kept
apart from each other. E2B bills for the time that a sandbox is open, used or not.

The network is cut: with a template of your own from the start, else as soon as the libraries are installed. Nothing of
the caller's environment goes there, and the key only to E2B's API.

What fails on the way is retried, with `e2b_api.MAX_ATTEMPTS` attempts in all and exponential backoff: refusals for
being too many (429) or for want of room (502, 503), broken and garbled streams. One that is gone is replaced.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from storm_calm.sandbox.backends.e2b_cloud import KEY_HELP, E2BCloud
from storm_calm.sandbox.backends.remote import RemoteSandbox
from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.execution import Isolation, SandboxUnavailableError

LIBRARIES = (
    "cvxpy>=1.6",
    # As on the machine at home: later ones can't live in one process with ortools.
    "highspy==1.14.0",
    "matplotlib>=3.8",
    "networkx>=3.2",
    "numpy>=1.26",
    "openpyxl>=3.1",
    "ortools>=9.14,<10",
    "pandas>=2.2",
    "pulp>=3.0,<4",
    "pyomo>=6.8",
    "pyscipopt>=5.2",
    "scipy>=1.13",
    "statsmodels>=0.14",
    "sympy>=1.12",
)
"""What programs can import unless told otherwise, as pip takes it."""

DEFAULT_WORKERS = 4
"""How many cloud sandboxes there are at most, unless told. E2B refuses more than an account may have."""


class E2BSandbox(RemoteSandbox):
    """Programs in E2B's cloud. Made by `open_sandbox`."""

    def __init__(
        self,
        *,
        minimum_isolation: Isolation,
        isolation: Isolation,
        workers: int | None,
        limits: Limits,
        template: str | None = None,
        api_key: str | None = None,
        libraries: Iterable[str] = LIBRARIES,
    ) -> None:
        """Open the first cloud sandbox; more are opened as they are needed.

        workers: how many at most, `DEFAULT_WORKERS` unless told.
        template: the name of an E2B template of your own, made from `code-interpreter-v1`, that holds the libraries.
            It gets no network. Unless given, E2B's own is used, and each cloud sandbox begins with an installation.
        api_key: E2B's key; unless given, the environment variable E2B_API_KEY.
        libraries: what must be there, as pip takes it.
        Raises SandboxUnavailableError where E2B can't be had, with the reason and the way out.
        """
        key = (api_key or os.environ.get("E2B_API_KEY") or "").strip()
        if not key:
            raise SandboxUnavailableError(f"E2B needs a key: {KEY_HELP}")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise SandboxUnavailableError(f"E2B's key has characters in it that no key has: {KEY_HELP}")
        if isinstance(libraries, str):
            raise ValueError(f"libraries is {libraries!r}; give a list of what pip takes, such as ['ortools>=9.14']")
        settings = {
            "minimum_isolation": minimum_isolation,
            "isolation": isolation,
            "limits": limits.to_dict(),
            "libraries": list(libraries),
            "internet": template is None,
        }
        self.cloud = E2BCloud(key, template, settings)
        try:
            super().__init__(
                backend="e2b",
                open_worker=self.cloud.open,
                workers=DEFAULT_WORKERS if workers is None else workers,
                minimum_isolation=minimum_isolation,
                limits=limits,
            )
        except BaseException:
            self.cloud.close()
            raise

    def close(self) -> None:
        super().close()
        self.cloud.close()
