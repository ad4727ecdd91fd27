"""What a demo model's training hands back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from app.registry.manifest import Manifest

reproducible = threadpool_limits.wrap(limits=1)
"""For a training: one thread adds up numbers in one order, so the number of cores makes no difference."""


@dataclass(frozen=True)
class Trained:
    """A model and its held-out rows.

    ``manifest`` has no golden rows yet. ``rows`` are as a caller would send them (None for a missing value), and
    ``expected`` is the estimator's own answer for each: probabilities of shape (rows, labels), or values of shape
    (rows,). ``score`` is what the estimator reaches on those rows, in words.
    """

    manifest: Manifest
    model: bytes
    rows: Sequence[Mapping[str, Any]]
    expected: NDArray[Any]
    score: str
