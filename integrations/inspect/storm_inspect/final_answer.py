"""The episode of a solver that is not ours: only its final answer, and the outputs in its sandbox."""

from dataclasses import replace
from functools import partial

from inspect_ai.solver import TaskState
from inspect_ai.util import OutputLimitExceededError, sandbox

from storm_calm.env import Episode, Problem, Span, Transcript, last_boxed, read_answer
from storm_calm.env.checkers import check_outputs
from storm_calm.env.problem import STANDARD_OUTPUT
from storm_calm.sandbox import Cancellation, Execution, SandboxUnavailableError
from storm_inspect.shared_sandbox import in_thread, shared_sandbox


async def answered_episode(problem: Problem, state: TaskState) -> Episode:
    """Return a finished episode. Its outputs are checked if the answer is not a status.

    Raises SandboxUnavailableError if a sandbox is missing or fails, that of the sample or that of a checker's program.
    """
    files = await _outputs(problem)
    text = state.output.completion
    execution = Execution(code="", status="ok", exit_code=0, files=files, isolation="limits", backend="inspect")
    spans = (
        Span(source="prompt", text=problem.question),
        Span(source="tool", text=""),
        Span(source="model", text=text, finish="end"),
    )
    episode = Episode(
        problem=problem, transcript=Transcript(spans=spans), executions=(execution,),
        stop="answer" if last_boxed(text) is not None else "malformed",
    )  # fmt: skip
    answer = read_answer(episode.transcript)
    if episode.stop != "answer" or not problem.outputs or (answer is not None and answer.status != "number"):
        return episode
    opened = await in_thread(shared_sandbox, Cancellation())
    check = await in_thread(partial(check_outputs, problem, episode.executions, opened), Cancellation())
    return replace(episode, output_check=check)


async def _outputs(problem: Problem) -> dict[str, bytes]:
    """Return the outputs that are in the sample's sandbox; what a program prints is in no file.

    Raises SandboxUnavailableError if there is no sandbox, as when a log is scored again.
    """
    found: dict[str, bytes] = {}
    for output in problem.outputs:
        if output.path == STANDARD_OUTPUT:
            continue
        try:
            found[output.path] = await sandbox().read_file(output.path, text=False)
        except ProcessLookupError:
            raise SandboxUnavailableError(
                f"no sandbox has {output.path}; run the task with --sandbox storm, or with storm_agent"
            ) from None
        except (OSError, OutputLimitExceededError):
            continue
    return found
