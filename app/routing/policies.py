"""How a unit finds its version: pure functions, the same on every machine and in every process.

A unit is hashed with the experiment's salt by SHA-256 (``hash()`` differs in every process) to a point in
[0, 10,000); versions own stretches of that line in the order of their names, so raising one's weight moves only units
into it, and no unit changes sides twice.
"""

from collections.abc import Mapping
from hashlib import sha256
from random import randrange

from app.routing.plan import WHOLE
from app.routing.units import GROUPS


def place_of(salt: str, unit: str) -> tuple[int, int]:
    """A unit's point, in [0, 10,000), and its group, which is independent of it: who is counted together.

    Salt and unit are length-prefixed, so no pair looks like another.
    """
    digest = sha256(f"{len(salt)}:{salt}{unit}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % WHOLE, digest[8] % GROUPS


def point_of(salt: str, unit: str) -> int:
    """Where a unit lies, in [0, 10,000)."""
    return place_of(salt, unit)[0]


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
