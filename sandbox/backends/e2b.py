"""The "e2b" sandbox: programs run in E2B's cloud, in children of a fork server like that of the local backend.

    from storm_calm import open_sandbox

    print(open_sandbox("e2b").run("print(6 * 7)").stdout)  # With E2B_API_KEY in the environment.

Each worker has its own cloud sandbox, a small virtual machine that stays open until the sandbox is closed. E2B bills
for this time. This package is uploaded as source, missing libraries are installed, and a `LocalSandbox` is opened in
the kernel, with the same limits, solver reports and sessions as locally. The virtual machine protects the caller at
every isolation level; the level describes how programs are isolated from each other.

The network is disabled: from the start with a custom template, otherwise after the libraries are installed. The
caller's environment is not passed on, and the key is sent to E2B's API only. Requests are retried with exponential
backoff after rate limits (429), lack of capacity (502, 503) and broken streams; a lost cloud sandbox is replaced.
"""

import os
from collections.abc import Iterable

from storm_calm.sandbox.backends.e2b_cloud import KEY_HELP, E2BCloud
from storm_calm.sandbox.backends.remote import RemoteSandbox
from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.execution import Isolation, SandboxUnavailableError

LIBRARIES = (
    "cvxpy>=1.6,<2",
    "highspy>=1.16,<1.17",
    "matplotlib>=3.8,<4",
    "networkx>=3.2,<4",
    "numpy>=1.26,<3",
    "openpyxl>=3.1,<4",
    "ortools>=9.14,<10",
    "pandas>=2.2,<4",
    "pulp>=3.0,<4",
    "pyomo>=6.8,<7",
    "pyscipopt>=5.2,<7",
    "scipy>=1.13,<2",
    "statsmodels>=0.14,<1",
    "sympy>=1.12,<2",
)
"""The default libraries of programs, as requirements for pip; the same as in pyproject.toml."""

DEFAULT_WORKERS = 4
"""The default maximum of cloud sandboxes. E2B limits their number per account."""


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
        """Open the first cloud sandbox; more are opened on demand.

        workers: maximum number of cloud sandboxes, `DEFAULT_WORKERS` by default.
        template: an E2B template built from `code-interpreter-v1` that contains the libraries; it gets no network. By
            default E2B's own is used, and each cloud sandbox starts with an installation.
        api_key: E2B's key, by default the environment variable E2B_API_KEY.
        libraries: requirements for pip.
        Raises SandboxUnavailableError if E2B is unavailable or refuses the key.
        """
        key = (api_key or os.environ.get("E2B_API_KEY") or "").strip()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise SandboxUnavailableError(f"E2B needs a key without spaces or special characters: {KEY_HELP}")
        if isinstance(libraries, str):
            raise ValueError(f"libraries is {libraries!r}; give a list of requirements such as ['ortools>=9.14']")
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
