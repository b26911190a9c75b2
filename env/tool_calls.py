"""Read tool calls in model text, in the spellings of public models, and explain what is wrong with the others.

    find_call('<tool_call>\\n{"name": "run_python", "arguments": {"code": "print(1)"}}\\n</tool_call>').code

There is one tool, which runs a Python program. Its call is JSON (Qwen, Hermes, Llama, Mistral, DeepSeek), XML
(Qwen3-Coder, GLM), a Python call (Llama 4), or the program itself, bare or fenced. `tool_call_marks` finds the calls.

- **Name.** Any name with "python", "code", "exec", "interpret" or "script" in it, or "run", or none.
- **Arguments.** An object, its JSON as a string, or the program as a string; also named parameters, args or input.
- **Program.** The argument `code` or a name like it; a single string argument of another name is the program too.
- **Broken JSON** is repaired (`json_repair`) only if the program is Python, is in the call letter by letter, and only
  brackets and short values follow it. So no repair invents, joins or cuts a program.

Everything else is a malformed call. The model gets its `error`.
"""

import ast
import builtins
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import json_repair

from storm_calm.env.code_fences import FENCE, first_program
from storm_calm.env.tool_call_marks import TOOL, Mark, end_of_json, find_marks
from storm_calm.sandbox.syntax_tree import parse

TOOL_NAME = "run_python"

CALL_START, CALL_END = "<tool_call>", "</tool_call>"
"""The marks of a call in the training of Qwen and Hermes."""

EXAMPLE = '{"name": "run_python", "arguments": {"code": "print(6 * 7)"}}'

MAX_TOLERATED = 1 << 15
"""Characters of the longest call in another form than JSON or XML: repairing JSON takes about 10 microseconds each."""
MAX_DEPTH = 4
"""Objects around a program in a call."""
MAX_MARKS = 16
"""Opening marks tried, since texts may mention some."""
MAX_ENDS = 16
"""Closing marks tried as the end of one call, for programs that contain such marks."""

