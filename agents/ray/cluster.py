"""The nodes of the connected cluster: whether they can work on a run, and how many problems they work on at once."""

import math
import secrets
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from storm_calm.agents.ray.rows import RayFolder
from storm_calm.agents.runs.worker_pool import RunStoppedError

VERSION = version("storm-calm")
CHECK_SECONDS = 120.0
"""The longest wait for a node's first answer; it imports this package."""


class RayRunError(RunStoppedError):
    """The cluster cannot run the jobs, or stopped. All rows that were written are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ActorSize:
    """The share of a node that each actor has."""

    processors: int
    """Processors that an actor reserves."""
    in_flight: int
    """Jobs that an actor works on at once."""
    actors: int
    """Actors that fit on the cluster now."""

    @classmethod
    def of(cls, nodes: list[float], workers: int) -> "ActorSize":
        """Return the size for a cluster. nodes: their processors. workers: jobs in flight on a node."""
        # Two actors on most nodes: one processor of the cluster is also needed for the actor that skips finished jobs.
        middle = max(1.0, statistics.median_low(nodes))
        processors = max(1, int(middle) // 2)
        return cls(
            processors=processors,
            in_flight=math.ceil(workers * processors / int(middle)),
            actors=sum(int(count) // processors for count in nodes),
        )


def processors() -> list[float]:
    """Return the processors of each live node that has some. Raises RayRunError if they are too few."""
    found = [node["Resources"].get("CPU", 0.0) for node in _nodes()]
    if sum(found) < 2:
        raise RayRunError(
            f"the Ray cluster has {sum(found):g} processors, and a run needs at least 2; join a node to it, or start "
            "Ray with --num-cpus 2"
        )
    return [count for count in found if count >= 1]


def check_nodes(folder: RayFolder, *, on_warning: Callable[[str], object]) -> str:
    """Check that all live nodes have the folder of the run and the same version of this package.

    Returns the content of the token, for `check_shared` on nodes that join later.
    Raises RayRunError that names the node and the fix. A node that does not answer gets a warning: it may be about to
    leave, and its tasks would run elsewhere.
    """
    token = secrets.token_hex(16)
    folder.token.write_text(token)
    nodes = _nodes()
    answers = {node["NodeID"]: _ask(node["NodeID"], str(folder.token)) for node in nodes}
    for node in nodes:
        address = node["NodeManagerAddress"]
        try:
            found = ray.get(answers[node["NodeID"]], timeout=CHECK_SECONDS)
        except GetTimeoutError:
            on_warning(f"Ray's node {address} has not answered for {CHECK_SECONDS:.0f} s; it may lack the run folder.")
            continue
        except RayError as error:
            if isinstance(error.__cause__, ModuleNotFoundError) or "ModuleNotFoundError" in str(error):
                raise RayRunError(
                    f"Ray's node {address} cannot import storm_calm; install version {VERSION} with the extra ray "
                    "in the environment of each node"
                ) from None
            on_warning(f"Ray's node {address} cannot be checked: {str(error).splitlines()[0]}")
            continue
        if found["version"] != VERSION:
            raise RayRunError(
                f"Ray's node {address} has storm-calm {found['version']}, and this machine {VERSION}; install the "
                "same version on all nodes"
            )
        if found["token"] != token:
            raise RayRunError(
                f"Ray's node {address} does not have the run folder {folder.path.parent}: --out must be on a file "
                "system that all nodes share, under the same path"
            )
    return token


def check_shared(folder: RayFolder, token: str) -> None:
    """Raise RayRunError if this node does not have the folder of the run."""
    if _read(folder.token) != token:
        raise RayRunError(
            f"node {ray.util.get_node_ip_address()} does not have the run folder {folder.path.parent}: --out must be "
            "on a file system that all nodes share, under the same path"
        )


def _nodes() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _ask(node: str, file: str) -> Any:
    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    return _look.options(scheduling_strategy=strategy).remote(file)


@ray.remote(num_cpus=0, max_retries=0)
def _look(file: str) -> dict[str, str]:
    return {"version": VERSION, "token": _read(Path(file))}


def _read(file: Path) -> str:
    try:
        # A network file system may show an old listing of the folder for some seconds, but not of a file by name.
        return file.read_text()
    except OSError:
        return ""
