"""`agents.reasoners.open_reasoner`: the accepted specs."""

import shutil

import pytest

import storm_calm
from storm_calm.agents.reasoners import BUILT_IN, open_reasoner
from storm_calm.agents.reasoners.nano import Nano
from storm_calm.env.reasoner import ReasonerError, Sampling
from support.scripted_server import Reply, event


@pytest.mark.parametrize("spec", BUILT_IN)
def test_the_models_that_come_with_the_package_write(spec):
    reasoner = open_reasoner(spec)
    assert reasoner.name == spec
    prompt = reasoner.render([{"role": "user", "content": "How many?"}])
    assert len(reasoner.generate(prompt, stop=(), max_tokens=3, sampling=Sampling(seed=1)).ids) <= 3
    reasoner.close()


def test_a_folder_is_a_nano_model(nano, tmp_path):
    shutil.copytree(nano.folder, tmp_path / "mine")
    reasoner = open_reasoner(str(tmp_path / "mine"))
    assert isinstance(reasoner, Nano)
    assert reasoner.name == "mine"


def test_an_address_is_a_server(server):
    server.play(Reply([event("Yes", "stop")]))
    reasoner = open_reasoner(server.url, model="big")
    assert reasoner.name == "big"
    assert reasoner.generate("Q", stop=(), max_tokens=3, sampling=reasoner.sampling).text == "Yes"
    reasoner.close()


def test_anything_else_is_refused_with_what_can_be_given():
    with pytest.raises(
        ValueError, match=r"'gpt' is unknown; give 'nano', 'nano-base', a folder .* the URL of a server"
    ):
        open_reasoner("gpt")


def test_a_key_is_not_taken_for_a_model_that_runs_here():
    with pytest.raises(ValueError, match="'nano' runs here"):
        open_reasoner("nano", api_key="k")


def test_the_folder_of_a_missing_model_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(storm_calm, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(ReasonerError, match=rf"no model in {tmp_path}/models/storm; install"):
        open_reasoner("nano")
