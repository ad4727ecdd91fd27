"""How a unit finds its version: pure functions, the same on every machine and in every process.

A unit is hashed with the experiment's salt by SHA-256 (``hash()`` differs in every process) to a point in
[0, 10,000); versions own stretches of that line in the order of their names, so raising one's weight moves only units
into it, and no unit changes sides twice.
"""

from collections.abc import Mapping
from hashlib import sha256
from random import randrange

from app.routing.plan import WHOLE


def point_of(salt: str, unit: str) -> int:
    """Where a unit lies, in [0, 10,000). Salt and unit are length-prefixed, so no pair looks like another."""
    data = f"{len(salt)}:{salt}{unit}".encode("utf-8", "surrogatepass")
    return int.from_bytes(sha256(data).digest()[:8], "big") % WHOLE


def version_at(point: int, weights: Mapping[str, int], order: tuple[str, ...]) -> str:
    """The version that owns a point; ``order`` lists every version with weight, the newest last."""
    for version in reversed(order):
        point -= weights[version]
        if point < 0:
            return version
    return order[0]


def random_point() -> int:
    """A point for a request that sticks to nothing."""
    return randrange(WHOLE)  # noqa: S311  dealing traffic, not secrets
