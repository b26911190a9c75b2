"""A real sandbox for the examination of plans."""

import pytest

from storm_calm.sandbox import open_sandbox


@pytest.fixture(scope="session")
def sandbox():
    with open_sandbox(workers=2) as opened:
        yield opened
