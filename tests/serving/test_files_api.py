"""Uploaded files and the files of answers, with OpenAI's client and raw requests: limits, other keys, expiry."""

import asyncio
import io
import time

import httpx
import openai
import openpyxl
import pytest

from storm_calm.serving.api import stored_files
from storm_calm.serving.api.auth import Keys, digest
from support.running_server import RunningServer

ANA, BEN = "storm-key-of-ana-00000000", "storm-key-of-ben-00000000"
DATA = b"product,cost\nchair,3\n"
SHOP = "A workshop has 40 hours. Each chair takes one hour and earns 3. What is the largest profit?"


@pytest.fixture(scope="module")
def shared(upstream):
    """Yield a server with two keys."""
    with RunningServer(upstream.url, keys=Keys({"ana": digest(ANA), "ben": digest(BEN)})) as live:
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
    """Return the store of uploads, empty and with a clock of its own."""
    uploads, now = shared.agent.stored.uploads, [time.time()]
    uploads.clock = lambda: now[0]
    uploads.now = now
    yield uploads
    uploads.clock = time.time


@pytest.fixture
def file(ana):
    return ana.files.create(file=("costs.csv", DATA), purpose="user_data")


@pytest.fixture(autouse=True)
def no_files_remain(ana, shared):
    yield
    for file in ana.files.list():
        ana.files.delete(file.id)
    asyncio.run_coroutine_threadsafe(shared.agent.stored.uploads.settled(), shared.loop).result(10)


def folder(live):
    return live.agent.stored.uploads._folder


def test_a_file_is_uploaded_listed_read_and_deleted(ana, shared):
    file = ana.files.create(file=("costs.csv", DATA), purpose="assistants")
    assert (file.object, file.filename, file.bytes, file.purpose) == ("file", "costs.csv", len(DATA), "assistants")
    assert file.expires_at - file.created_at == 24 * 3600
    assert [one.id for one in ana.files.list()] == [file.id]
    assert [one.id for one in ana.files.list(purpose="user_data")] == []
    assert ana.files.retrieve(file.id) == file
    assert ana.files.content(file.id).read() == DATA
    assert (folder(shared).stat().st_mode & 0o777) == 0o700
    assert ana.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        ana.files.retrieve(file.id)


def test_lists_have_pages(ana):
    ids = [ana.files.create(file=(f"{n}.csv", b"1"), purpose="user_data").id for n in range(5)]
    assert [one.id for one in ana.files.list(limit=2, order="asc")] == ids
    assert [one.id for one in ana.files.list(after=ids[2])] == [ids[1], ids[0]]
    for id in ids:
        ana.files.delete(id)


