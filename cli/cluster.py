"""Options of commands that can run on a Ray cluster."""

from typing import Annotated, Literal

from storm_calm.agents.runs.options import OptionError
from storm_calm.agents.runs.resume import ClusterPool
from storm_calm.cli.errors import warn
from storm_calm.cli.options import option

On = Annotated[
    Literal["ray"] | None,
    option("ray", "Solve the problems on the nodes of a Ray cluster. Results do not depend on it."),
]
Address = Annotated[
    str | None,
    option("ADDRESS", "Address of the Ray cluster. Default: the one that Ray finds, or a new one on this machine."),
]


def cluster_pool(on: str | None, address: str | None) -> ClusterPool | None:
    """Return the pool that the options select; None for threads of this process.

    Raises OptionError for an address without --on, and SandboxUnavailableError if Ray is not installed.
    """
    if on is None:
        if address is not None:
            raise OptionError("address", "goes with --on ray, such as --on ray --address auto")
        return None
    # Ray takes a second to import.
    from storm_calm.agents.ray.pool import RayPool

    return RayPool(address, on_warning=warn)
