"""Servers with one PostgreSQL database: what one of them keeps, the others have."""

import asyncio
import contextlib
import time

import httpx
import openai
import psycopg
import pytest

from storm_calm.serving.api import stored_responses
from storm_calm.serving.api.auth import Keys, digest
from support.running_server import RunningServer

pytestmark = pytest.mark.slow

ANA, BEN = "storm-key-of-ana-00000000", "storm-key-of-ben-00000000"
SHOP = "A workshop has 40 hours. Each chair takes one hour and earns 3. What is the largest profit?"


@pytest.fixture(scope="module")
def database(postgres):
    return postgres.new_database("stores")


@pytest.fixture(scope="module")
def pair(upstream, database):
    """Yield two servers with the same keys and database."""
    keys = [Keys({"ana": digest(ANA), "ben": digest(BEN)}) for _ in range(2)]
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(RunningServer(upstream.url, keys=one, database=database, key_running=4)) for one in keys
        ]


@pytest.fixture
def ana(pair):
    """Yield a client of Ana for each server."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(client_of(live, ANA)) for live in pair]


def client_of(live, key):
    return openai.OpenAI(base_url=live.url, api_key=key, max_retries=0, timeout=60)


def until(condition, seconds=20.0):
    """Wait for a condition of a server."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def finished(client, id):
    """Poll a response until it is finished."""
    return until(lambda: (one := client.responses.retrieve(id)).status not in ("queued", "in_progress") and one)


def rows(database, statement, *given):
    with psycopg.connect(database) as connection:
        return connection.execute(statement, given).fetchall()


def run(live, work):
    """Run a coroutine in the event loop of a server."""
    return asyncio.run_coroutine_threadsafe(work, live.loop).result(20)


def test_another_server_returns_and_continues_a_response_with_its_files(ana):
    data = "data:text/csv;base64,Y2hhaXIsMw=="
    parts = [
        {"type": "input_text", "text": "Hello [[chat]]"},
        {"type": "input_file", "filename": "costs.csv", "file_data": data},
    ]
    first = ana[0].responses.create(model="storm", input=[{"role": "user", "content": parts}])
    assert ana[1].responses.retrieve(first.id).to_dict() == first.to_dict()
    second = ana[1].responses.create(model="storm", previous_response_id=first.id, input="What is in it? [[file]]")
    assert "chair,3" in second.output_text
    with ana[0].responses.stream(model="storm", previous_response_id=second.id, input="And? [[chat]]") as stream:
        third = stream.get_final_response()
    assert all(words in third.output_text for words in ("user: Hello", "What is in it?", "And?"))
    assert ana[1].responses.retrieve(third.id).output_text == third.output_text
    ana[1].responses.delete(third.id)
    with pytest.raises(openai.NotFoundError):
        ana[0].responses.retrieve(third.id)


def test_a_key_sees_its_own_responses_only(ana, pair):
    first = ana[0].responses.create(model="storm", input="[[chat]]")
    unstored = ana[0].responses.create(model="storm", input="[[chat]]", store=False)
    with client_of(pair[1], BEN) as ben:
        for call in (ben.responses.retrieve, ben.responses.delete, ben.responses.cancel):
            with pytest.raises(openai.NotFoundError):
                call(first.id)
        for client, id in ((ben, first.id), (ana[1], unstored.id), (ana[1], "resp_\0")):
            with pytest.raises(openai.BadRequestError) as caught:
                client.responses.create(model="storm", previous_response_id=id, input="And? [[chat]]")
            assert (caught.value.param, caught.value.code) == ("previous_response_id", "previous_response_not_found")


def test_files_and_containers_are_on_every_server(ana):
    file = ana[0].files.create(file=("costs.csv", b"chair,3"), purpose="user_data")
    assert [one.id for one in ana[1].files.list()] == [file.id]
    assert ana[1].files.retrieve(file.id) == file
    parts = [{"type": "input_text", "text": "Read it [[file]]"}, {"type": "input_file", "file_id": file.id}]
    response = ana[1].responses.create(model="storm", input=[{"role": "user", "content": parts}])
    assert "chair,3" in response.output_text
    made = ana[1].responses.create(model="storm", input=f"{SHOP} [[solve]]")
    note = made.output[-1].content[0].annotations[0]
    content = ana[0].containers.files.content.retrieve(note.file_id, container_id=note.container_id).read()
    assert content == ana[1].containers.files.content.retrieve(note.file_id, container_id=note.container_id).read()
    ana[1].files.delete(file.id)
    with pytest.raises(openai.NotFoundError):
        ana[0].files.retrieve(file.id)


