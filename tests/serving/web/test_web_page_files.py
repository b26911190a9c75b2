"""The page's files: headers, versions, and how they leave the API alone."""

import re

import httpx
import pytest

from storm_calm.serving.api.auth import Keys
from storm_calm.serving.web.page import ASSETS, read_page
from support.running_server import RunningServer

UNSAFE = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://")


@pytest.fixture(scope="module")
def client(address):
    with httpx.Client(base_url=address) as opened:
        yield opened


def test_the_page_allows_no_inline_scripts_and_no_other_host(client):
    response = client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)|https?://", response.text)


def test_each_part_of_the_page_is_served(client):
    html = client.get("/").text
    parts = re.findall(r'(?:href|src)="(assets/[^"]+)"', html)
    assert len(set(parts)) == len(list(ASSETS.iterdir())) - 1
    for part in set(parts):
        response = client.get(f"/{part}")
        assert response.status_code == 200, part
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert "default-src 'none'" in response.headers["content-security-policy"]


def test_modules_import_only_modules_that_exist():
    names = {path.name for path in ASSETS.glob("*.js")}
    for path in ASSETS.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r'from "\./([^"]+)"', text)) <= names, path.name
        assert not UNSAFE.search(text), path.name


def test_a_reload_asks_only_whether_the_page_is_current(client):
    first = client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    for tag in (first.headers["etag"], f"W/{first.headers['etag']}"):
        again = client.get("/", headers={"if-none-match": tag})
        assert (again.status_code, again.content) == (304, b"")
    assert client.get("/", headers={"if-none-match": '"other"'}).status_code == 200


def test_another_version_has_other_addresses(tmp_path):
    for name in ("index.html", "main.js"):
        (tmp_path / name).write_text('<script src="assets/VERSION/main.js">' if name == "index.html" else "1")
    before = read_page(tmp_path)
    (tmp_path / "main.js").write_text("2")
    after = read_page(tmp_path)
    assert before.version != after.version
    assert f"assets/{after.version}/main.js" in after.html.decode()


@pytest.mark.parametrize(
    "path", ["assets/0/main.js", "assets/VERSION/index.html", "assets/VERSION/..%2fpage.py", "page"]
)
def test_other_paths_are_not_found(client, path):
    version = re.search(r"assets/(\w+)/", client.get("/").text)[1]
    response = client.get(f"/{path.replace('VERSION', version)}")
    assert response.status_code == 404
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_routes_of_the_api_stay_as_they_are(client):
    assert client.get("/v1/chat/completions").status_code == 405
    assert client.post("/", json={}).status_code == 405
    assert client.get("/v1/unknown").status_code == 404
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/docs").status_code == 200


def test_the_page_needs_no_key_and_the_api_does(planner):
    with RunningServer(planner.url, keys=Keys({"ana": "0" * 64})) as server:
        address = server.url.removesuffix("/v1")
        html = httpx.get(f"{address}/")
        part = re.search(r'src="(assets/[^"]+)"', html.text)[1]
        assert (html.status_code, httpx.get(f"{address}/{part}").status_code) == (200, 200)
        assert httpx.get(f"{address}/v1/models").status_code == 401
