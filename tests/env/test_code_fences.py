"""Program blocks are found as CommonMark defines fences, and Python's strings and comments close none."""

import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from storm_calm.env.code_fences import OUTPUT_BLOCK, first_program
from storm_calm.env.protocol import Inline
from storm_calm.sandbox import Execution
from storm_calm.sandbox.syntax_tree import parse


def code(text, **options):
    program = first_program(text, **options)
    return None if program is None else program.code


@pytest.mark.parametrize(
    "info",
    [
        *("python", "Python", "python3", "PYTHON3", "py", "py3", "python3.11", "python 3", "ipython", " python"),
        *("tool_code", "python_code", "code_interpreter"),
        *('python title="plan.py"', "{python}", "{.python .numberLines}", "python, echo=FALSE", "python:plan.py"),
    ],
)
def test_info_strings_that_name_python(info):
    assert code(f"```{info}\nx = 1\n```\n") == "x = 1\n"
    assert code(f"~~~{info}\nx = 1\n~~~\n") == "x = 1\n"


@pytest.mark.parametrize("info", ["", "text", "pythonic", "pycon", "python-repl", "pyx", "output", "json", "mypython"])
def test_info_strings_that_do_not(info):
    assert code(f"```{info}\nx = 1\n```\n") is None


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("````python", "````"),
        ("```python", "`````"),
        ("~~~python", "~~~"),
        ("~~~~~ python", "~~~~~~"),
        ("  ```python", "  ```"),
        ("```python", "   ```"),
        ("\t```python", "\t```"),
        ("```python", "```   "),
    ],
)
def test_fences_of_any_kind_and_length(opening, closing):
    assert code(f"Plan.\n{opening}\nx = 1\n{closing}\nMore.") == "x = 1\n"


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("1. Solve:\n   ```python\n   for i in a:\n     b\n   ```\n", "for i in a:\n  b\n"),
        ("1. Solve:\n\n      ```python\n      for i in a:\n        b\n      ```\n", "for i in a:\n  b\n"),
        ("- ```python\n  for i in a:\n    b\n  ```\n", "for i in a:\n  b\n"),
        ("10) ```python\n    a\n    ```\n", "a\n"),
        ("> ```python\n> for i in a:\n>   b\n> ```\n", "for i in a:\n  b\n"),
        ("\t```python\n\ta\n\t\tb\n\t```\n", "a\n\tb\n"),
        ("  ```python\nfor i in a:\n  b\n  ```\n", "for i in a:\n  b\n"),
        ("  ```python\n  a = '''\nb\n  '''\n  ```\n", "a = '''\nb\n'''\n"),
    ],
)
def test_a_program_loses_the_indentation_of_its_fence(text, program):
    assert code(text) == program


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("Here it is: ```python\nx\n```\n", "x\n"),
        ("```python\nx = 1```\n", "x = 1"),
        ("```python\nx\n```</think>\nDone.", "x\n"),
        ("```python\nx\n``` This runs.\n", "x\n"),
        ("```python\nx\n```.\n```python\ny\n```\n", "x\n"),
        ("```python\nx = (\n``` not yet\n)\n```\n", "x = (\n``` not yet\n)\n"),
        ("```python\nx\n\n```output\n1\n```\n", "x\n\n"),
        ("```python\nx\n        ```\n", "x\n"),
        ("````python\nx\n```\ny\n````\n", "x\n```\ny\n"),
        ("```python\nx\n~~~\ny\n```\n", "x\n~~~\ny\n"),
        ("~~~python\nx\n```\ny\n~~~\n", "x\n```\ny\n"),
    ],
)
def test_where_a_program_ends(text, program):
    assert code(text) == program


def test_text_after_a_closing_fence_is_not_part_of_the_block():
    text = "```python\nx\n```</think>\nDone."
    program = first_program(text)
    assert text[program.end :] == "</think>\nDone."


@pytest.mark.parametrize(
    "program",
    [
        "x = 1  # like ```\ny = 2\n",
        "# ```\ny = 2\n",
        "x = '```'\ny = '~~~'\n",
        'x = """\n```\nf()\n```\n"""\ny = 2\n',
        "def f():\n    '''Use it:\n\n    ```python\n    f()\n    ```\n    '''\n",
        "x = r'''\\\n```\n'''\n",
        "x = 'a\\\n```\\\nb'\ny = 2\n",
        "x = '''```'''\n",
        'x = """\n```output\n1\n```\n"""\n',
        "x = 'it''s'  # don't ```\n",
        "print('''\n~~~\n``` x\n''')\n",
    ],
)
@pytest.mark.parametrize("fence", ["```", "~~~"])
def test_fences_in_strings_and_comments_close_nothing(program, fence):
    text = f"{fence}python\n{program}{fence}\nMore."
    assert code(text) == program
    assert Inline().remove_output(text) == text


STATEMENTS = st.builds(
    "{}x = {}{}{}{}\n".format,
    st.sampled_from(["", "if y:\n    ", "# don't '''\n", "z = '\\''\n"]),
    st.sampled_from(["", "f", "r", "b"]),
    st.sampled_from(["'''", '"""', "'", '"']).flatmap(
        lambda quotes: st.text("ab`~ \n#'\"\\{}", max_size=25).map(lambda text: f"{quotes}{text}{quotes}")
    ),
    st.sampled_from(["", " + '```'", "  # ``` it's"]),
    st.sampled_from(["", "\n\ny = [\n  1,  # '\n]"]),
)


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@settings(deadline=None)
@given(st.lists(STATEMENTS.filter(lambda text: parse(text) is not None), max_size=4).map("".join))
def test_any_python_program_survives_in_a_block(program):
    assume(parse(program) is not None)
    for fence in ("```", "````", "~~~"):
        assert code(f"Text.\n{fence}python\n{program}{fence}\nMore.\n```python\ny\n```\n") == program