def test_programs_of_both_apis_read_an_uploaded_file(ana, file, upstream):
    part = {"type": "file", "file": {"file_id": file.id}}
    content = [{"type": "text", "text": "What does it cost? [[file]]"}, part]
    answer = ana.chat.completions.create(model="storm", messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content.startswith("The file says product,cost\nchair,3")
    assert "- costs.csv: CSV, 1 row, 2 columns" in upstream.asked[-1]["prompt"]
    parts = [{"type": "input_text", "text": "What is in it? [[file]]"}, {"type": "input_file", "file_id": file.id}]
    assert "chair,3" in ana.responses.create(model="storm", input=[{"role": "user", "content": parts}]).output_text


def test_a_client_may_rename_an_uploaded_file(ana):
    created = ana.files.create(file=("x.csv", DATA), purpose="user_data")
    part = {"type": "file", "file": {"file_id": created.id, "filename": "costs.csv"}}
    content = [{"type": "text", "text": "What does it cost? [[file]]"}, part]
    answer = ana.chat.completions.create(model="storm", messages=[{"role": "user", "content": content}])
    assert "chair,3" in answer.choices[0].message.content


def test_files_of_another_key_do_not_exist(ana, ben, file):
    for call in (ben.files.retrieve, ben.files.content, ben.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(file.id)
    assert list(ben.files.list()) == []
    part = {"type": "file", "file": {"file_id": file.id}}
    with pytest.raises(openai.BadRequestError) as caught:
        ben.chat.completions.create(model="storm", messages=[{"role": "user", "content": [part]}])
    assert (caught.value.param, caught.value.code) == ("messages.0.content.0.file.file_id", "file_not_found")
    assert ana.files.content(file.id).read() == DATA


def test_an_id_has_128_random_bits_and_is_no_path(ana, file, shared):
    assert len(file.id) == len("file-") + 32
    headers = {"authorization": f"Bearer {ANA}"}
    for id in ("..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", file.id[:-1], f"{file.id}.part", "file-" + "0" * 32):
        assert httpx.get(f"{shared.url}/files/{id}/content", headers=headers).status_code == 404
    assert httpx.get(f"{shared.url}/files/{file.id}").status_code == 401


def test_files_expire(ana, store, shared):
    file = ana.files.create(
        file=("a.csv", b"1"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert file.expires_at == file.created_at + 3600
    store.now[0] += 3599
    assert ana.files.retrieve(file.id).id == file.id
    store.now[0] += 2
    with pytest.raises(openai.NotFoundError):
        ana.files.content(file.id)
    asyncio.run_coroutine_threadsafe(store.settled(), shared.loop).result(10)
    assert not (folder(shared) / file.id).exists()


def test_number_and_size_of_files_are_limited_for_each_key(ana, ben, store, monkeypatch):
    limits = stored_files.StoreLimits(prefix="file-", count=3, total_bytes=1000, seconds=60, evict=False)
    monkeypatch.setattr(store, "limits", limits)
    ids = [ana.files.create(file=("a", b"1"), purpose="user_data").id for _ in range(3)]
    with pytest.raises(openai.BadRequestError, match="delete files first") as caught:
        ana.files.create(file=("a", b"1"), purpose="user_data")
    assert caught.value.code == "storage_full"
    ben.files.delete(ben.files.create(file=("a", b"1"), purpose="user_data").id)
    ana.files.delete(ids.pop())
    with pytest.raises(openai.BadRequestError, match="delete files first"):
        ana.files.create(file=("a", b"1" * 999), purpose="user_data")
    for id in ids:
        ana.files.delete(id)


def test_a_too_large_upload_is_rejected_while_it_is_sent(shared):
    def pieces():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(400):
            yield b"x" * 100_000

    headers = {"authorization": f"Bearer {ANA}", "content-type": "multipart/form-data; boundary=x"}
    with httpx.Client(timeout=60) as client:
        assert client.post(f"{shared.url}/files", content=pieces(), headers=headers).status_code == 413
        other = client.post(f"{shared.url}/responses", content=b"--x", headers=headers)
        assert other.status_code == 415


FORMS = [
    (b"", "boundary"),
    (b"--x--\r\n", "needs a file"),
    (b"garbage", ""),
    (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc\r\n--x--\r\n', "needs a file"),
    (b'--x\r\nContent-Disposition: form-data; name="file"; filename="../a"\r\n\r\nabc\r\n--x\r\n'
     b'Content-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--x--\r\n', "is not a file name"),
    (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n--x--\r\n', "purpose"),
    (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n--x\r\n'
     b'Content-Disposition: form-data; name="purpose"\r\n\r\n' + b"p" * 5000 + b"\r\n--x--\r\n", ""),
    (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n' * 3 + b"--x--\r\n", ""),
    (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 50 + b"--x--\r\n", ""),
    (b"--x\r\n" + b"A: b\r\n" * 5000 + b"\r\n", ""),
    (b"--x\r\nA: " + b"b" * 200_000 + b"\r\n\r\n", ""),
    (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc', ""),
    (b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n\xff\xfe\r\n--x--\r\n', ""),
]  # fmt: skip


@pytest.mark.parametrize(("form", "message"), FORMS, ids=range(len(FORMS)))
def test_malformed_forms_are_rejected_in_the_format_of_all_errors(shared, form, message):
    headers = {"authorization": f"Bearer {ANA}", "content-type": "multipart/form-data; boundary=x"}
    response = httpx.post(f"{shared.url}/files", content=form, headers=headers, timeout=30)
    assert response.status_code == 400, response.text
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    if message != "boundary":
        assert message in response.json()["error"]["message"]
    assert not list(folder(shared).glob("file-*"))


def test_a_form_without_a_boundary_is_rejected(shared):
    headers = {"authorization": f"Bearer {ANA}", "content-type": "multipart/form-data"}
    assert httpx.post(f"{shared.url}/files", content=b"--x", headers=headers).status_code == 400


@pytest.mark.parametrize(("origin", "status"), [("http://evil.example", 403), ("null", 403), ("", 400)])
def test_pages_of_other_sites_cannot_upload(shared, origin, status):
    headers = {"authorization": f"Bearer {ANA}", "content-type": "multipart/form-data; boundary=x"}
    headers |= {"origin": origin} if origin else {}
    assert httpx.post(f"{shared.url}/files", content=b"--x--\r\n", headers=headers).status_code == status


def test_a_download_is_never_a_page(ana, shared):
    file = ana.files.create(file=("Größe.html", b"<script>1</script>"), purpose="user_data")
    response = httpx.get(f"{shared.url}/files/{file.id}/content", headers={"authorization": f"Bearer {ANA}"})
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"] == "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe.html"
    assert response.headers["x-content-type-options"] == "nosniff"
    ana.files.delete(file.id)


def test_files_of_one_request_have_a_limit_together(ana, file, monkeypatch):
    monkeypatch.setattr("storm_calm.serving.api.file_routes.MAX_REQUEST_BYTES", 10)
    part = {"type": "input_file", "file_id": file.id}
    with pytest.raises(openai.BadRequestError, match="together"):
        ana.responses.create(model="storm", input=[{"role": "user", "content": [part]}])


def test_the_files_of_an_answer_are_cited_and_can_be_downloaded(ana, ben):
    response = ana.responses.create(model="storm", input=f"{SHOP} [[solve]]")
    call, message = response.output[1], response.output[-1]
    text, annotations = message.content[0].text, message.content[0].annotations
    cited = {one.filename: one for one in annotations}
    assert {one.type for one in annotations} == {"container_file_citation"}
    assert {one.container_id for one in annotations} == {call.container_id}
    assert set(cited) == {"plan.csv", "plan.xlsx", "program.py", "examination.json", "model.mps", "model.lp"}
    assert all(text[one.start_index : one.end_index] == f"`{one.filename}`" for one in annotations)
    files = list(ana.containers.files.list(call.container_id))
    assert {one.path.rpartition("/")[2]: one.id for one in files} == {name: one.file_id for name, one in cited.items()}

    def content(name):
        return ana.containers.files.content.retrieve(cited[name].file_id, container_id=call.container_id).read()

    assert content("plan.csv") == b"variable,value\nx,40\n"
    assert openpyxl.load_workbook(io.BytesIO(content("plan.xlsx"))).active["B2"].value == 40
    assert ana.containers.files.retrieve(cited["model.lp"].file_id, container_id=call.container_id).bytes > 10
    with pytest.raises(openai.NotFoundError):
        ben.containers.files.list(call.container_id)
    with pytest.raises(openai.NotFoundError):
        ben.containers.files.content.retrieve(cited["plan.csv"].file_id, container_id=call.container_id)
    with pytest.raises(openai.NotFoundError):
        ana.containers.files.retrieve(cited["plan.csv"].file_id, container_id="cntr_other")
    with pytest.raises(openai.NotFoundError):
        ana.files.retrieve(cited["plan.csv"].file_id)


def test_files_that_programs_wrote_are_among_them(ana):
    response = ana.responses.create(model="storm", input="How many chairs? [[plan]]")
    (note,) = [one for one in response.output[-1].content[0].annotations if one.filename == "plan.json"]
    content = ana.containers.files.content.retrieve(note.file_id, container_id=note.container_id)
    assert content.read() == b'{"chairs": 40}'


def test_a_stream_has_the_same_annotations_as_its_response(ana):
    with ana.responses.stream(model="storm", input=f"{SHOP} [[solve]]") as stream:
        events = list(stream)
        final = stream.get_final_response()
    added = [event.annotation for event in events if event.type == "response.output_text.annotation.added"]
    shown = [one if isinstance(one, dict) else one.model_dump() for one in added]
    assert shown == [one.model_dump() for one in final.output[-1].content[0].annotations]
    assert len(shown) == 6


def test_without_store_no_files_are_kept(ana):
    response = ana.responses.create(model="storm", input=f"{SHOP} [[solve]]", store=False)
    assert response.output[-1].content[0].annotations == []
    assert "Files:" not in response.output_text
    with pytest.raises(openai.NotFoundError):
        ana.containers.files.list(response.output[1].container_id)
    with pytest.raises(openai.NotFoundError):
        ana.responses.retrieve(response.id)


def test_the_oldest_files_of_answers_make_room(ana, shared, monkeypatch):
    results = shared.agent.stored.results
    limits = stored_files.StoreLimits(prefix="cfile_", count=8, total_bytes=1 << 20, seconds=60, evict=True)
    monkeypatch.setattr(results, "limits", limits)
    first, second = (ana.responses.create(model="storm", input=f"{SHOP} [[solve]]") for _ in range(2))
    assert len(list(ana.containers.files.list(first.output[1].container_id))) == 2
    assert len(list(ana.containers.files.list(second.output[1].container_id))) == 6


def test_the_folder_is_deleted_at_the_end(upstream):
    with RunningServer(upstream.url) as live:
        with openai.OpenAI(base_url=live.url, api_key="none") as client:
            client.files.create(file=("a.csv", b"1"), purpose="user_data")
        kept = folder(live)
        assert len(list(kept.iterdir())) == 1
    assert not kept.exists()
