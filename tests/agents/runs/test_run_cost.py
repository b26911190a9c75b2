"""`agents.runs.run_cost`: the cost of a run over its sessions, and its limit."""

import json

import pytest

from storm_calm.agents.runs.run_cost import CostLimitError, RunCost, read_cost


def test_the_cost_of_all_sessions_counts(tmp_path):
    for price in (1.5, 0.25):
        with RunCost(tmp_path, limit=2.0, price=lambda price=price: price) as cost:
            assert not cost.limit_reached
    assert read_cost(tmp_path) == 1.75
    with RunCost(tmp_path, limit=2.0, price=lambda: 0.25) as cost:
        assert cost.limit_reached
        with pytest.raises(
            CostLimitError, match=r"--max-cost 2 is reached: the run has cost 2.0000, and 3 problems are"
        ):
            cost.check("3 problems")


def test_the_cost_of_a_session_that_fails_counts(tmp_path):
    with pytest.raises(KeyboardInterrupt), RunCost(tmp_path, limit=None, price=lambda: 1.0):
        raise KeyboardInterrupt
    assert read_cost(tmp_path) == 1.0


def test_without_prices_there_is_no_file(tmp_path):
    with RunCost(tmp_path, limit=None, price=lambda: None) as cost:
        cost.save()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["no JSON", '{"format_version": 1, "price": -1}', "[]", '{"format_version": 1}'])
def test_an_invalid_file_is_an_error_that_names_it(tmp_path, text):
    (tmp_path / "cost.json").write_text(text)
    with pytest.raises(ValueError, match=r"cost\.json: "):
        read_cost(tmp_path)


def test_the_file_has_the_money_and_the_version(tmp_path):
    with RunCost(tmp_path, limit=None, price=lambda: 1 / 3):
        pass
    assert json.loads((tmp_path / "cost.json").read_text()) == {"format_version": 1, "price": 0.333333}
