"""`storm push` uploads listed files after a confirmation, and nothing else: the real client, and a hub on loopback."""

import gzip
import json
import os
import shutil
import subprocess
import sys

import pytest

from storm_calm.rl.push import plan_push
from support.hub_server import TOKEN, hub_server

pytest.importorskip("huggingface_hub")


@pytest.fixture
def hub():
    with hub_server() as hub:
        yield hub


@pytest.fixture
def run(tmp_path):
    """A run folder with files of all kinds."""
    folder = tmp_path / "first run"
    (folder / "episodes").mkdir(parents=True)
    (folder / "workspaces").mkdir()
    for number in range(2):
        line = json.dumps({"id": f"p{number}", "text": "x" * 2000}).encode() + b"\n"
        (folder / "episodes" / f"part-0000{number}.jsonl.gz").write_bytes(gzip.compress(line))
    (folder / "golden.jsonl").write_text('{"id": "p1"}\n')
    (folder / "summary.json").write_text('{"problems": 20000, "golden": 1}')
    config = 'format_version = 1\nreasoner = "http://gpu7.internal:8000/v1"\nseed = 3\nproblems = "/home/ada/p.jsonl"\n'
    (folder / "config.toml").write_text(config)
    for name in (
        "checkpoints.sqlite",
        "intervener_replies.jsonl",
        ".lock",
        "report.html",
        "notes.txt",
        "episodes/index.sqlite",
    ):
        (folder / name).write_text("not for others")
    return folder


def storm(hub, run, *options, token=TOKEN, **environment):
    """Run `storm push` in a process whose hub is `hub`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    own = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(run.parent / "hf"), **environment}
    if token:
        own["HF_TOKEN"] = token
    words = [
        sys.executable,
        "-c",
        "from storm_calm.cli.main import app; app()",
        "push",
        str(run),
        "--repo",
        "ada/first-run",
        *options,
    ]
    return subprocess.run(words, env=kept | own, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


@pytest.mark.slow
def test_only_listed_files_are_uploaded_with_a_card(hub, run):
    done = storm(hub, run, "--yes")
    assert done.returncode == 0, done.stderr
    repo = hub.repos["ada/first-run"]
    assert repo["private"]
    assert sorted(repo["files"]) == [
        ".gitattributes",
        "README.md",
        "episodes/part-00000.jsonl.gz",
        "episodes/part-00001.jsonl.gz",
        "golden.jsonl",
        "summary.json",
    ]
    assert repo["files"]["golden.jsonl"] == (run / "golden.jsonl").read_bytes()
    assert repo["files"]["episodes/part-00001.jsonl.gz"] == (run / "episodes" / "part-00001.jsonl.gz").read_bytes()
    card = repo["files"]["README.md"].decode()
    assert "| problems | 20,000 |" in card
    assert 'load_dataset("ada/first-run", "episodes", split="train")' in card
    assert not any(secret in card for secret in ("gpu7", "/home/ada", TOKEN))
    assert TOKEN not in done.stdout + done.stderr
    assert f"{hub.url}/datasets/ada/first-run: uploaded" in done.stdout
    # The run grew: the same command updates its own data set, and sends no object twice.
    (run / "golden.jsonl").write_text('{"id": "p1"}\n{"id": "p2"}\n')
    assert storm(hub, run, "--yes").returncode == 0
    assert hub.repos["ada/first-run"]["files"]["golden.jsonl"].count(b"\n") == 2
    assert len(hub.uploads) == len(set(hub.uploads)) == 2


@pytest.mark.slow
def test_without_a_confirmation_the_hub_is_not_contacted(hub, run):
    done = storm(hub, run)
    assert (done.returncode, hub.requests) == (2, [])
    assert "nothing was uploaded; confirm with --yes" in done.stderr
    assert "episodes/part-00000.jsonl.gz" in done.stdout
    assert "data set ada/first-run (private), 5 files" in done.stdout


@pytest.mark.slow
def test_a_data_set_with_other_content_is_left_as_it_is(hub, run):
    hub.repos["ada/first-run"] = {"private": True, "files": {"README.md": b"mine", "golden.jsonl": b"mine"}}
    done = storm(hub, run, "--yes")
    assert (done.returncode, hub.commits) == (2, 0)
    assert "ada/first-run: has files that are not of this run; choose another --repo" in done.stderr
    hub.repos["ada/first-run"] = {"private": False, "files": {}}
    done = storm(hub, run, "--yes")
    assert (done.returncode, hub.commits) == (2, 0)
    assert "exists and is public, not private; give --public, or choose another --repo" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failure", "token", "message"),
    [
        ({}, None, "no token of the hub; set HF_TOKEN"),
        ({}, "hf_wrong", "the hub does not accept the token"),
        ({"/api/repos/create": [403, 9]}, TOKEN, "the token may not write there"),
        ({"/commit/main": [500, 99]}, TOKEN, "the hub answered 500"),
    ],
)
def test_errors_of_the_hub_have_a_reason_and_no_token(hub, run, failure, token, message):
    hub.fail = failure
    done = storm(hub, run, "--yes", token=token)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert hub.commits == 0


@pytest.mark.slow
def test_the_same_command_continues_after_an_error(hub, run):
    hub.fail = {"/commit/main": [500, 1]}
    assert storm(hub, run, "--yes").returncode == 1
    sent = list(hub.uploads)
    assert len(sent) == 2
    assert storm(hub, run, "--yes").returncode == 0
    assert (hub.uploads, hub.commits) == (sent, 1)


def test_a_file_with_a_secret_is_not_uploaded_and_the_secret_not_shown(run, monkeypatch):
    monkeypatch.setenv("STORM_JUDGE_KEY", "correct-horse-battery")
    with gzip.open(run / "episodes" / "part-00001.jsonl.gz", "ab") as file:
        file.write(b"y" * (1 << 20) + b"correct-horse-battery\n")
    with pytest.raises(ValueError, match=r"part-00001\.jsonl\.gz: contains the value of STORM_JUDGE_KEY") as caught:
        plan_push(run, "ada/first-run", private=True)
    assert "battery" not in str(caught.value)


def test_a_text_like_an_api_key_is_not_uploaded(run):
    (run / "golden.jsonl").write_text(json.dumps({"text": TOKEN}))
    with pytest.raises(ValueError, match=r"golden\.jsonl: contains a text like an API key"):
        plan_push(run, "ada/first-run", private=True)


def test_a_link_is_not_followed(run, tmp_path):
    (tmp_path / "private.jsonl").write_text("{}")
    (run / "golden.jsonl").unlink()
    (run / "golden.jsonl").symlink_to(tmp_path / "private.jsonl")
    with pytest.raises(ValueError, match="is a link"):
        plan_push(run, "ada/first-run", private=True)


def test_a_wrong_repo_or_folder_is_an_error(run, tmp_path):
    with pytest.raises(ValueError, match="--repo: 'first' is not OWNER/NAME"):
        plan_push(run, "first", private=True)
    with pytest.raises(ValueError, match=r"config\.toml is missing"):
        plan_push(tmp_path, "ada/x", private=True)
    shutil.rmtree(run / "episodes")
    with pytest.raises(ValueError, match="has no records"):
        plan_push(run, "ada/x", private=True)
