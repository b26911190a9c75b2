"""The solver: the model writes, STORM's environment runs its programs and answers, until the episode ends."""

from collections.abc import Sequence
from time import perf_counter

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    GenerateConfig,
    ModelOutput,
    get_model,
)
from inspect_ai.solver import Generate, Solver, TaskState, solver

from storm_calm.agents.reasoners import chat_messages
from storm_calm.env import ContextLengthError, Inline, Message, SolverEnv, StepResult
from storm_calm.env.code_fences import OUTPUT_BLOCK
from storm_calm.env.reasoner import Encoding
from storm_calm.env.system_prompt import CHAT_PROMPT
from storm_calm.sandbox import Cancellation
from storm_inspect.episode_store import save
from storm_inspect.model_text import TOOL, to_generation
from storm_inspect.samples import problem_of
from storm_inspect.shared_sandbox import in_thread, shared_sandbox

ONE_CALL = "Not run: one program at a time. Call again if it is still needed."
"""The answer to all calls of a message but the first."""


class ChatRenderer:
    """Renders the prompt of a chat model, whose tokenizer is unknown."""

    instructions = CHAT_PROMPT
    context = None
    hint_marks = chat_messages.HINT_MARKS

    def render(self, messages: Sequence[Message]) -> str:
        return chat_messages.render(messages)

    def encode(self, text: str) -> Encoding | None:
        """Return None: texts have no token ids."""
        return None

    encode_marked = encode


@solver
def storm_agent(max_executions: int = 4, max_tokens: int = 32_768) -> Solver:
    """An agent with one tool, `run_python`, which runs on STORM's sandbox.

    Args:
        max_executions: Programs that may run.
        max_tokens: Tokens of the whole transcript, by an estimate.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        cancellation = Cancellation()
        sandbox = await in_thread(shared_sandbox, cancellation)
        env = SolverEnv(
            sandbox, ChatRenderer(), protocol=Inline(), max_executions=max_executions, max_tokens=max_tokens,
            cancellation=cancellation,
        )  # fmt: skip
        env.reset(problem_of(state.metadata))
        state.messages = [ChatMessageSystem(content=CHAT_PROMPT), *state.messages]
        save(state, env.episode)
        fault = ""
        while env.episode.stop is None:
            started = perf_counter()
            state.output = await get_model().generate(
                state.messages, tools=[TOOL], config=GenerateConfig(parallel_tool_calls=False)
            )
            message = state.output.message
            state.messages.append(message)
            if not _write(env, state.output, perf_counter() - started):
                break
            result = await in_thread(env.act, cancellation)
            state.messages += _replies(message, result)
            if result.stop == "infrastructure":
                fault = result.observation
            save(state, env.episode, fault)
        save(state, env.episode, fault)
        env.close()
        return state

    return solve


def _write(env: SolverEnv, output: ModelOutput, seconds: float) -> bool:
    """Append the model's message to the episode; return False if it does not fit the model's context."""
    transcript = env.episode.transcript
    turn = chat_messages.split(chat_messages.read(transcript.text)[1])[1]
    try:
        env.write(to_generation(output, stop=env.protocol.stop, turn=turn), seconds=seconds)
    except ContextLengthError:
        env.overflow(seconds=seconds)
        return False
    return True


def _replies(message: ChatMessageAssistant, result: StepResult) -> list[ChatMessage]:
    """Return the messages that answer the model's message; none if it ended the episode."""
    if result.kind == "continue":
        return [ChatMessageUser(content=chat_messages.CONTINUE_REQUEST)]
    if result.execution is None:
        return []
    block = OUTPUT_BLOCK.search(result.observation)
    shown = block[1] if block else result.observation
    if not message.tool_calls:
        # The program was a block in the text.
        return [ChatMessageUser(content=f"The output of your program:\n\n{shown}")]
    first, *others = message.tool_calls
    return [
        ChatMessageTool(content=shown, tool_call_id=first.id, function=first.function),
        *(ChatMessageTool(content=ONE_CALL, tool_call_id=call.id, function=call.function) for call in others),
    ]
