"""Tool calls are read in the spellings of public models; what cannot be read is explained to the model."""

import contextlib
import json
import time

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from storm_calm.env.protocol import PROTOCOLS, ToolCall
from storm_calm.env.tool_calls import EXAMPLE, MalformedCallError, find_call, read_arguments, read_call
from storm_calm.sandbox.syntax_tree import parse

CODE = 'print("hi")\nx = 1'


def tagged(body):
    return f"<tool_call>\n{body}\n</tool_call>"


SPELLINGS = {
    "Hermes": lambda code: tagged(json.dumps({"name": "run_python", "arguments": {"code": code}})),
    "arguments as JSON text": lambda code: tagged(
        json.dumps({"name": "run_python", "arguments": json.dumps({"code": code})})
    ),
    "parameters": lambda code: tagged(json.dumps({"name": "run_python", "parameters": {"code": code}})),
    "OpenAI's wrapper": lambda code: tagged(
        json.dumps({"type": "function", "function": {"name": "run_python", "arguments": json.dumps({"code": code})}})
    ),
    "function as the name": lambda code: tagged(json.dumps({"function": "run_python", "arguments": {"code": code}})),
    "fenced JSON": lambda code: tagged(
        f"```json\n{json.dumps({'name': 'run_python', 'arguments': {'code': code}}, ensure_ascii=False)}\n```"
    ),
    "a list": lambda code: tagged(json.dumps([{"name": "run_python", "arguments": {"code": code}}])),
    "the name as the key": lambda code: tagged(json.dumps({"run_python": {"code": code}})),
    "tool and args": lambda code: tagged(json.dumps({"tool": "run_python", "args": {"code": code}})),
    "without arguments": lambda code: tagged(json.dumps({"name": "run_python", "code": code})),
    "without a name": lambda code: tagged(json.dumps({"code": code})),
    "another tool name": lambda code: tagged(json.dumps({"name": "execute_python", "arguments": {"script": code}})),
    "the code interpreter": lambda code: tagged(json.dumps({"name": "code_interpreter", "arguments": {"input": code}})),
    "another argument": lambda code: tagged(json.dumps({"name": "python", "arguments": {"text_of_it": code}})),
    "more arguments": lambda code: tagged(json.dumps({"name": "python", "arguments": {"timeout": 5, "code": code}})),
    "one brace more": lambda code: tagged(json.dumps({"name": "run_python", "arguments": {"code": code}}) + "}"),
    "a Python literal": lambda code: tagged(repr({"name": "run_python", "arguments": {"code": code}})),
    "a Python call": lambda code: tagged(f"run_python(code={code!r})"),
    "another tag": lambda code: (
        f"<function_call>{json.dumps({'name': 'run_python', 'arguments': {'code': code}})}</function_call>"
    ),
    "Nemotron": lambda code: (
        f"<TOOLCALL>[{json.dumps({'name': 'run_python', 'arguments': {'code': code}})}]</TOOLCALL>"
    ),
    "Hunyuan": lambda code: (
        f"<tool_calls>\n<tool_call>run_python\n```json\n{json.dumps({'code': code})}\n```\n</tool_call>\n</tool_calls>"
    ),
    "tools": lambda code: f"<tools>{json.dumps({'name': 'run_python', 'arguments': {'code': code}})}</tools>",
    "DeepSeek R1": lambda code: (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>run_python\n```json\n"
        f"{json.dumps({'code': code})}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
    ),
    "DeepSeek V3.1": lambda code: (
        f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>run_python<｜tool▁sep｜>{json.dumps({'code': code})}"
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
    ),
    "Kimi": lambda code: (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.run_python:0<|tool_call_argument_begin|>"
        f"{json.dumps({'code': code})}<|tool_call_end|><|tool_calls_section_end|>"
    ),
    "gpt-oss": lambda code: (
        "<|channel|>commentary to=functions.run_python <|constrain|>json<|message|>"
        f"{json.dumps({'code': code})}<|call|>"
    ),
    "gpt-oss, recipient first": lambda code: (
        "<|start|>assistant to=functions.run_python<|channel|>commentary json<|message|>"
        f"{json.dumps({'code': code})}<|call|>"
    ),
    "Phi": lambda code: (
        f"<|tool_call|>[{json.dumps({'name': 'run_python', 'arguments': {'code': code}})}]<|/tool_call|>"
    ),
    "Command-R7B": lambda code: (
        '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "run_python", "parameters": '
        f"{json.dumps({'code': code})}}}]<|END_ACTION|>"
    ),
    "InternLM": lambda code: (
        f"<|action_start|><|plugin|>{json.dumps({'name': 'run_python', 'arguments': {'code': code}})}<|action_end|>"
    ),
    "JSON in a fence": lambda code: (
        f"```json\n{json.dumps({'name': 'run_python', 'arguments': {'code': code}})}\n```\n"
    ),
    "a list in a fence": lambda code: (
        f"```tool_call\n[{json.dumps({'name': 'run_python', 'arguments': {'code': code}})}]\n```\n"
    ),
    "Gemma": lambda code: f"```tool_code\nrun_python(code={code!r})\n```\n",
    "Llama's function tag": lambda code: f"<function=run_python>{json.dumps({'code': code})}</function>",
}
"""Spellings of a whole call that keep any program."""
IN_XML = {
    "Qwen3-Coder": lambda code: tagged(f"<function=run_python>\n<parameter=code>\n{code}\n</parameter>\n</function>"),
    "Qwen3-Coder without a tag": lambda code: (
        f"<function=run_python>\n<parameter=code>\n{code}\n</parameter>\n</function>"
    ),
    "GLM": lambda code: tagged(f"run_python\n<arg_key>code</arg_key>\n<arg_value>{code}</arg_value>"),
    "named parameter": lambda code: tagged(
        f'<invoke name="run_python">\n<parameter name="code">{code}</parameter>\n</invoke>'
    ),
}
IN_XML |= {
    "Claude": lambda code: (
        f'<function_calls>\n<invoke name="run_python">\n<parameter name="code">{code}</parameter>\n</invoke>\n'
        "</function_calls>"
    ),
    "MiniMax": lambda code: (
        f'<minimax:tool_call>\n<invoke name="run_python">\n<parameter name="code">{code}</parameter>\n</invoke>\n'
        "</minimax:tool_call>"
    ),
    "DeepSeek V3.2": lambda code: (
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="run_python">\n<｜DSML｜parameter name="code" string="true">'
        f"{code}</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>"
    ),
}
AT_THE_END = {
    "Mistral": lambda code: f"[TOOL_CALLS]{json.dumps([{'name': 'run_python', 'arguments': {'code': code}}])}",
    "Mistral's newer form": lambda code: f"[TOOL_CALLS]run_python[ARGS]{json.dumps({'code': code})}",
    "Llama": lambda code: f"<|python_tag|>{json.dumps({'name': 'run_python', 'parameters': {'code': code}})}",
    "Llama's Python": lambda code: f"<|python_tag|>{code}",
    "Mistral's form with an id": lambda code: (
        f"[TOOL_CALLS]run_python[CALL_ID]a1b2c3[ARGS]{json.dumps({'code': code})}"
    ),
    "Granite": lambda code: f"<|tool_call|>[{json.dumps({'name': 'run_python', 'arguments': {'code': code}})}]",
    "Phi's functools": lambda code: f"functools[{json.dumps({'name': 'run_python', 'arguments': {'code': code}})}]",
    "ReAct": lambda code: f"Action: run_python\nAction Input: {json.dumps({'code': code})}",
    "json.dumps({'name': 'run_python', 'arguments': {'code': code}})ON alone": lambda code: json.dumps(
        {"name": "run_python", "parameters": {"code": code}}
    ),
    "json.dumps({'name': 'run_python', 'arguments': {'code': code}})ON on lines": lambda code: json.dumps(
        {"name": "run_python", "parameters": {"code": code}}, indent=2
    ),
    "a list alone": lambda code: json.dumps([{"name": "run_python", "arguments": {"code": code}}]),
    "a wrapper alone": lambda code: json.dumps(
        {"type": "function", "function": {"name": "run_python", "arguments": {"code": code}}}
    ),
    "a Python call alone": lambda code: f"[run_python(code={code!r})]",
    "an open tag": lambda code: f"<tool_call>\n{json.dumps({'name': 'run_python', 'arguments': {'code': code}})}",
}
"""Spellings without a closing mark: complete if the turn ends."""
BROKEN = {
    "one brace less": lambda code: tagged(json.dumps({"name": "run_python", "arguments": {"code": code}})[:-1]),
    "two braces less": lambda code: tagged(json.dumps({"name": "run_python", "arguments": {"code": code}})[:-2]),
    "trailing commas": lambda code: tagged(f'{{"name": "run_python", "arguments": {{"code": {json.dumps(code)},}},}}'),
    "names without quotes": lambda code: tagged(f"{{name: run_python, arguments: {{code: {json.dumps(code)}}}}}"),
    "a name after the program": lambda code: tagged(f'{{"arguments": {{"code": {json.dumps(code)}}}, "name": "python"'),
}


@pytest.mark.parametrize("spelling", (SPELLINGS | IN_XML | BROKEN).values(), ids=(SPELLINGS | IN_XML | BROKEN).keys())
@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_a_call_in_any_spelling_is_a_program(spelling, protocol):
    text = f"Let me run it.\n{spelling(CODE)}\nDone."
    action = protocol.read(text)
    assert (action.kind, action.code) == ("code", CODE)
    assert (text[: action.start], text[action.end :]) == ("Let me run it.\n", "Done.")


@pytest.mark.parametrize("spelling", AT_THE_END.values(), ids=AT_THE_END.keys())
@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_a_call_without_a_closing_mark_ends_with_the_turn(spelling, protocol):
    text = f"Let me run it.\n{spelling(CODE)}"
    assert protocol.read(text).kind == "none"
    action = protocol.read(text, ended=True)
    assert (action.code, action.end) == (CODE, len(text))


@settings(deadline=None)
@given(st.sampled_from(list(SPELLINGS.values())), st.text(max_size=60))
@example(SPELLINGS["Hermes"], "print('</tool_call>')")
@example(SPELLINGS["fenced JSON"], "```\n</tool_call>\n```")
def test_any_program_survives_each_json_spelling(spelling, code):
    assume(code.strip() and not code.lstrip().startswith(("```", "~~~")))
    text = spelling(code)
    if "</function" not in code:
        assert find_call(text, ended=True).code == code


@settings(deadline=None)
@given(st.sampled_from(list(IN_XML.values())), st.text(max_size=60))
def test_any_program_without_tags_survives_xml(spelling, code):
    assume(code.strip() and "<" not in code and "\r" not in code)
    assume(not code.lstrip().startswith(("```", "~~~")) and code == code.strip("\n"))
    assert find_call(spelling(code)).code in (code, *_unquoted(code))


def _unquoted(code):
    """A parameter that is JSON or a literal itself is read as such."""
    with contextlib.suppress(ValueError):
        yield from [value for value in [json.loads(code)] if isinstance(value, str)]


PROGRAMS = st.lists(
    st.sampled_from(
        ["x = 1", "print('a')", 'print("b\\n")', "# note", "y = [1, {'a': 2}]", "s = '}'", "for i in y:\n    z"]
    ),
    min_size=1,
    max_size=4,
).map("\n".join)


@settings(deadline=None)
@given(st.sampled_from(list(BROKEN.values())), PROGRAMS)
def test_a_repaired_call_has_the_whole_program_or_none(spelling, code):
    assume(parse(code) is not None)
    assert find_call(spelling(code)).code in (code, None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"name": "run_python", "arguments": {"code": "a = 1\nb = 2"}}', "a = 1\nb = 2"),
        ('{"name": "run_python", "arguments": {"code": "print("hi")"}}', 'print("hi")'),
        ('{"name": "run_python", "arguments": {"code": "print(1)', "print(1)"),
        ('{"name": "run_python", "arguments": {"code": """print(1)\nprint(2)"""}}', "print(1)\nprint(2)"),
        ('{"name": "python", "arguments": "print(1)"}', "print(1)"),
        ('{"name": "python", "arguments": {"code": ["a = 1", "b = 2"]}}', "a = 1\nb = 2"),
        ('{"name": "functions.run_python", "arguments": {"code": "1"}}', "1"),
        ('{"name": "python", "arguments": {"code": "```python\\nx\\n```"}}', "x"),
        ('{"code": "x = 1"}\n{"code": "y = 2"}', "x = 1"),
        ("```python\nprint(1)\n```", "print(1)\n"),
        ("print(1)", "print(1)"),
        ("[run_python(code='print(1)')]", "print(1)"),
        ("<tool_call>" + EXAMPLE, "print(6 * 7)"),
        (EXAMPLE + "<tool_call>", "print(6 * 7)"),
        ("<function=run_python>\n<parameter=code>\nprint(1)\n</function>", "print(1)"),
    ],
)
def test_habits_of_models(body, code):
    assert find_call(f"<tool_call>{body}</tool_call>", ended=True).code == code


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("", "the call is empty"),
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("Please run it.", "its JSON is broken"),
        ('"run_python"', "its JSON is broken"),
        ('{"name": "run_python"}', 'need "code"'),
        ('{"name": "run_python", "arguments": []}', "are a list"),
        ('{"name": "run_python", "arguments": {}}', 'need "code", the program as a string; there are none'),
        ('{"name": "run_python", "arguments": {"a": "x", "b": "y"}}', 'they have "a", "b"'),
        ('{"name": "run_python", "arguments": {"code": 5}}', '"code" is a number'),
        ('{"name": "run_python", "arguments": ""}', "the arguments are empty"),
        ('{"name": "search", "arguments": {"code": "x"}}', 'there is no tool "search", only run_python'),
        ('{"name": "run_python", "arguments": {"code": "print("a), {"b": [}', "its JSON is broken"),
        ("<function=search>\n<parameter=code>\nx\n</parameter>\n</function>", 'no tool "search"'),
        ("[" * 9999, "its JSON is broken"),
    ],
)
@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_a_malformed_call_is_explained_in_one_line_with_an_example(protocol, body, fault):
    bad = tagged(body)
    action = protocol.read(bad, ended=True)
    assert (action.kind, action.code, action.start, action.end) == ("malformed", None, 0, len(bad))
    assert fault in action.error
    assert action.error.endswith(f"Nothing ran. Write the call like this: {EXAMPLE}")
    assert "\n" not in action.error
    assert protocol.read(bad + SPELLINGS["Hermes"]("x = 1"), ended=True).kind == "malformed", "the first call counts"


