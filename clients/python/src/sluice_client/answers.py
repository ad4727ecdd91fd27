"""Answers as objects, and as numpy and pandas have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_KNOWN = frozenset({"prediction", "probability", "probabilities", "outputs"})
_ABOUT = frozenset({"predictions", "model", "model_version", "cached", "request_id"})


@dataclass(frozen=True)
class Prediction:
    """One row's answer.

    ``value`` is the label, the number or the list of numbers; ``probability`` is that of the positive label, or else of
    the predicted one; ``outputs`` are outputs of the model without a meaning of their own. ``more`` holds what this
    model adds by its own name: a named probability, the id of whom the row is about.
    """

    value: Any
    probability: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    model_version: str = ""
    cached: bool = False
    request_id: str = ""

    def __getitem__(self, name: str) -> Any:
        """A member by the name it has in JSON: ``prediction["churn_probability"]``."""
        if name in self.more:
            return self.more[name]
        return self.value if name == "prediction" else getattr(self, name)


class Predictions(Sequence[Prediction]):
    """The answers of many rows, in their order."""

    def __init__(self, rows: Sequence[Prediction]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self._rows)

    @overload
    def __getitem__(self, at: int) -> Prediction: ...

    @overload
    def __getitem__(self, at: slice) -> Predictions: ...

    def __getitem__(self, at: int | slice) -> Prediction | Predictions:
        return Predictions(self._rows[at]) if isinstance(at, slice) else self._rows[at]

    def __repr__(self) -> str:
        return f"Predictions({list(self._rows[:3])!r}{', ...' if len(self) > 3 else ''})"

    @property
    def values(self) -> list[Any]:
        """The labels or numbers alone."""
        return [row.value for row in self._rows]

    def to_numpy(self) -> np.ndarray[Any, Any]:
        """``values`` as an array: (rows,), or (rows, n) of a model that answers n numbers."""
        import numpy as np  # noqa: PLC0415 - optional

        return np.array(self.values)

    def probabilities(self) -> np.ndarray[Any, Any]:
        """A matrix with one column per label, in the order of the first row's ``probabilities``."""
        import numpy as np  # noqa: PLC0415 - optional

        labels = list(self._rows[0].probabilities) if self._rows else []
        return np.array([[row.probabilities[label] for label in labels] for row in self._rows])

    def to_pandas(self, index: Any = None) -> pd.DataFrame:
        """One line per row: ``prediction``, ``probability``, ``probability_<label>``, and what the model adds."""
        import pandas as pd  # noqa: PLC0415 - optional

        return pd.DataFrame([_flat(row) for row in self._rows], index=index)


def read_one(body: Mapping[str, Any]) -> Prediction:
    """The answer to a single row."""
    return _row(body, body)


def read_many(body: Mapping[str, Any]) -> Predictions:
    """The answer to several rows."""
    return Predictions([_row(row, body) for row in body["predictions"]])


def _row(row: Mapping[str, Any], about: Mapping[str, Any]) -> Prediction:
    return Prediction(
        value=row["prediction"],
        probability=row.get("probability"),
        probabilities=row.get("probabilities", {}),
        outputs=row.get("outputs", {}),
        more={name: value for name, value in row.items() if name not in _KNOWN and name not in _ABOUT},
        model=about["model"],
        model_version=about["model_version"],
        cached=about["cached"],
        request_id=about["request_id"],
    )


def _flat(row: Prediction) -> dict[str, Any]:
    line = {**row.more, "prediction": row.value}
    if row.probability is not None:
        line["probability"] = row.probability
    return line | {f"probability_{label}": share for label, share in row.probabilities.items()} | dict(row.outputs)
