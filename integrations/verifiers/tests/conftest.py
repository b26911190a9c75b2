"""For all tests: verifiers keeps its files out of the home folder of the user."""

import pytest
from verifiers.v1.runtimes import subprocess


@pytest.fixture(autouse=True)
def no_files_at_home(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(subprocess, "CACHE_DIR", tmp_path_factory.mktemp("cache"))
