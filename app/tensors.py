"""The objects every door speaks: rows as the caller wrote them, a request, and a prediction.

Rows stay in the shape they arrived in until the version that will answer is known, because only a version's manifest
can say what a row means. ``path`` is a template that names a row to its sender: ``features`` or ``instances[{i}]``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Feed = dict[str, Array]
"""ONNX input name -> array whose first axis is the row."""


@dataclass(frozen=True, slots=True)
class Records:
    """Rows that name their features: ``[{"tenure": 3, ...}, ...]``."""

    rows: Sequence[Mapping[str, Any]]
    path: str = "instances[{i}]"


class NumberRows(Sequence[list[Any]]):
    """Rows of numbers as one array, ``matrix`` of shape (rows, width) in float64; indexing gives rows as written.

    ``read`` makes those rows. It is called at the first look at one, which a clean request never takes.
    """

    def __init__(self, matrix: Array, read: Callable[[], list[list[Any]]]) -> None:
        self.matrix = matrix
        self._read = read

    @cached_property
    def _rows(self) -> list[list[Any]]:
        return self._read()

    def __len__(self) -> int:
        return len(self.matrix)

    def __getitem__(self, at: Any) -> Any:
        return self._rows[at]

    def __iter__(self) -> Iterator[list[Any]]:
        return iter(self._rows)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in the manifest's feature order: ``[[3, "DSL", ...], ...]``.

    ``numbers_only`` is the door's proof that every value is a JSON number (no string, boolean or null), which spares
    the encoder a look at the type of each.
    """

    rows: Sequence[Sequence[Any]]
    path: str = "instances[{i}]"
    numbers_only: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """One list per feature, all of the same length: ``{"tenure": [3, 12], ...}``.

    ``text`` says that every cell is text, to be read as its feature's dtype wants it; an empty one is missing.
    """

    columns: Mapping[str, Sequence[Any]]
    path: str = "columns"
    text: bool = False


def all_true(mask: Array) -> bool:
    """``mask.all()`` for booleans, at a fifth of its price for the few values of one row."""
    return b"\0" not in mask.tobytes()


@dataclass(frozen=True, slots=True)
class Tensors:
    """Arrays as a binary protocol delivers them, by name: ``{"X": (rows, 20) float32}`` or ``{"age": (rows,) int32}``.

    A name is that of an ONNX input, whose array then has that input's shape, or that of a feature; the entity key may
    come along. Texts are object arrays of ``str``. NaN is a missing value, and so is None in an object array, which may
    hold numbers too: as JSON wrote them, where some were null. ``path`` names a tensor to its sender, by its position
    ``{i}`` or, where tensors are columns of a table, by ``{name}``. ``exact`` demands the dtype of the input or
    feature, or one that it holds without loss; without it numbers are rounded as those of JSON are. ``declared`` is the
    dtype of tensors that came as text: their arrays hold what was written, float64 where float32 was meant, so that
    bounds are held against the same digits as those of other rows.
    """

    columns: Mapping[str, Array]
    path: str = "inputs[{i}]"
    exact: bool = True
    declared: Mapping[str, "np.dtype[Any]"] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The length of the first axis of the first tensor; the others must agree, which the encoder checks."""
        first = next(iter(self.columns.values()), None)
        return 0 if first is None or not first.ndim else len(first)


Instances = Records | Rows | Columns | Tensors


def first_entity(instances: Instances, key: str) -> Any:
    """Whom the first row is about, None where it does not say."""
    if isinstance(instances, Records):
        return instances.rows[0].get(key) if instances.rows else None
    if isinstance(instances, Rows):
        return None
    values = instances.columns.get(key)
    return None if values is None or not len(values) else np.asarray(values, dtype=np.object_).flat[0]


def row_count(instances: Instances) -> int:
    """How many rows there are, as far as can be told before they are checked: of uneven columns, the longest."""
    if isinstance(instances, Tensors):
        return instances.rows
    if isinstance(instances, Columns):
        return max(map(len, instances.columns.values()), default=0)
    return len(instances.rows)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far a caller trusts the cache. ``force`` remembers even where that does not pay (warming)."""

    read: bool = True
    store: bool = True
    max_age: float | None = None
    force: bool = False


ANY_AGE = Freshness()


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller wants predicted. ``version`` None leaves the choice to the server.

    ``override`` says that the version was named in a header, not in the address. ``unit`` is what sticks to a version
    under a traffic plan.
    """

    model: str
    version: str | None
    instances: Instances
    freshness: Freshness = ANY_AGE
    unit: str | None = None
    override: bool = False


Reason = Literal["default", "explicit", "override", "sticky", "weight", "fallback"]
"""Why a version answers. ``default``: nobody chose one. ``explicit``, ``override``: the address, or a header, named it.
``sticky``, ``weight``: the traffic plan chose it, by the request's unit or at random. ``fallback``: the version that
the plan chose could not answer."""


Source = Literal["hit-l1", "hit-l2", "miss", "bypass"]
"""Where an answer came from; of several rows, the farthest."""


class Reader(Protocol):
    """Knows what one version's outputs mean (``registry.interpreter``)."""

    def rows(self, outputs: Mapping[str, Array], path: str) -> list[dict[str, Any]]:
        """One JSON-ready mapping per row."""
        ...

    def refuse_gaps(self, outputs: Mapping[str, Array], path: str) -> None:
        """Raises InvalidInput for rows with an output that is not finite."""
        ...


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer of one version: ONNX output name -> array of ``rows`` rows, maps already laid out as columns."""

    model: str
    version: str
    outputs: Mapping[str, Array]
    rows: int
    reader: Reader
    source: Source = "bypass"
    age: int = 0
    reason: Reason = "default"
    variant: str | None = None

    @property
    def cached(self) -> bool:
        """True when every row came from the cache."""
        return self.source in {"hit-l1", "hit-l2"}

    def answers(self, path: str) -> list[dict[str, Any]]:
        """``prediction``, ``probability``, ... of each row; ``path`` names a row to the caller in an error.

        Raises:
            InvalidInput: a row has no finite answer.
        """
        return self.reader.rows(self.outputs, path)

    def arrays(self, path: str) -> Mapping[str, Array]:
        """The outputs as they are, for protocols that speak of tensors.

        Raises:
            InvalidInput: a row has no finite answer. Some of these protocols could say NaN, but the same rows have the
                same verdict everywhere.
        """
        self.reader.refuse_gaps(self.outputs, path)
        return self.outputs


NUMPY_DTYPES: dict[str, Any] = {
    "float16": np.float16,
    "float32": np.float32,
    "float64": np.float64,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "bool": np.bool_,
    "string": np.object_,
}
"""The dtypes a manifest may name, and how numpy holds them."""
