"""What does not fit, and the words for it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.errors import InvalidInput
from app.registry.manifest import Feature

MAX_REPORTED = 20
"""Fields named in one refusal. A caller with more wrong than this has one cause, not twenty."""

_STRETCH = 512
_TYPES: dict[str, frozenset[type]] = {"bool": frozenset({bool}), "string": frozenset({str})}
_NUMBERS = frozenset({int, float})
_WORDS = {bool: "true or false", str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One cell that does not fit: row, position of the feature in its block, and the words for it."""

    row: int
    position: int
    message: str


class Report:
    """Field path -> messages, no more than ``MAX_REPORTED`` fields."""

    def __init__(self) -> None:
        self._errors: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._errors)

    @property
    def full(self) -> bool:
        """Whether more would not be shown."""
        return len(self._errors) >= MAX_REPORTED

    def add(self, path: str, message: str) -> None:
        """Note a field, unless there are enough already."""
        if not self.full:
            self._errors.setdefault(path, []).append(message)

    def raise_if_any(self) -> None:
        """Raises InvalidInput when a field was noted."""
        if self._errors:
            raise InvalidInput(self._errors)


def suspects(fitted: Callable[[Sequence[Sequence[Any]]], object], column: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """The cells of stretches that do not fit as a whole, numbered: one bad cell in 100,000 is found in milliseconds."""
    for start in range(0, len(column), _STRETCH):
        stretch = column[start : start + _STRETCH]
        if fitted([stretch]) is None:
            yield from enumerate(stretch, start)


def accepted_types(feature: Feature) -> frozenset[type]:
    """The Python types JSON may deliver for this feature. ``bool`` is no number here although Python says so."""
    return _TYPES.get(feature.dtype, _NUMBERS)


def type_message(feature: Feature, value: Any) -> str:
    """What was wanted and what came."""
    wanted = {"bool": "true or false", "string": "a string"}.get(feature.dtype, "a number")
    return f"must be {wanted}, not {'null' if value is None else _WORDS.get(type(value), type(value).__name__)}"


def range_message(feature: Feature, dtype: "np.dtype[Any]", value: Any) -> str:
    """Which bound a number misses, or that its dtype cannot hold it."""
    low, high = feature.range or (None, None)
    if (low is None or value >= low) and (high is None or value <= high):
        return f"does not fit {feature.dtype if 'int' in feature.dtype else dtype.name}"
    if low is not None and high is not None:
        return f"must be between {low:.15g} and {high:.15g}"
    return f"must be at least {low:.15g}" if low is not None else f"must be at most {high:.15g}"


def category_message(feature: Feature, value: Any) -> str | None:
    """What may stand there, None where the value is among it."""
    if feature.categories is None or value in feature.categories:
        return None
    shown = ", ".join(map(str, feature.categories[:12])) + (", ..." if len(feature.categories) > 12 else "")
    return f"must be one of: {shown}"
