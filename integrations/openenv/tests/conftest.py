"""One sandbox for all tests."""

import pytest

from storm_calm.sandbox import open_sandbox


@pytest.fixture(scope="session")
def sandbox():
    with open_sandbox() as sandbox:
        yield sandbox
