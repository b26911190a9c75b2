"""The options of `storm curate` and `storm eval` for a Ray cluster. tests/agents/ray runs them on one."""

import pytest


@pytest.mark.parametrize("command", ["curate", "eval"])
def test_an_address_without_ray_is_an_error(storm, command):
    result = storm(command, "--families", "all", "--address", "auto")
    assert result.exit_code == 2
    assert "--address: goes with --on ray" in result.stderr


def test_a_cluster_that_does_not_answer_is_an_error(storm):
    result = storm("eval", "--families", "all", "--limit", "1", "--on", "ray", "--address", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "no connection to Ray at '127.0.0.1:1'" in result.stderr
