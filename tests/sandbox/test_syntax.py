"""Text that a model wrote is parsed or not, and nothing else happens."""

import ast

import pytest

from storm_calm.sandbox import syntax_tree


@pytest.mark.parametrize("code", ["1 +", "\0", "(" * 500, "x = '\ud800'", "-" * 100_000 + "1"])
def test_what_does_not_parse_has_no_tree(code):
    assert syntax_tree.parse(code) is None


def test_a_parse_that_another_thread_disturbed_is_repeated(monkeypatch):
    parse, faults = ast.parse, [SystemError("AST constructor recursion depth mismatch")] * 3

    def disturbed(code):
        if faults:
            raise faults.pop()
        return parse(code)

    monkeypatch.setattr(ast, "parse", disturbed)
    assert ast.dump(syntax_tree.parse("x = 1")) == ast.dump(parse("x = 1"))
