"""The checks of a model server: what each finds on servers that work, and on servers that do not."""

import pytest

from storm_calm.agents.endpoint_check import check_endpoint, probes
from storm_calm.agents.reasoners import open_reasoner
from support.fake_model_servers import KINDS, FakeModelServer


def states(server, prefix=""):
    return {check.name: check for check in probes.results(open_reasoner(f"{prefix}{server.url}"), over=lambda: False)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_works_has_no_problem(kind):
    with FakeModelServer(kind) as server:
        found = states(server)
    assert [name for name, check in found.items() if check.state == "problem"] == []
    assert all(
        check.advice for check in found.values() if check.state in ("warning", "problem") and check.name != "token ids"
    )


def test_a_template_that_fails_is_a_problem():
    failing = "{{ raise_exception('needs tools') }}<|start_header_id|>"
    with FakeModelServer("llama.cpp", template=failing) as server:
        check = states(server)["template"]
        assert (check.state, check.advice[:14]) == ("problem", "use chat: and ")
        assert "<|im_start|>" in check.figure
        assert states(server, "chat:")["template"].state == "ok"


def test_a_small_context_is_a_warning():
    with FakeModelServer("llama.cpp", context=4096) as server:
        check = states(server)["context"]
    assert (check.state, check.figure) == (
        "warning",
        "4,096 tokens a request, 4 requests at once; the model was made for 32,768",
    )


def test_a_server_that_ignores_seeds_is_a_warning():
    with FakeModelServer("vllm", seeded=False) as server:
        assert states(server)["seed"].state == "warning"


def test_a_model_that_writes_no_call_is_a_warning(monkeypatch):
    with FakeModelServer("ollama") as server:
        monkeypatch.setattr(server, "write", lambda prompt, seed, tools=False: "No.")
        check = states(server)["tool calls"]
    assert (check.state, check.figure) == ("warning", "no call in the answer 'No.'")


def test_an_error_of_the_server_is_a_problem_of_that_check_alone(monkeypatch):
    with FakeModelServer("vllm", context=10) as server:
        found = states(server)
    assert found["speed"].state == "problem"
    assert "maximum context length is 10 tokens" in found["speed"].figure
    assert found["template"].state == "ok"


def test_checks_after_the_time_are_not_measured():
    with FakeModelServer("vllm") as server:
        found = [check.state for check in probes.results(open_reasoner(server.url), over=lambda: True)]
    assert set(found) == {"not measured"}


def test_only_urls_are_checked():
    with pytest.raises(ValueError, match="'nano' is not the URL of a server"):
        check_endpoint("nano")