_CALL_KEYS = ("function", "tool_call", "function_call", "tool_calls", "call", "action")
_NAME_KEYS = ("name", "tool", "tool_name", "function_name", "recipient_name", "function", "action")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "kwargs", "params", "action_input", "tool_input")
_CODE_KEYS = ("code", "program", "script", "source", "python", "python_code", "source_code", "py", "input", "snippet")

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_FUNCTION = re.compile(r"\s*<(?:function|invoke)(?:=|\s+name=)[\"']?([^>\"'\n]{1,100})[\"']?>")
_PARAMETER = re.compile(
    r"<parameter(?:=|\s+name=)[\"']?([^>\"'\n]{1,100})[\"']?(?:\s[^>\n]{0,100})?>|<arg_key>([^<\n]{1,100})</arg_key>\s*<arg_value>"
)
_OPEN_FUNCTION = re.compile(r"\n?</(?:function|invoke)>\s{0,9}\Z")
_PARAMETER_END = re.compile(r"</parameter>|</arg_value>")
_BARE_NAME = re.compile(
    r"\s*(?:function<[|｜]tool[_▁]sep[|｜]>)?([\w.-]{1,100})(?::\d{1,6})?\s*(?:\[CALL_ID\]\w{1,64})?"
    r"(?:\[ARGS\]\s*|<[|｜]tool[_▁]sep[|｜]>\s*|<\|tool_call_argument_begin\|>\s*)?(?=\{|```|<(?:arg_key|parameter))"
)
_PYTHON_LIST = re.compile(r"\[\s{0,9}run_python\(")
_FINAL_MARKS = re.compile(r"(?:\s{0,9}<\|\w{1,20}\|>){1,4}\s{0,9}\Z")
_DSML = re.compile(r"(</?)[|｜]DSML[|｜]")
_JSON_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+("?)', re.DOTALL)
_AFTER_CODE = re.compile(
    r"\s*+[\"']?(?:[\s}\]);`]|,(?=\s*[}\]])"
    r"|,\s*[\"']?\w{1,40}[\"']?\s*:\s*(?:\"[^\"\\]{0,200}\"|'[^'\\]{0,200}'|[-+.\w]{1,40}))*+",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A tool call in a text."""

    start: int
    """Offset of its opening mark."""
    end: int
    """Offset after its closing mark and white space."""
    code: str | None = None
    """The program; None for a malformed call."""
    error: str = ""
    """What is wrong with a malformed call, in one line for the model."""


class MalformedCallError(ValueError):
    """A call without a readable program; the message is for the model."""


def find_call(text: str, *, ended: bool = False) -> Call | None:
    """Return the first complete call in `text`, None without one.

    ended: no text follows. Then a call without its closing mark is complete if it begins as a call does.
    """
    for mark in islice(find_marks(text), MAX_MARKS):
        if mark.end is None:
            if ended and (call := _bare_call(text, mark)):
                return call
            continue
        ends = list(islice(mark.end.finditer(text, mark.body + (mark.kind == "function")), MAX_ENDS))
        end = next((one for one in ends if not _is_open(text[mark.body : one.start()])), None)
        if end is None and ended:
            end = next(iter(ends), None)
        rest = text[mark.body : mark.body + MAX_TOLERATED]
        likely = (
            mark.kind not in ("tags", "token") or text.startswith("<|python_", mark.start) or _looks_like_call(rest)
        )
        if end is not None:
            if likely or "</think>" not in text[mark.body : end.start()]:
                return _call(text[mark.body : end.start()], mark, end=end.end())
        elif likely:
            return _call(text[mark.body :], mark, end=len(text)) if ended else None
        elif not ended:
            return None
    return None


def read_call(body: str) -> str:
    """Return the program in the body of a call. Raises MalformedCallError."""
    if not body.strip():
        raise MalformedCallError(explain("the call is empty"))
    program = first_program(body.lstrip(), ended=True)
    if program is not None and program.start == 0 and program.code is not None:
        return program.code
    body = _unfenced(_DSML.sub(r"\1", body))
    if not _is_json(body):
        if function := _FUNCTION.match(body):
            name, rest = function[1].strip(), body[function.end() :]
            if parameters := _parameters(rest):
                return _program_of(name, parameters)
            return read_arguments(name, rest.rpartition("</function>")[0] or rest)
        if parameters := _parameters(body):
            return _program_of(body.partition("<")[0].strip(), parameters)  # GLM writes the name before them.
        if bare := _BARE_NAME.match(body):
            return read_arguments(bare[1], body[bare.end() :])
    if (code := _python_call(body)) is not None:
        return code
    data, raw, fault = _data(body)
    if fault:
        if not body.lstrip().startswith("{") and (code := _source(body)) is not None:
            return code
        raise MalformedCallError(explain(fault))
    return _program_in(data, raw, depth=0)


def read_arguments(name: str, arguments: str) -> str:
    """Return the program in the arguments of a call, as endpoints send them. Raises MalformedCallError."""
    _check_name(name)
    return _program_of(name, arguments)


def explain(fault: str) -> str:
    """Return the error message for the model: what is wrong, and an example."""
    return f"CallError: {fault}. Nothing ran. Write the call like this: {EXAMPLE}"


def _program_in(data: Any, raw: str | None, *, depth: int) -> str:
    """Return the program in a call's JSON. raw: the text if the JSON was repaired. Raises MalformedCallError."""
    if isinstance(data, list) and data:
        data = data[0]  # One program at a time: the next may depend on this one's output.
    if isinstance(data, str) and depth < MAX_DEPTH:
        return _program_of("", data)
    if not isinstance(data, dict):
        raise MalformedCallError(
            explain(f"the call must be a JSON object with a name and arguments, not {_kind(data)}")
        )
    for key in _CALL_KEYS:
        if isinstance(data.get(key), dict | list) and depth < MAX_DEPTH:
            return _program_in(data[key], raw, depth=depth + 1)
    name = next((data[key] for key in _NAME_KEYS if isinstance(data.get(key), str)), "")
    if not name and len(data) == 1 and TOOL.search(next(iter(data))) and isinstance(next(iter(data.values())), dict):
        name = next(iter(data))
        return _program_of(name, data[name], raw)
    _check_name(name)
    for key in _ARGUMENT_KEYS:
        if key in data:
            return _program_of(name, data[key], raw)
    return _program_of(name, {key: value for key, value in data.items() if key in _CODE_KEYS}, raw)


def _program_of(name: str, arguments: Any, raw: str | None = None) -> str:
    """Return the program in a call's arguments. Raises MalformedCallError."""
    _check_name(name)
    if isinstance(arguments, str):
        arguments = _unfenced(arguments)
        if not arguments.strip():
            raise MalformedCallError(explain("the arguments are empty"))
        data, repaired, fault = _data(arguments)
        if fault or not isinstance(data, dict | list | str):
            if (code := _source(arguments)) is not None:
                return _checked(code, raw)
            raise MalformedCallError(explain(fault or f"the arguments are {_kind(data)}"))
        arguments, raw = data, raw if raw is not None else repaired
        if isinstance(arguments, str):
            if not arguments.strip():
                raise MalformedCallError(explain("the arguments have no program"))
            return _checked(arguments, raw)
    if isinstance(arguments, list):
        if arguments and all(isinstance(line, str) for line in arguments):
            return _checked("\n".join(arguments), raw)
        raise MalformedCallError(explain('the arguments are a list; give an object with "code"'))
    if not isinstance(arguments, dict):
        raise MalformedCallError(explain(f"the arguments are {_kind(arguments)}"))
    key = next((key for key in _CODE_KEYS if key in arguments), None)
    if key is None and len(arguments) == 1 and isinstance(next(iter(arguments.values())), str):
        key = next(iter(arguments))
    if key is None:
        names = ", ".join(json.dumps(str(name)[:40]) for name in list(arguments)[:5])
        found = f"they have {names}" if arguments else "there are none"
        raise MalformedCallError(explain(f'the arguments need "code", the program as a string; {found}'))
    code = arguments[key]
    if isinstance(code, list) and code and all(isinstance(line, str) for line in code):
        code = "\n".join(code)
    if not isinstance(code, str):
        raise MalformedCallError(explain(f"{json.dumps(key)} is {_kind(code)}; give the program as a string"))
    return _checked(_unfenced(code), raw)


def _check_name(name: str) -> None:
    if name and not TOOL.search(name.rpartition(".")[2]):
        raise MalformedCallError(explain(f"there is no tool {json.dumps(name[:60])}, only {TOOL_NAME}"))


def _checked(code: str, raw: str | None) -> str:
    """Return the program of a call. raw: the text of repaired JSON. Raises MalformedCallError for a doubtful repair."""
    if raw is not None and not _is_written(code, raw):
        raise MalformedCallError(
            explain('its JSON is broken; escape quotes as \\" and line breaks as \\n inside strings')
        )
    return code


def _is_written(code: str, raw: str) -> bool:
    """Return whether a repaired program is Python, is in the call letter by letter, and ends the call's text."""
    code = code.strip()
    if not code or parse(code) is None:
        return False
    for text in (raw, _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), raw)):
        place = text.rfind(code)
        if place >= 0 and _AFTER_CODE.fullmatch(text.replace("\\n", "  "), place + len(code)):
            return True
    return False


