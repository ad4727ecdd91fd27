"""The manifest of a model of this race: 20 numbers in, a label and two probabilities out."""

import hashlib
from typing import Any

from numpy.typing import NDArray

from app.registry.manifest import Feature, GoldenRow, Manifest, Output


def described(name: str, model: bytes, row: NDArray[Any], probabilities: list[float]) -> Manifest:
    """With one golden row, whose probabilities are known."""
    golden = GoldenRow(
        {f"f{at}": float(value) for at, value in enumerate(row)},
        {"probabilities": probabilities},
    )
    return Manifest(
        name=name,
        version="v1",
        created="2026-11-22T00:00:00Z",
        source=f"benchmarks/models for {name}",
        sha256=hashlib.sha256(model).hexdigest(),
        task="classification",
        features=tuple(Feature(f"f{at}", "float32", "X") for at in range(len(row))),
        outputs=(Output("label", "label"), Output("probabilities", "probabilities")),
        labels=(0, 1),
        golden=(golden,),
    )
