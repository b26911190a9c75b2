"""Stored responses: fetched again, continued, written in the background, cancelled, deleted, forgotten."""

import json
import time

import httpx
import openai
import pytest

from storm_calm.serving.api import stored_responses
from storm_calm.serving.api.auth import Keys, digest
from support.running_server import RunningServer

ANA, BEN = "storm-key-of-ana-00000000", "storm-key-of-ben-00000000"
SHOP = "A workshop has 40 hours. Each chair takes one hour and earns 3. What is the largest profit?"


@pytest.fixture(scope="module")
def shared(upstream):
    """Yield a server with two keys."""
    keys = Keys({"ana": digest(ANA), "ben": digest(BEN)})
    with RunningServer(upstream.url, keys=keys, key_running=4) as live:
        yield live


@pytest.fixture
def ana(shared):
    with openai.OpenAI(base_url=shared.url, api_key=ANA, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
def ben(shared):
    with openai.OpenAI(base_url=shared.url, api_key=BEN, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
def store(shared):
    """Return the store with a clock of its own."""
    responses, now = shared.agent.stored.responses, [time.time()]
    responses.clock = lambda: now[0]
    responses.now = now
    yield responses
    responses.clock = time.time


def until(condition, seconds=20.0):
    """Wait for a condition of the server."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def finished(client, id):
    """Poll a response until it is finished."""
    return until(lambda: (one := client.responses.retrieve(id)).status not in ("queued", "in_progress") and one)


def test_a_response_is_fetched_again_and_deleted(ana, ben):
    response = ana.responses.create(model="storm", input=f"{SHOP} [[solve]]")
    assert response.store is True
    assert ana.responses.retrieve(response.id).to_dict() == response.to_dict()
    for call in (ben.responses.retrieve, ben.responses.delete, ben.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            call(response.id)
    ana.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError, match="it may have expired"):
        ana.responses.retrieve(response.id)


def test_a_streamed_response_is_stored_when_it_is_complete(ana):
    with ana.responses.stream(model="storm", input=f"{SHOP} [[solve]]") as stream:
        final = stream.get_final_response()
    assert ana.responses.retrieve(final.id).output_text == final.output_text


def test_a_conversation_continues_a_stored_response(ana, upstream):
    first = ana.responses.create(model="storm", instructions="Be short.", input=f"{SHOP} [[solve]]")
    second = ana.responses.create(model="storm", previous_response_id=first.id, input="And why? [[chat]]")
    assert second.previous_response_id == first.id
    prompt = upstream.asked[-1]["prompt"]
    assert (
        f"<|im_start|>user\n{SHOP} [[solve]]<|im_end|>\n<|im_start|>assistant\nThe largest profit is **120**." in prompt
    )
    assert prompt.endswith("<|im_start|>user\nAnd why? [[chat]]<|im_end|>\n<|im_start|>assistant\n<think>\n")
    # As in OpenAI's API, instructions hold for one response.
    assert "Be short." not in prompt
    third = ana.responses.create(
        model="storm", previous_response_id=second.id, instructions="Be long.", input="And then? [[chat]]"
    )
    prompt = upstream.asked[-1]["prompt"]
    assert f"<|im_start|>user\nBe long.\n\n{SHOP} [[solve]]<|im_end|>" in prompt
    assert "<|im_start|>user\nAnd why? [[chat]]<|im_end|>\n<|im_start|>assistant\n" in prompt
    assert third.output_text.endswith("And then? [[chat]]")


def test_files_of_a_conversation_stay(ana):
    data = "data:text/csv;base64,Y2hhaXIsMw=="
    parts = [
        {"type": "input_text", "text": "Hello [[chat]]"},
        {"type": "input_file", "filename": "costs.csv", "file_data": data},
    ]
    first = ana.responses.create(model="storm", input=[{"role": "user", "content": parts}])
    second = ana.responses.create(model="storm", previous_response_id=first.id, input="What is in it? [[file]]")
    assert "chair,3" in second.output_text


def test_a_conversation_of_another_key_cannot_be_continued(ana, ben):
    first = ana.responses.create(model="storm", input=f"{SHOP} [[solve]]")
    unstored = ana.responses.create(model="storm", input=f"{SHOP} [[solve]]", store=False)
    for client, id in ((ben, first.id), (ana, unstored.id), (ana, "resp_" + "0" * 32)):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="storm", previous_response_id=id, input="And? [[chat]]")
        assert (caught.value.param, caught.value.code) == ("previous_response_id", "previous_response_not_found")


def test_responses_expire(ana, store):
    response = ana.responses.create(model="storm", input="[[chat]]")
    store.now[0] += stored_responses.SECONDS - 1
    assert ana.responses.retrieve(response.id).id == response.id
    store.now[0] += 2
    with pytest.raises(openai.NotFoundError):
        ana.responses.retrieve(response.id)


@pytest.mark.parametrize("limit", ["COUNT", "TOTAL_BYTES"])
def test_the_oldest_responses_make_room(ana, ben, monkeypatch, limit):
    monkeypatch.setattr(stored_responses, limit, {"COUNT": 2, "TOTAL_BYTES": 9000}[limit])
    other = ben.responses.create(model="storm", input="[[chat]]")
    ids = [ana.responses.create(model="storm", input="[[chat]]").id for _ in range(6)]
    assert ana.responses.retrieve(ids[-1]).id == ids[-1]
    with pytest.raises(openai.NotFoundError):
        ana.responses.retrieve(ids[0])
    assert ben.responses.retrieve(other.id).id == other.id


def test_an_answer_in_the_background_is_polled(ana):
    started = ana.responses.create(model="storm", input=f"{SHOP} [[solve]]", background=True)
    assert (started.status, started.background, started.output) == ("in_progress", True, [])
    done = finished(ana, started.id)
    assert (done.status, done.id) == ("completed", started.id)
    assert done.output_text.startswith("The largest profit is **120**.")
    assert done.storm["answer"]["value"] == 120.0
    follow = ana.responses.create(model="storm", previous_response_id=done.id, input="And? [[chat]]")
    assert "The largest profit" in follow.output_text


def test_an_answer_in_the_background_survives_its_client(shared, ana):
    with httpx.Client(base_url=shared.url, headers={"authorization": f"Bearer {ANA}"}) as client:
        body = {"model": "storm", "input": f"{SHOP} [[solve]]", "background": True}
        id = client.post("/responses", json=body).json()["id"]
    assert finished(ana, id).status == "completed"


def test_a_running_answer_is_cancelled_with_its_program(ana, shared, sandbox_runs):
    started = ana.responses.create(model="storm", input="[[sleep]]", background=True)
    until(lambda: sandbox_runs(shared) == 1)
    with pytest.raises(openai.BadRequestError, match="has no answer to continue"):
        ana.responses.create(model="storm", previous_response_id=started.id, input="And?")
    assert ana.responses.cancel(started.id).status == "cancelled"
    until(lambda: sandbox_runs(shared) == 0 and shared.running == 0, 5)
    assert ana.responses.retrieve(started.id).status == "cancelled"
    assert ana.responses.cancel(started.id).status == "cancelled"


def test_deleting_a_running_answer_cancels_it(ana, shared, sandbox_runs):
    started = ana.responses.create(model="storm", input="[[sleep]]", background=True)
    until(lambda: sandbox_runs(shared) == 1)
    ana.responses.delete(started.id)
    until(lambda: sandbox_runs(shared) == 0 and shared.running == 0, 5)
    with pytest.raises(openai.NotFoundError):
        ana.responses.retrieve(started.id)


def test_a_finished_answer_stays_as_it_is_when_it_is_cancelled(ana):
    started = ana.responses.create(model="storm", input=f"{SHOP} [[solve]]", background=True)
    finished(ana, started.id)
    assert ana.responses.cancel(started.id).status == "completed"
    direct = ana.responses.create(model="storm", input="[[chat]]")
    with pytest.raises(openai.BadRequestError, match="only an answer in the background"):
        ana.responses.cancel(direct.id)


def test_answers_in_the_background_count_as_running(ana, shared):
    ids = [ana.responses.create(model="storm", input="[[sleep]]", background=True).id for _ in range(4)]
    with pytest.raises(openai.RateLimitError):
        ana.responses.create(model="storm", input="[[chat]]")
    for id in ids:
        ana.responses.cancel(id)
    until(lambda: shared.running == 0, 5)
    assert ana.responses.create(model="storm", input="[[chat]]").status == "completed"


def test_a_failure_in_the_background_is_a_failed_response(ana):
    started = ana.responses.create(model="storm", input="[[400]]", background=True)
    failed = finished(ana, started.id)
    assert (failed.status, "retry" in failed.error.message) == ("failed", True)


def test_events_in_the_background_can_be_followed_by_several_clients_from_any_place(ana, shared):
    with ana.responses.create(model="storm", input=f"{SHOP} [[solve]]", background=True, stream=True) as stream:
        first = [next(stream) for _ in range(3)]
    id = first[0].response.id
    rest = list(ana.responses.retrieve(id, stream=True, starting_after=first[-1].sequence_number))
    numbers = [event.sequence_number for event in (*first, *rest)]
    assert numbers == list(range(len(numbers)))
    assert rest[-1].type == "response.completed"
    again = list(ana.responses.retrieve(id, stream=True))
    assert [event.type for event in again] == [event.type for event in (*first, *rest)]
    assert rest[-1].response.output_text == ana.responses.retrieve(id).output_text


def test_only_streams_in_the_background_can_be_followed(ana):
    started = ana.responses.create(model="storm", input="[[chat]]", background=True)
    with pytest.raises(openai.BadRequestError, match="stream: true"):
        list(ana.responses.retrieve(started.id, stream=True))


def test_too_many_events_end_the_stream_but_not_the_answer(ana, monkeypatch):
    monkeypatch.setattr(stored_responses, "EVENT_BYTES", 5000)
    events = list(ana.responses.create(model="storm", input=f"{SHOP} [[solve]]", background=True, stream=True))
    assert events[-1].type == "error"
    assert finished(ana, events[0].response.id).status == "completed"


def test_background_needs_store(ana):
    with pytest.raises(openai.BadRequestError) as caught:
        ana.responses.create(model="storm", input="[[chat]]", background=True, store=False)
    assert caught.value.param == "store"


def test_shutting_down_ends_answers_in_the_background(upstream):
    with RunningServer(upstream.url) as live, openai.OpenAI(base_url=live.url, api_key="none") as client:
        client.responses.create(model="storm", input="[[sleep]]", background=True)
        until(lambda: live.running == 1)
        live.close()
    assert live.running == 0


@pytest.mark.parametrize("id", ["..", "resp_", "resp_%00", "resp_" + "é" * 50, "a" * 3000])
def test_guessed_ids_are_not_found(shared, id):
    response = httpx.get(f"{shared.url}/responses/{id}", headers={"authorization": f"Bearer {ANA}"})
    assert response.status_code in (404, 405)
    assert set(json.loads(response.text)["error"]) == {"message", "type", "param", "code"}


def test_models_have_their_context_and_capabilities(ana, nano):
    (model,) = ana.models.list()
    assert (model.context_length, model.max_model_len) == (4000, 4000)
    assert model.capabilities["structured_outputs"] is True
    assert model.storm == {"reasoner": "other", "demo": False}
    with openai.OpenAI(base_url=nano.url, api_key="none") as client:
        assert client.models.retrieve("storm").storm == {"reasoner": "nano", "demo": True}
