"""The error of a program, and the solver libraries that the program uses."""

import linecache
from dataclasses import dataclass
from types import BuiltinFunctionType, FrameType, FunctionType, ModuleType
from typing import Any, Self

SOLVER_LIBRARIES = ("coptpy", "cvxpy", "gurobipy", "highspy", "ortools", "pulp", "pyomo", "pyscipopt", "scipy")
"""Import names of the solver libraries."""

_MAX_FRAMES, _MAX_NAMES, _MAX_MESSAGE = 60, 400, 4000


@dataclass(frozen=True, slots=True)
class Failure:
    """An uncaught error."""

    error: BaseException
    message: str
    """The error's text, bounded in length."""
    frames: tuple[FrameType, ...]
    """Frames from the program to the place of the error; at most the last 60."""
    modules: frozenset[str]
    """Names of the modules of solver libraries that the program has imported, or whose objects it holds."""
    line: str
    """The program's line that led to the error; "" if unknown."""
    minimizes: bool
    """Whether the program has words for a minimum and none for a maximum."""

    @classmethod
    def of(cls, error: BaseException) -> Self:
        frames: list[FrameType] = []
        line = source = ""
        trace = error.__traceback__
        while trace is not None:
            frames.append(trace.tb_frame)
            if _is_program(trace.tb_frame):
                line = linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
                source = "".join(linecache.getlines(trace.tb_frame.f_code.co_filename)).lower()
            trace = trace.tb_next
        frames = frames[-_MAX_FRAMES:]
        minimizes = "minimi" in source and "maximi" not in source
        return cls(error, str(error)[:_MAX_MESSAGE], tuple(frames), frozenset(_modules(frames)), line, minimizes)

    @property
    def libraries(self) -> frozenset[str]:
        """Import names of the solver libraries that the program uses."""
        return frozenset(name.partition(".")[0] for name in self.modules)

    def uses(self, name: str) -> bool:
        """Return whether the program uses a module that is `name` or inside it."""
        return any(f"{module}.".startswith(f"{name}.") for module in self.modules)

    def program_values(self) -> dict[str, Any]:
        """Return the values of the program's own variables, by name."""
        values: dict[str, Any] = {}
        for frame in filter(_is_program, self.frames):
            for space in (frame.f_globals, frame.f_locals):
                values.update(list(space.items())[:_MAX_NAMES])
        return values


def library_of(module: str) -> str | None:
    """Return the solver library that contains a module, or None."""
    top = module.partition(".")[0]
    return top if top in SOLVER_LIBRARIES else None


def _is_program(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == "__main__"


def _modules(frames: list[FrameType]) -> set[str]:
    found = set()
    for frame in frames:
        names = [frame.f_globals.get("__name__")]
        if _is_program(frame):
            values = [*list(frame.f_globals.values())[:_MAX_NAMES], *list(frame.f_locals.values())[:_MAX_NAMES]]
            names += map(_module_of, values)
        found |= {name for name in names if isinstance(name, str) and library_of(name)}
    return found


def _module_of(value: object) -> object:
    if isinstance(value, ModuleType):
        return value.__name__
    named = isinstance(value, (type, FunctionType, BuiltinFunctionType))
    return getattr(value if named else type(value), "__module__", None)
