"""Fake servers, scripted models and helpers that several test modules share."""

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
"""The folder of the tests. A process started in it can run `python -m support.x`."""
REPOSITORY = TESTS.parent