@pytest.mark.parametrize(
    "body",
    [
        '{"code": "x = 1  # ", "b": [1, {"a": 2}]',
        '{"code": "x = 1", "y": "z", and more}',
        '{"code": "x = 1" + "y = 2"}',
        '{"code": "x = 1 # "quoted", and then [a = 2',
    ],
)
def test_repairs_do_not_cut_or_join_programs(body):
    with contextlib.suppress(MalformedCallError):
        assert read_call(body) not in ("x = 1", "y = 2", "x = 1  #")


def test_a_mark_in_a_program_does_not_end_the_call():
    for spelling in (SPELLINGS["Hermes"], IN_XML["Qwen3-Coder"]):
        text = spelling("x = '</tool_call>'\ny = 2")
        assert ToolCall().read(text).code == "x = '</tool_call>'\ny = 2"
        stopped = text[: text.index("</tool_call>") + len("</tool_call>")]
        assert ToolCall().read(stopped).kind == "none", "generation continues after the stop string"
        assert ToolCall().remove_output(spelling("x = '<tool_response>'")) == spelling("x = '<tool_response>'")


def test_prose_about_calls_is_no_call():
    for text in (
        "I could write a <tool_call> here.",
        "A [TOOL_CALLS] mark.",
        "The <tools> are hammers.",
        '```json\n{"name": "Plan", "parameters": {"x": 3}}\n```\n',
        '```json\n{"name": "code_9", "value": 3}\n```\n',
        '{"code": 5, "total": 6}',
        "Action: sell\nAction Input: 5\n",
        "[3, 4]\n",
        "<|channel|>final<|message|>",
    ):
        for protocol in PROTOCOLS.values():
            assert protocol.read(f"{text} \\boxed{{5}}", ended=True).kind == "answer"


