"""A pipe for what writes lines."""

from collections.abc import Iterator

import pytest

from tests.pipes import Pipe


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Small, and nobody reads it unless the test does."""
    made = Pipe()
    yield made
    made.close()
