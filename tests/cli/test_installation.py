"""`storm doctor` alone: what of the installation is there, what is missing for what, and what to do."""

import json
import os
import socket
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from storm_calm.cli import installation
from storm_calm.cli.installation import EXTRAS, PORTS, missing_packages

HOUSE = Path(__file__).resolve().parents[2]


@pytest.fixture
def checks(storm):
    """Return a function that returns the exit code, and the checks by name."""

    def checks():
        result = storm("doctor", "--json")
        assert result.stderr == ""
        return result.exit_code, {check["name"]: check for check in json.loads(result.stdout)["checks"]}

    return checks


def without(monkeypatch, *packages):
    """Let these packages be missing."""
    version = metadata.version

    def installed(name):
        if name in packages:
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", installed)


def test_a_working_installation_has_no_problem(checks):
    code, found = checks()
    assert code == 0
    assert {name for name, check in found.items() if check["state"] == "problem"} == set()
    assert {"storm-calm", "machine", "sandbox", "docker", "GPU", "folder", "temporary files", "port 8000"} <= set(found)
    assert "isolation level" in found["sandbox"]["figure"]
    assert found["[serve]"]["state"] == "ok"


def test_every_extra_for_users_is_checked():
    extras = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"docs", "test"}


def test_a_missing_extra_is_named_with_its_use_and_how_to_add_it(checks, storm, monkeypatch):
    without(monkeypatch, "uvicorn", "fastapi")
    code, found = checks()
    assert code == 0
    assert found["[serve]"]["state"] == "missing"
    assert found["[serve]"]["figure"] == "storm serve, storm review, storm view --serve; missing: fastapi, uvicorn"
    # It includes the other.
    assert found["[studio]"]["state"] == "missing"
    shown = " ".join(storm("doctor").stdout.split())
    assert "add for storm serve, storm review, storm view --serve: pip install 'storm-calm[serve]'" in shown


def test_a_missing_or_wrong_library_is_a_problem(checks, monkeypatch):
    without(monkeypatch, "pulp")
    monkeypatch.setattr(installation, "EXTRAS", {})
    code, found = checks()
    assert code == 1
    assert found["storm-calm"]["state"] == "problem"
    assert found["storm-calm"]["figure"].endswith("missing: pulp")
    monkeypatch.undo()
    monkeypatch.setattr(metadata, "version", lambda name: "0.0.1")
    assert "pulp <4,>=3.0 (not 0.0.1)" in missing_packages()


def test_a_port_in_use_and_a_folder_that_cannot_be_written_are_reported(checks, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        monkeypatch.setattr(installation, "PORTS", {number: PORTS[8000]})
        os.chdir("/proc")
        code, found = checks()
    assert code == 1
    assert (found["folder"]["state"], found["folder"]["advice"]) == ("problem", "use another folder")
    assert found[f"port {number}"]["state"] == "warning"
    assert found[f"port {number}"]["figure"] == "Address already in use; it is the default of storm serve"


def test_docker_and_gpu_are_optional(checks, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, found = checks()
    assert code == 0
    assert (found["docker"]["state"], found["GPU"]["state"]) == ("missing", "missing")
    for name, output in (("docker", "27.3.1"), ("nvidia-smi", "NVIDIA H200, 143771 MiB")):
        command = tmp_path / name
        command.write_text(f"#!/bin/sh\necho '{output}'\n")
        command.chmod(0o755)
    found = checks()[1]
    assert (found["docker"]["figure"], found["GPU"]["figure"]) == ("engine 27.3.1", "NVIDIA H200, 143771 MiB")
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'Cannot connect' >&2\nexit 1\n")
    found = checks()[1]
    assert found["docker"]["state"] == "warning"
    assert "Cannot connect" in found["docker"]["figure"]


def test_a_sandbox_that_cannot_run_programs_is_a_problem(checks, monkeypatch):
    def broken(*arguments, **options):
        from storm_calm.sandbox import SandboxUnavailableError

        raise SandboxUnavailableError("no fork server")

    monkeypatch.setattr("storm_calm.sandbox.open_sandbox", broken)
    code, found = checks()
    assert code == 1
    assert (found["sandbox"]["state"], found["sandbox"]["figure"]) == ("problem", "no fork server")
