"""One server over tiny models for all tests that only ask it things."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.registry.repository import Repository
from tests.models import echo, everything, fragile, identity, image, linear, square_root
from tests.servers import Server

GOOD: dict[str, Any] = {
    "age": 30.5, "income": 5.5, "score": 0.5, "visits": 3, "member": True, "count": 4, "city": "Oslo", "note": "x",
}  # fmt: skip
"""A row of the model ``everything``; the answer is 44.5."""

DATATYPES = {"FP16": "FLOAT16", "FP32": "FLOAT", "FP64": "DOUBLE", "BOOL": "BOOL"}
DATATYPES |= {f"{sign}INT{bits}": f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
"""The inference protocol's names for numbers, and onnx's; there is a model ``echo_<ours>`` for each."""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """everything, linear, identity (20 wide), image, roots (NaN below zero), fragile (raises beyond 2), echoes."""
    folder = tmp_path_factory.mktemp("tiny")
    repository = Repository(folder / "models")
    for model in (everything(), linear(), identity(20), image(), square_root(), fragile()):
        model.add(repository)
    for ours, theirs in DATATYPES.items():
        echo(theirs, f"echo_{ours}").add(repository)
    with Server(folder, models=folder / "models") as running:
        yield running


@pytest.fixture
def good() -> dict[str, Any]:
    """A row of ``everything`` to spoil."""
    return dict(GOOD)
