"""A Hugging Face Hub on loopback: data sets with their files, as far as an upload by `huggingface_hub` needs it."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_" + "a1B2" * 9
"""The only token that the hub accepts."""


class Hub:
    """The state of the hub. Set `fail` to answer matching requests with a status."""

    def __init__(self):
        self.url = ""
        self.repos = {}  # name -> {"private": bool, "files": {path: bytes}}
        self.objects = {}  # sha256 -> bytes
        self.requests = []  # (method, path)
        self.uploads = []  # sha256 of each object that was sent
        self.commits = 0
        self.fail = {}  # part of "METHOD path" -> [status, times]

    def failure(self, request):
        for part, left in self.fail.items():
            if part in request and left[1]:
                left[1] -= 1
                return left[0]
        return None


@contextmanager
def hub_server():
    """Yield a running `Hub`."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def handler(hub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            self.respond()

        do_HEAD = do_POST = do_PUT = do_GET

        def respond(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            hub.requests.append((self.command, path))
            status = hub.failure(f"{self.command} {path}")
            if status is not None:
                return self.answer({"error": "made to fail"}, status)
            # Objects are sent to a storage that has its own signed URLs.
            if not path.startswith("/objects/") and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.answer({"error": "Invalid credentials"}, 401)
            return self.route(path, body)

        def route(self, path, body):
            if path == "/api/repos/create":
                return self.create(json.loads(body))
            if path == "/api/validate-yaml":
                return self.answer({"errors": [], "warnings": []})
            if match := re.fullmatch(r"/objects/(\w+)", path):
                assert hashlib.sha256(body).hexdigest() == match[1]
                hub.objects[match[1]] = body
                hub.uploads.append(match[1])
                return self.answer({})
            name = re.match(r"(?:/api)?/datasets/([^/]+/[^/]+?)(?:\.git)?(?=/|$)", path)[1]
            repo = hub.repos.get(name)
            if repo is None:
                return self.answer({"error": "Repository not found"}, 404)
            if path.endswith("/preupload/main"):
                files = [
                    {
                        "path": one["path"],
                        "uploadMode": "lfs" if one["path"].endswith((".gz", ".parquet")) else "regular",
                        "shouldIgnore": False,
                        "oid": None,
                    }
                    for one in json.loads(body)["files"]
                ]
                return self.answer({"files": files, "commitOid": "0" * 40})
            if path.endswith("/info/lfs/objects/batch"):
                return self.answer(
                    {"transfer": "basic", "objects": [self.object(one) for one in json.loads(body)["objects"]]}
                )
            if path.endswith("/commit/main"):
                return self.commit(name, repo, body)
            if "/resolve/main/" in path:
                return self.file(repo, path.partition("/resolve/main/")[2])
            files = [{"rfilename": one} for one in repo["files"]]
            return self.answer({"id": name, "private": repo["private"], "siblings": files, "sha": "0" * 40, "tags": []})

        def create(self, wanted):
            name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
            found = {"url": f"{hub.url}/datasets/{name}", "id": name, "name": name}
            if name in hub.repos:
                return self.answer({"error": "You already created this dataset repo", **found}, 409)
            hub.repos[name] = {"private": wanted.get("visibility") == "private", "files": {".gitattributes": b""}}
            return self.answer(found)

        def object(self, one):
            if one["oid"] in hub.objects:
                return {**one}
            return {**one, "actions": {"upload": {"href": f"{hub.url}/objects/{one['oid']}", "header": {}}}}

        def commit(self, name, repo, body):
            files = dict(repo["files"])
            for line in body.splitlines():
                item = json.loads(line)
                value = item["value"]
                if item["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif item["key"] == "lfsFile":
                    files[value["path"]] = hub.objects[value["oid"]]
            repo["files"] = files
            hub.commits += 1
            return self.answer({"commitUrl": f"{hub.url}/datasets/{name}/commit/{'1' * 40}", "commitOid": "1" * 40})

        def file(self, repo, name):
            if name not in repo["files"]:
                return self.answer({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
            content = repo["files"][name]
            headers = {"X-Repo-Commit": "1" * 40, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
            return self.send(200, content, "text/plain", headers)

        def answer(self, data, status=200, headers=None):
            return self.send(status, json.dumps(data).encode(), "application/json", headers or {})

        def send(self, status, content, kind, headers):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    return Handler