def _data(text: str) -> tuple[Any, str | None, str]:
    """Return the data of JSON, the text if it had to be repaired, and the fault if it could not be."""
    text = text.strip()
    data, fault = _attempt(_json, text)
    if not fault:
        return data, None, ""
    if len(text) <= MAX_TOLERATED:
        data, failed = _attempt(ast.literal_eval, text)
        if not failed:
            return data, None, ""
        data, failed = _attempt(json_repair.loads, text) if _is_json(text) else (None, fault)
        if not failed and isinstance(data, dict | list) and data:
            return data, text, ""
    return None, None, f"its JSON is broken ({fault})"


def _json(text: str) -> Any:
    """Parse the first JSON value. Brackets may follow, since models write one too many, and marks and further calls."""
    data, end = json.JSONDecoder(strict=False).raw_decode(text)
    if text[end:].lstrip("} ]\n\r\t,")[:1] not in ("", "{", "<"):
        raise ValueError(f"text after the JSON: {text[end : end + 40]!r}")
    return data


def _attempt(loads: Callable[[str], Any], text: str) -> tuple[Any, str]:
    """Return the data, and the fault or ""."""
    try:
        return loads(text), ""
    except json.JSONDecodeError as error:
        return None, f"{error.msg}, line {error.lineno} column {error.colno}"
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, SystemError) as error:
        return None, f"{error}"[:200].replace("\n", " ")


