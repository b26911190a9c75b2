"""Options of the sandbox and its limits, for the commands that run programs."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Self

from storm_calm.agents.runs.options import Option, check_options
from storm_calm.sandbox import BACKENDS, Isolation, Limits, Sandbox, open_sandbox


@dataclass(frozen=True, kw_only=True)
class SandboxOptions:
    """The sandbox, and the limits of each program."""

    group: ClassVar[str] = "Sandbox and limits"

    sandbox: Annotated[str, Option(choices=BACKENDS)] = "local"
    """Backend that runs programs: this machine, Docker containers, the E2B cloud, or a Ray cluster."""
    minimum_isolation: Isolation = "landlock"
    """The weakest isolation level to accept."""
    solver_seconds: Annotated[float, Option(metavar="S", above=0)] = 10.0
    """Time limit of each program, in wall seconds."""
    memory_mb: Annotated[int, Option(metavar="MB", least=1)] = 1024
    """Memory limit of each program, in MiB."""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Return the options among the settings of a training run. Raises OptionError for invalid values."""
        options = cls(**{field.name: settings[field.name] for field in fields(cls)})
        check_options(options)
        return options

    @property
    def limits(self) -> Limits:
        return Limits(seconds=self.solver_seconds, memory_mb=self.memory_mb)

    def open_sandbox(self, *, workers: int | None = None) -> Sandbox:
        """Open the sandbox. Raises SandboxUnavailableError as `sandbox.open_sandbox` does."""
        return open_sandbox(self.sandbox, minimum_isolation=self.minimum_isolation, workers=workers, limits=self.limits)


@dataclass(frozen=True, kw_only=True)
class EpisodeOptions(SandboxOptions):
    """The sandbox options, and the limits of a trajectory."""

    group: ClassVar[str] = SandboxOptions.group

    max_executions: Annotated[int, Option(metavar="N", least=0)] = 4
    """The most programs that may run in a trajectory."""
    max_tokens: Annotated[int | None, Option(metavar="N", least=1)] = None
    """The most tokens of a trajectory, including the prompt; by default the model's context."""
