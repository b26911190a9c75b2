"""Find where tool calls begin and end in model text, by the marks of public models.

    find_marks("<tool_call>{...}</tool_call>")  # an iterator of `Marked`

| Mark | Models |
|---|---|
| `<tool_call>`, `<function_call>`, `<tools>` and other tags | Qwen, Hermes, GLM, Hunyuan, Nemotron, MiniMax, Claude |
| `<function=run_python>` | Llama 3.1, Qwen3-Coder, Seed-OSS |
| `[TOOL_CALLS]`, `<\\|python_tag\\|>`, `<\\|tool_call\\|>`, others | Mistral, Llama, Granite, Phi, InternLM |
| `<｜tool▁call▁begin｜>`, `<\\|tool_call_begin\\|>` | DeepSeek, Kimi |
| `to=functions.run_python<\\|message\\|>` | gpt-oss |
| `Action: run_python` and `Action Input:` | ReAct |
| JSON that names the tool, in a fence or at the beginning of a line | Llama 3, Command-R, Gemma, xLAM |
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

TOOL = re.compile(r"python|code|exec|interpret|script|^run$|^repl$|^sandbox$|^py$", re.IGNORECASE)
"""Matches the names of tools that run a program."""

_NAMESPACE = r"(?:[|｜]DSML[|｜]|\w{1,20}:)?"
_TAGS = "(?:tool[_-]?calls?|function[_-]?calls?|tool_use|tools|tool_code|execute|python)"
_BARS = "[|｜]"
_TOKENS = {
    r"<\|python_tag\|>": r"<\|(?:eom_id|eot_id|im_end)\|>\s*",
    r"<\|python_start\|>": r"<\|python_end\|>\s*",
    r"\[TOOL_CALLS\]": r"</s>\s*",
    r"<\|tool_call\|>": r"<\|(?:/tool_call|end_of_text|end)\|>\s*",
    r"<\|START_ACTION\|>": r"<\|END_ACTION\|>\s*",
    r"<\|action_start\|>\s{0,4}<\|(?:plugin|interpreter)\|>": r"<\|action_end\|>\s*",
    rf"(?:<{_BARS}tool[_▁]calls[_▁](?:section[_▁])?begin{_BARS}>\s{{0,4}})?<{_BARS}tool[_▁]call[_▁]begin{_BARS}>": (
        rf"<{_BARS}tool[_▁]call[_▁]end{_BARS}>\s*(?:<{_BARS}tool[_▁]calls[_▁](?:section[_▁])?end{_BARS}>\s*)?"
    ),
}
_HARMONY = (
    r"(?:<\|start\|>assistant\s{0,2})?(?:<\|channel\|>\w{1,20}\s{1,4})?to=(?P<recipient>[\w.-]{1,100})"
    r"(?:\s{1,3}\w{1,20}|\s{0,3}<\|(?:constrain|channel)\|>\s{0,3}\w{1,20}){0,3}\s{0,3}<\|message\|>"
)
_REACT = r"^Action:[ \t]{0,4}(?P<action>[\w.-]{1,100})[ \t]{0,4}\n\s{0,4}Action[ _]Input:[ \t]{0,4}"
_START = re.compile(
    rf"(?P<tags>(?:<{_NAMESPACE}(?P<tag>{_TAGS})>\s*+)++)"
    r"|(?P<function><function=(?=[^>\n]{1,100}>))"
    rf"|(?P<token>{'|'.join(_TOKENS)})"
    rf"|(?P<harmony>{_HARMONY})"
    rf"|(?P<react>{_REACT})"
    r"|(?P<fence>(?:```|~~~)[ \t]?(?:json|tool_call|tool_use|tool_code)?[ \t]{0,9}\n\s{0,9}(?=[\[{]|run_python\())"
    r"|(?P<bare>^[ \t]{0,9}(?:functools)?(?=[\[{]|run_python\())",
    re.MULTILINE | re.IGNORECASE,
)
_END_OF_TOKEN = [(re.compile(start, re.IGNORECASE), re.compile(end)) for start, end in _TOKENS.items()]
_END_OF_FUNCTION = re.compile(r"</function>\s*")
_END_OF_HARMONY = re.compile(r"<\|(?:call|end|return)\|>\s*")
_END_OF_REACT = re.compile(r"^(?=Observation:)", re.MULTILINE)
_END_OF_FENCE = re.compile(r"\n[ \t]{0,9}(?:```|~~~)[ \t]{0,9}(?:[\r\n]+|\Z)")
_OPENS = r"""\s{0,9}\[?\s{0,9}\{\s{0,9}"""
_NAMED = re.compile(
    _OPENS + r"""(?:["'](?:type|id|tool_call_id|function|function_call|tool_call)["']\s{0,4}:\s{0,4}"""
    r"""(?:["'][^"'\n]{0,60}["']\s{0,4},\s{0,9}|\{\s{0,9})){0,3}"""
    r"""["'](?:name|tool|tool_name|function|action|function_name)["']\s{0,4}:\s{0,4}["'](?P<name>[\w.:-]{1,100})["']"""
    r"""\s{0,9},\s{0,9}["'](?:arguments|parameters|args|input|kwargs|params|action_input|tool_input|code|id|type)["']"""
)
_PYTHON_CALL = re.compile(r"\s{0,9}\[?\s{0,9}run_python\(")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """The beginning of a call."""

    kind: Literal["tags", "function", "token", "harmony", "react", "fence", "bare"]
    """"bare": JSON or a Python call without a mark."""
    start: int
    """Offset of the mark."""
    body: int
    """Offset of the text of the call."""
    name: str
    """The tool that the mark names; "" if it names none."""
    end: re.Pattern[str] | None
    """Matches the closing mark; None for a bare call."""


def find_marks(text: str) -> Iterator[Mark]:
    """Yield the beginnings of calls in `text`, in order. Later ones may be inside of a call."""
    for found in _START.finditer(text):
        mark = _mark(found, text)
        if mark is not None:
            yield mark


def end_of_json(text: str, start: int) -> int | None:
    """Return the offset after the JSON value that begins at `start`; None if it is broken."""
    try:
        return json.JSONDecoder(strict=False).raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None


def _mark(found: re.Match[str], text: str) -> Mark | None:
    start, body = found.span()
    if found["tags"] is not None:
        return Mark(kind="tags", start=start, body=body, name="", end=_end_of_tag(found["tag"]))
    if found["function"] is not None:
        return Mark(kind="function", start=start, body=start, name="", end=_END_OF_FUNCTION)
    if found["token"] is not None:
        end = next(end for opening, end in _END_OF_TOKEN if opening.fullmatch(found["token"]))
        return Mark(kind="token", start=start, body=body, name="", end=end)
    if found["harmony"] is not None:
        return Mark(kind="harmony", start=start, body=body, name=found["recipient"], end=_END_OF_HARMONY)
    if found["react"] is not None:
        known = TOOL.search(found["action"])
        return Mark(kind="react", start=start, body=body, name=found["action"], end=_END_OF_REACT) if known else None
    named = _NAMED.match(text, body)
    if not (TOOL.search(named["name"].rpartition(".")[2]) if named else _PYTHON_CALL.match(text, body)):
        return None
    if found["fence"] is not None:
        return Mark(kind="fence", start=start, body=body, name="", end=_END_OF_FENCE)
    return Mark(kind="bare", start=start, body=body, name="", end=None)


def _end_of_tag(tag: str) -> re.Pattern[str]:
    """Return the closing tag, with those of outer tags after it."""
    return re.compile(rf"</{_NAMESPACE}{re.escape(tag)}>\s*(?:</{_NAMESPACE}{_TAGS}>\s*)*", re.IGNORECASE)