def _call(body: str, mark: Mark, *, end: int) -> Call:
    try:
        code = read_arguments(mark.name, body) if mark.name else read_call(body)
        return Call(start=mark.start, end=end, code=code)
    except MalformedCallError as error:
        return Call(start=mark.start, end=end, error=str(error))


def _bare_call(text: str, mark: Mark) -> Call | None:
    """Return the call without closing marks at the end of a turn. A Python call must be the rest of the text."""
    end = end_of_json(text, mark.body) or len(text)
    if text.startswith(("{", "["), mark.body) and not _PYTHON_LIST.match(text, mark.body):
        return _call(text[mark.body : end], mark, end=end)
    code = _python_call(_FINAL_MARKS.sub("", text[mark.body :]))
    return None if code is None else Call(start=mark.start, end=len(text), code=code)


def _parameters(text: str) -> dict[str, str]:
    """Return the parameters of an XML call. A value loses the line breaks around it, as Qwen3-Coder writes them."""
    found = list(_PARAMETER.finditer(text))
    if not found:
        return {}
    values: dict[str, str] = {}
    for one, after in zip(found, [*(later.start() for later in found[1:]), len(text)], strict=True):
        value = text[one.end() : after]
        ends = list(_PARAMETER_END.finditer(value))
        value = value[: ends[-1].start()] if ends else _OPEN_FUNCTION.sub("", value)
        values[(one[1] or one[2]).strip()] = value.removeprefix("\n").removesuffix("\n")
    return values


def _python_call(text: str) -> str | None:
    """Return the program in a Python call of the tool, as `[run_python(code="print(1)")]`."""
    tree = parse(text.strip()) if len(text) <= MAX_TOLERATED else None
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    call = tree.body[0].value
    if isinstance(call, ast.List) and call.elts:
        call = call.elts[0]
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or hasattr(builtins, call.func.id):
        return None
    values = [*(keyword.value for keyword in call.keywords if keyword.arg in _CODE_KEYS), *call.args]
    if not TOOL.search(call.func.id) or not values or not isinstance(values[0], ast.Constant):
        return None
    return values[0].value if isinstance(values[0].value, str) else None


def _source(text: str) -> str | None:
    """Return `text` if it is a Python program that does something, else None."""
    tree = parse(text) if len(text) <= MAX_TOLERATED else None
    acts = (ast.Call, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Import, ast.ImportFrom, ast.FunctionDef)
    return text if tree is not None and any(isinstance(node, acts) for node in ast.walk(tree)) else None


def _unfenced(text: str) -> str:
    """Return `text` without a fence around it."""
    bare = text.strip()
    first, _, rest = bare.partition("\n")
    if not first.startswith(("```", "~~~")) or not rest:
        return text
    before, _, last = rest.rpartition("\n")
    return before if len(last.strip()) >= len(FENCE) and not last.strip(" `~\t") else rest


def _is_open(body: str) -> bool:
    """Return whether `body` ends inside a JSON string or an XML function, so that a mark there ends no call."""
    if not _is_json(body):
        closed = _PARAMETER_END.search(body) or _OPEN_FUNCTION.search(body)
        return bool(_FUNCTION.match(body) and _PARAMETER.search(body) and not closed)
    last = None
    for last in _JSON_STRINGS.finditer(body):  # noqa: B007
        pass
    return last is not None and not last[1]


def _is_json(body: str) -> bool:
    return body.lstrip()[:1] in ("{", "[")


def _looks_like_call(rest: str) -> bool:
    return rest.lstrip()[:1] in ("{", "[", "<", "`") or bool(_BARE_NAME.match(rest))


def _kind(data: Any) -> str:
    """Return the kind of a JSON value, in words."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(data), "a number" if isinstance(data, int | float) else "no JSON value")