def test_an_answer_in_the_background_is_polled_and_followed_at_another_server(ana):
    with ana[0].responses.create(model="storm", input=f"{SHOP} [[solve]]", background=True, stream=True) as stream:
        first = [next(stream) for _ in range(3)]
    id = first[0].response.id
    rest = list(ana[1].responses.retrieve(id, stream=True, starting_after=first[-1].sequence_number))
    numbers = [event.sequence_number for event in (*first, *rest)]
    assert numbers == list(range(len(numbers)))
    assert rest[-1].type == "response.completed"
    assert rest[-1].response.output_text == finished(ana[1], id).output_text
    again = [list(client.responses.retrieve(id, stream=True)) for client in ana]
    assert [event.type for event in again[0]] == [event.type for event in again[1]]


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_another_server_stops_an_answer_in_the_background(ana, pair, sandbox_runs, how):
    started = ana[0].responses.create(model="storm", input="[[sleep]]", background=True)
    assert ana[1].responses.retrieve(started.id).status == "in_progress"
    until(lambda: sandbox_runs(pair[0]) == 1)
    if how == "cancel":
        assert ana[1].responses.cancel(started.id).status == "cancelled"
        assert ana[0].responses.retrieve(started.id).status == "cancelled"
    else:
        ana[1].responses.delete(started.id)
        with pytest.raises(openai.NotFoundError):
            ana[0].responses.retrieve(started.id)
    until(lambda: sandbox_runs(pair[0]) == 0 and pair[0].running == 0, 10)


def test_answers_in_progress_are_limited_over_all_servers(ana, pair):
    started = [
        (n % 2, ana[n % 2].responses.create(model="storm", input="[[sleep]]", background=True)) for n in range(4)
    ]
    for client in ana:
        with pytest.raises(openai.RateLimitError, match="4 answers in progress"):
            client.responses.create(model="storm", input="[[chat]]")
    with client_of(pair[0], BEN) as ben:
        assert ben.responses.create(model="storm", input="[[chat]]").status == "completed"
    for server, response in started:
        ana[server].responses.cancel(response.id)
    until(lambda: not any(live.running for live in pair))
    # One after the other, the place of an answer is free again when its client has it.
    for number in range(8):
        assert ana[number % 2].responses.create(model="storm", input="[[chat]]").status == "completed"


def test_old_responses_expire_and_make_room(ana, monkeypatch):
    monkeypatch.setattr(stored_responses, "COUNT", 2)
    ids = [ana[number % 2].responses.create(model="storm", input="[[chat]]").id for number in range(4)]
    assert ana[0].responses.retrieve(ids[-1]).id == ids[-1]
    with pytest.raises(openai.NotFoundError):
        ana[1].responses.retrieve(ids[0])
    monkeypatch.setattr(stored_responses, "SECONDS", 0.0)
    gone = ana[0].responses.create(model="storm", input="[[chat]]")
    with pytest.raises(openai.NotFoundError):
        ana[1].responses.retrieve(gone.id)


def test_an_answer_of_a_dead_server_fails(ana, pair, database):
    started = ana[0].responses.create(model="storm", input="[[sleep]]", background=True, stream=True)
    id = next(started).response.id
    started.close()
    until(lambda: rows(database, "SELECT FROM storm.events WHERE response = %s", id))
    # The other server takes it for dead.
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE storm.responses SET server = 'gone' WHERE id = %s", (id,))
    run(pair[1], pair[1].agent.stored.responses.end_lost())
    failed = ana[1].responses.retrieve(id)
    assert (failed.status, "has stopped" in failed.error.message) == ("failed", True)
    assert list(ana[1].responses.retrieve(id, stream=True))[-1].type == "response.failed"
    until(lambda: pair[0].running == 0)


def test_readiness_reports_the_database(pair):
    for live in pair:
        assert httpx.get(live.url.removesuffix("/v1") + "/ready").json()["checks"]["database"] is True


@pytest.mark.parametrize("id", ["resp_%00", "resp_%ED%A0%80", "file-%00"])
def test_an_id_that_the_database_cannot_store_is_not_found(pair, id):
    kind = "files" if id.startswith("file") else "responses"
    answer = httpx.get(f"{pair[0].url}/{kind}/{id}", headers={"Authorization": f"Bearer {ANA}"})
    assert answer.status_code in (400, 404)
    previous = {"model": "storm", "input": SHOP, "previous_response_id": "resp_\x00"}
    answer = httpx.post(f"{pair[0].url}/responses", json=previous, headers={"Authorization": f"Bearer {ANA}"})
    assert answer.status_code in (400, 404)


def test_a_file_name_with_a_zero_byte_is_an_error_of_the_request(pair):
    upload = {"file": ("a\x00b.csv", b"1,2")}
    headers = {"Authorization": f"Bearer {ANA}"}
    answer = httpx.post(f"{pair[0].url}/files", files=upload, data={"purpose": "user_data"}, headers=headers)
    assert answer.status_code in (200, 400)
    answer = httpx.post(
        f"{pair[0].url}/files", files={"file": ("a.csv", b"1")}, data={"purpose": "u\x00"}, headers=headers
    )
    assert answer.status_code in (200, 400)
