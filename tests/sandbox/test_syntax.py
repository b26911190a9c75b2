"""Model-written code is parsed safely."""

import ast

import pytest

from storm_calm.sandbox import syntax_tree


@pytest.mark.parametrize("code", ["1 +", "\0", "(" * 500, "x = '\ud800'", "-" * 100_000 + "1"])
def test_invalid_code_has_no_syntax_tree(code):
    assert syntax_tree.parse(code) is None


def test_a_parse_disturbed_by_another_thread_is_retried(monkeypatch):
    parse, faults = ast.parse, [SystemError("AST constructor recursion depth mismatch")] * 3

    def disturbed(code):
        if faults:
            raise faults.pop()
        return parse(code)

    monkeypatch.setattr(ast, "parse", disturbed)
    assert ast.dump(syntax_tree.parse("x = 1")) == ast.dump(parse("x = 1"))