def test_a_mark_in_a_thought_is_skipped():
    text = f"<think>I could write a <tool_call> here.</think>\n{SPELLINGS['Hermes'](CODE)}"
    assert PROTOCOLS["tool_call"].read(text).code == CODE


def test_the_name_of_another_tool_is_an_error_in_every_form():
    for text in (
        '<|channel|>commentary to=functions.search<|message|>{"q": 1}<|call|>',
        '<｜tool▁call▁begin｜>function<｜tool▁sep｜>search\n```json\n{"q": 1}\n```<｜tool▁call▁end｜>',
        '<|tool_call_begin|>functions.search:0<|tool_call_argument_begin|>{"q": 1}<|tool_call_end|>',
    ):
        assert "there is no tool" in PROTOCOLS["inline"].read(text).error


def test_arguments_from_an_endpoint_are_read_in_the_same_way():
    assert read_arguments("run_python", '{"code": "x = 1"}') == "x = 1"
    assert read_arguments("", "{'code': 'x = 1'}") == "x = 1"
    with pytest.raises(MalformedCallError, match='no tool "browse"'):
        read_arguments("browse", '{"code": "x = 1"}')


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["[TOOL_CALLS]",
             *("<tool_call>", "</tool_call>", "<function=", "run_python", ">", "</function>", "<parameter=", "[", "]"),
             *("{", "}", '"', "'", ":", ",", "code", "arguments", "name", "print(1)", "\n", "\\", "```"),
             *("<|python_tag|>", "<arg_key>", "</arg_key>", "<arg_value>", "1", "(", "é", "\ud800")]
        ),
        max_size=30,
    ).map("".join),
    st.booleans(),
)  # fmt: skip
def test_any_text_is_read_without_an_error(text, ended):
    for protocol in PROTOCOLS.values():
        action = protocol.read(text, ended=ended)
        assert (action.kind == "malformed") == bool(action.error)
        assert 0 <= (action.start or 0) <= action.end <= len(text)