MARKS = st.sampled_from(["```", "````", "~~~", "~~~~~"])
FENCE_LINES = st.builds(
    "{}{}{}\n".format,
    st.sampled_from(["", " ", "   "]),
    MARKS,
    st.sampled_from(["", "", "python", " python", "text", "  "]),
)
LINES = st.one_of(FENCE_LINES, st.sampled_from(["x = 1\n", "   y\n", "\n"]))


@settings(deadline=None)
@given(st.lists(LINES, max_size=12))
def test_blocks_are_those_of_a_commonmark_parser(lines):
    tokens = [token for token in MarkdownIt("commonmark").parse("".join(lines)) if token.type == "fence"]
    expected = None
    for token in tokens:
        start, end = token.map
        inside = [line.strip() for line in lines[start + 1 : end]]
        closed = bool(inside) and inside[-1].startswith(token.markup) and not inside[-1].strip(token.markup[0])
        assume(closed)
        if token.info.strip() == "python":
            expected = token.content
            indentation = len(lines[start]) - len(lines[start].lstrip())
            first = next((line for line in lines[start + 1 : end - 1] if line.strip()), "   ")
            assume(len(first) - len(first.lstrip()) >= indentation)
            break
        # A forgotten closing fence of another block hides no program.
        assume(not any(line.startswith(token.markup) and "python" in line for line in inside))
    assert code("".join(lines)) == expected


def test_a_program_in_a_block_of_another_language_is_an_example():
    example = "````markdown\n```python\nx\n```\n````\n"
    assert code(example) is None
    assert code(f"{example}```python\ny\n```\n") == "y\n"
    assert code("````markdown\n```python\nx\n```\n") is None
    assert code("````markdown\n```python\nx\n```\n", ended=True) == "x\n"


def test_a_forgotten_closing_fence_hides_no_program():
    assert code("```latex\nmin x\n\n```python\nx\n```\n") == "x\n"
    assert code("```\nmin x\n```python\nx\n```\n") == "x\n"
    assert code("Title\n~~~~~\n```python\nx\n```\n") == "x\n"


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("```python\nx = 1\n", "x = 1\n"),
        ("```python\nx = 1", "x = 1"),
        ("```python\nx = '''\n```\nText.\n```\n", "x = '''\n"),
        ("```python\nx = '''\n```\n'''\n", "x = '''\n```\n'''\n"),
        ("````python\nx = 1\n```\nIt prints 1.\n", "x = 1\n"),
        ("```python\n\n", None),
        ("```python", None),
    ],
    ids=["no fence", "no line break", "open string", "closed string", "short fence", "blank", "only a fence"],
)
def test_an_ended_text_has_the_longest_sensible_program(text, program):
    assert code(text) is None
    assert code(text, ended=True) == program


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["```", "~~~", "````", "python", "\n", "'''", "x = 1", " ", "#", "> ", "- ", "output"]))
)
def test_reading_again_up_to_the_end_of_a_program_finds_it_again(parts):
    text = "".join(parts)
    for ended in (False, True):
        program = first_program(text, ended=ended)
        if program is not None and program.code is not None:
            assert first_program(text[: program.end], ended=True).code == program.code


@settings(deadline=None)
@given(st.text(st.sampled_from("`~ x\n\t>"), max_size=60), st.booleans())
def test_no_fence_in_an_output_closes_its_block(stdout, last):
    execution = Execution(code="", status="ok", stdout=stdout, isolation="limits", backend="test")
    text = Inline().observation(execution, last=last)
    (token,) = MarkdownIt("commonmark").parse(text)
    assert (token.type, token.info) == ("fence", "output")
    assert token.content == f"{OUTPUT_BLOCK.fullmatch(text)[1]}\n"


SIZE = 1 << 18


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        *("```python\n" + piece * (SIZE // len(piece)) for piece in ("\n", '"\n', '"""', "``` x\n", "# ```\n", "`")),
        *(piece * (SIZE // len(piece)) for piece in ("`", "```\n", "```a\n", "```python\n", "~~~ \n", "> ", "- ", " ")),
        "```python\n'''\n" + "```\n" * (SIZE // 4),
        "```python\n'" + "\\" * SIZE,
        "\n".join("`" * length for length in range(1400, 3, -1)) + "\n```a" * 20_000,
    ],
    ids=range(17),
)
def test_hostile_text_is_read_in_linear_time(text, ended):
    begin = time.monotonic()
    Inline().read(text, ended=ended)
    Inline().remove_output(text)
    assert time.monotonic() - begin < 8


@pytest.mark.parametrize("mark", ["</think>", "<|im_end|>", "</s>"])
def test_a_program_that_is_not_closed_ends_at_a_mark_of_the_chat(mark):
    assert code(f"```python\nx = 1\n{mark}\nThat is it.", ended=True) == "x = 1\n"
    assert code(f"```python\nx = 'a{mark}'\n", ended=True) == f"x = 'a{mark}'\n"
