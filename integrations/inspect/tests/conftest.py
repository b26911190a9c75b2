"""Keep Inspect's logs, caches and hooks out of the project and off the network."""

import os

import pytest

for name in ("INSPECT_TELEMETRY", "INSPECT_API_KEY_OVERRIDE", "INSPECT_REQUIRED_HOOKS"):
    os.environ.pop(name, None)
os.environ |= {"INSPECT_DISPLAY": "none", "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def in_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