SIZE = 1 << 18
HOSTILE = [
    *(piece * (SIZE // len(piece)) for piece in ("<tool_call>", "<function=a>", "<parameter=a>", "<tool_call> ")),
    *(piece * (SIZE // len(piece)) for piece in ("<|channel|>x to=a", "to=a<|constrain|>b", "Action: run\n", "\n[")),
    *(f"{piece}\n" * (SIZE // len(piece)) for piece in ("```json\n{", '{"name": "run", "code": "x', 'run_python("x')),
    "<tool_call>" + "</tool_call>" * (SIZE // 12),
    *(f"<tool_call>{piece * (SIZE // len(piece))}</tool_call>" for piece in ("[", " ", "`", "x=1\n", "1+", "a.", "<a")),
    *(f"<tool_call>{{{piece * (SIZE // len(piece))}</tool_call>" for piece in ('"', '"a":', '"a":{', "\\", "{'a':1},")),
    *(f'<tool_call>{{"code": "{piece * (30_000 // len(piece))}</tool_call>' for piece in ('x = "a"\n', '", "b', "\\")),
    "<tool_call><function=python>" + "<parameter=a>" * (SIZE // 13) + "</tool_call>",
    SPELLINGS["Hermes"]("print('a')\n" * (SIZE // 11)),
]


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_calls_are_read_in_linear_time(text):
    begin = time.monotonic()
    for protocol in PROTOCOLS.values():
        protocol.read(text)
        protocol.read(text, ended=True)
        protocol.remove_output(text)
    assert time.monotonic() - begin < 15
