"""Render messages as one raw prompt, in ChatML or in a model's own chat template.

    render([{"role": "user", "content": "2 + 2?"}])
    # "<|im_start|>user\\n2 + 2?<|im_end|>\\n<|im_start|>assistant\\n<think>\\n"

ChatML is the template of Qwen's and nano models. Other templates are Jinja programs in the model's folder
(`PromptFormat.template`), rendered as the package transformers does, except that templates see a fixed date: prompts
with the day's date would differ between training and serving. With "open" thinking the prompt ends in an opened
`<think>`, so any text after it, hints included, is part of the model's own thought. A server's chat endpoint would
silently corrupt such a half-finished turn.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from storm_calm.env.prompt_format import CHATML, PromptFormat
from storm_calm.env.reasoner import Message
from storm_calm.env.special_tokens import harmless

TURN_END = "<|im_end|>"
THOUGHT = "<think>"
TODAY = datetime(2024, 7, 26)
"""The date in all prompts: the one that Llama's templates use without a clock."""
_SHOWN = re.compile("(</?think>|</?tool_call>|</?tool_response>|</?tools>)")
"""Marks that a system message may show."""
_PROBE: tuple[Message, ...] = ({"role": "user", "content": "2 + 2?"},)


def render(messages: Sequence[Message], names: Iterable[str] = (), fmt: PromptFormat = CHATML) -> str:
    """Return the raw prompt, up to the first token of the model.

    Earlier thoughts are removed from assistant messages, as in the template of Qwen3-4B-Thinking-2507. Names of special
    tokens in user and assistant messages are broken up by a space: the common ones, and `names`, those of the model's
    tokenizer. System messages are our own: they keep the marks of thoughts and tool calls, which they may explain. A
    template without a system role gets the system message at the beginning of the first user message.

    Raises ValueError for an unknown role, if the last message is not the user's, and if the template fails.
    """
    if not messages or messages[-1]["role"] != "user":
        raise ValueError("the last message must be the user's, so that the model answers it")
    names = (*names, *filter(None, (fmt.bos_token, fmt.eos_token)))
    cleaned = [_clean(message, names) for message in messages]
    prompt = _chatml(cleaned) if fmt.template is None else _from_template(cleaned, fmt)
    opened = opens_thought(prompt)
    if fmt.thinking == "open":
        return prompt if opened else f"{prompt}{THOUGHT}\n"
    return prompt.rstrip().removesuffix(THOUGHT) if opened else prompt


def opens_thought(prompt: str) -> bool:
    """Return whether a prompt ends in an opened `<think>`."""
    return prompt.rstrip().endswith(THOUGHT)


def template_thinking(template: str, *, bos_token: str = "", eos_token: str = "") -> Literal["open", "none"]:
    """Return the thinking format of a chat template.

    "open" if it opens `<think>` itself, or if it can switch thinking off, as the templates of hybrid models do.
    Raises ValueError if the template fails.
    """

    def rendered(thinking: Literal["open", "none"]) -> str:
        fmt = PromptFormat(template=template, thinking=thinking, bos_token=bos_token, eos_token=eos_token)
        return _from_template(_PROBE, fmt)

    thinks = rendered("open")
    switches = _ends_thought(rendered("none")) and not _ends_thought(thinks)
    return "open" if opens_thought(thinks) or switches else "none"


def check_same_prompts(one: PromptFormat, place: str, other: PromptFormat, other_place: str) -> None:
    """Raise ValueError with the difference unless two formats give the same prompts.

    place, other_place: where they are from, for the message. Templates are compared by what they render.
    """
    for field in ("protocol", "thinking", "system_prompt"):
        values = getattr(one, field), getattr(other, field)
        if values[0] != values[1]:
            raise ValueError(
                f"{place} and {other_place} have different prompt formats: {field.replace('_', ' ')} "
                f"{_short(values[0])} and {_short(values[1])}. A model must meet the prompts it was trained with"
            )
    asked: Message = {"role": "user", "content": "2 + 2?"}
    guided: list[Message] = [{"role": "system", "content": "Solve it."}, asked]
    later: list[Message] = [asked, {"role": "assistant", "content": "4"}, {"role": "user", "content": "Why?"}]
    for messages in ([asked], guided, later):
        texts = render(messages, (), one), render(messages, (), other)
        if texts[0] != texts[1]:
            raise ValueError(
                f"{place} and {other_place} have different chat templates: a prompt is {_short(texts[0])} and "
                f"{_short(texts[1])}. A model must meet the prompts it was trained with"
            )


def _clean(message: Message, names: tuple[str, ...]) -> Message:
    role, content = message["role"], message["content"]
    if role not in ("system", "user", "assistant"):
        raise ValueError(f'role {role!r} is not one of "system", "user", "assistant"')
    if role == "assistant":
        content = content.rpartition("</think>")[2].lstrip("\n")
    if role == "system":
        parts = _SHOWN.split(content)  # Every second part is a mark.
        content = "".join(part if at % 2 else harmless(part, names) for at, part in enumerate(parts))
    else:
        content = harmless(content, names)
    return {"role": role, "content": content}


def _chatml(messages: Sequence[Message]) -> str:
    turns = [f"<|im_start|>{message['role']}\n{message['content']}{TURN_END}\n" for message in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


def _from_template(messages: Sequence[Message], fmt: PromptFormat) -> str:
    """Render a Jinja template. Raises ValueError if it fails."""
    from jinja2 import TemplateError

    assert fmt.template is not None
    variables = {
        "add_generation_prompt": True,
        "bos_token": fmt.bos_token,
        "eos_token": fmt.eos_token,
        "tools": None,
        "documents": None,
        # The names of the switch in the templates of Qwen, GLM and SmolLM3, and of DeepSeek and Granite.
        "enable_thinking": fmt.thinking == "open",
        "thinking": fmt.thinking == "open",
    }
    try:
        compiled = _compiled(fmt.template)
        try:
            prompt: str = compiled.render(messages=messages, **variables)
        except TemplateError:
            if messages[0]["role"] != "system":
                raise
            prompt = ""
        if messages[0]["role"] == "system" and messages[0]["content"].strip() not in prompt:
            prompt = compiled.render(messages=_without_system(messages), **variables)
        return prompt
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        raise ValueError(f"the chat template fails: {_short(str(error) or type(error).__name__)}") from error


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with the system message at the beginning of the first user message."""
    system, *rest = messages
    first = next((place for place, message in enumerate(rest) if message["role"] == "user"), 0)
    joined: Message = {"role": "user", "content": f"{system['content']}\n\n{rest[first]['content']}"}
    return [*rest[:first], joined, *rest[first + 1 :]]


@lru_cache(maxsize=16)
def _compiled(template: str) -> Any:
    """Return the compiled template, in the environment that templates of public models expect."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """The tag `generation`, which marks the model's text for training; here only its content counts."""

        tags: set[str] = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = TODAY.strftime
    return environment.from_string(template)


def _ends_thought(prompt: str) -> bool:
    return prompt.rstrip().endswith("</think>")


def _short(text: str) -> str:
    if not text:
        return "none"
    return repr(text if len(text) <= 120 else f"{text[:80]} ... {text[-30:]}")
