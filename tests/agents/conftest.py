"""A sandbox for the whole session: programs of the tests really run."""

import pytest

from storm_calm.sandbox import open_sandbox
from support.shared_sandbox import shared_sandbox

__all__ = ["shared_sandbox"]


@pytest.fixture(scope="session")
def sandbox():
    with open_sandbox(minimum_isolation="limits") as opened:
        yield opened
