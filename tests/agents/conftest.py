"""A sandbox for the whole session: programs of the tests really run."""

import pytest

from sandbox import open_sandbox


@pytest.fixture(scope="session")
def sandbox():
    with open_sandbox(minimum_tier="limits") as opened:
        yield opened
