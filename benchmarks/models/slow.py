"""The costly model: the small one, run again and again until a row takes 5 ms."""

import hashlib
from dataclasses import replace

from app.registry.manifest import Manifest
from benchmarks.models.slowed import slowed_down
from benchmarks.models.trees import trained
from benchmarks.rows import rows_like

SECONDS = 0.005


def slow() -> tuple[Manifest, bytes]:
    """Its manifest and its file."""
    manifest, model = trained()
    slowed = slowed_down(model, rows_like(1), SECONDS)
    return replace(manifest, sha256=hashlib.sha256(slowed).hexdigest()), slowed
