"""What the outputs mean: which is the label, which holds probabilities, and what the columns of those are called.

A name proves nothing: converters call the distances of a support vector machine "probabilities" as well. So an output
is taken for probabilities only when the numbers the model really gives are shares of one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.registry.intake.options import IntakeRefused, Options
from app.registry.manifest import Role, Task
from app.runtimes.base import TensorSpec
from app.tensors import Array

_SUM_TOLERANCE = 1e-3
_ROWS_FOR_PROOF = 8
"""A single column of distances may by chance lie between 0 and 1 in fewer rows than this."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """The reading of a model's outputs. ``roles`` has every output."""

    task: Task
    roles: Mapping[str, Role]
    labels: tuple[Any, ...]
    notes: tuple[str, ...] = ()

    @property
    def has_shares(self) -> bool:
        """Whether callers get probabilities."""
        return bool({"probabilities", "logits"} & set(self.roles.values()))


def read_meaning(
    outputs: Sequence[TensorSpec], arrays: Mapping[str, Array], labels: tuple[Any, ...], options: Options
) -> Meaning:
    """Read the outputs of a run (``arrays``, empty when no row is known that the model takes).

    Raises:
        IntakeRefused: what a person said does not fit what the model gives.
    """
    return _Reading(outputs, arrays, labels, options).meaning()


class _Reading:
    def __init__(
        self, outputs: Sequence[TensorSpec], arrays: Mapping[str, Array], labels: tuple[Any, ...], options: Options
    ) -> None:
        self._arrays = arrays
        self._options = options
        self._names = [item.name for item in outputs]
        self._words = [item.name for item in outputs if item.dtype == "string" or "int" in item.dtype]
        self._numbers = [item.name for item in outputs if item.dtype.startswith("float") or item.dtype == "map"]
        self._texts = [item.name for item in outputs if item.dtype == "string"]
        self._labels = labels
        self._notes: list[str] = []

    def meaning(self) -> Meaning:
        asked = self._asked_for()
        task = self._options.task or self._guess()
        told = {"classification": self._classification, "regression": self._regression, "raw": dict}[task]()
        roles: dict[str, Role] = dict.fromkeys(self._names, "raw")
        roles |= {**told, **asked}
        labels = self._labels if task == "classification" else ()
        return Meaning(task, roles, labels, tuple(self._notes))

    def _guess(self) -> Task:
        shares = next((name for name in self._numbers if self._are_shares(name)), None)
        if self._named("probabilities") or self._named("logits"):
            return "classification"
        if self._labels or any(map(self._is_label, self._texts)) or (shares and not self._words):
            return "classification"
        if len(self._numbers) == 1 and not self._words:
            return "regression"
        self._notes.append("The outputs are answered as they are; --task and --role NAME=ROLE can give them a meaning.")
        return "raw"

    def _regression(self) -> dict[str, Role]:
        if not self._numbers:
            raise IntakeRefused(
                "A regression needs an output of numbers, and the model has none; choose another --task."
            )
        if not self._options.task:
            self._notes.append(
                f"Taken for a regression: '{self._numbers[0]}' is the prediction. If it holds class scores, name the"
                " classes in order with --labels."
            )
        return {self._numbers[0]: "value"}

    def _classification(self) -> dict[str, Role]:
        label = next((name for name in self._words if self._is_label(name)), None)
        shares = self._named("probabilities")
        logits = self._named("logits")
        if not shares and not logits:
            shares = next((name for name in self._numbers if self._are_shares(name)), None)
            logits = None if shares or label else next(iter(self._numbers), None)
        self._name_classes(shares or logits)
        if not shares and not logits and self._numbers:
            self._notes.append(self._no_shares_note())
        if logits:
            self._check_width(logits)
        told: dict[str | None, Role] = {logits: "logits", shares: "probabilities", label: "label"}
        return {name: role for name, role in told.items() if name}

    def _no_shares_note(self) -> str:
        name = self._numbers[0]
        if not self._arrays:
            return f"Whether '{name}' holds probabilities could not be tried; give rows with --sample."
        return f"'{name}' holds scores, not probabilities, and is answered under 'outputs'."

    def _name_classes(self, scores: str | None) -> None:
        """Without names in the file or from a person, classes are called by their number."""
        if self._labels or scores is None:
            return
        self._labels = tuple(range(max(2, self._width(scores))))
        self._notes.append(f"The classes are called 0 to {len(self._labels) - 1}; --labels names them, in order.")

    def _check_width(self, name: str) -> None:
        width = self._width(name)
        if width != len(self._labels) and (width, len(self._labels)) != (1, 2):
            raise IntakeRefused(
                f"'{name}' has {width} columns, and there are {len(self._labels)} labels; see --labels."
            )

    def _named(self, role: Role) -> str | None:
        """The output to which a person gave this role."""
        return next((name for name, named in self._options.roles.items() if named == role), None)

    def _asked_for(self) -> Mapping[str, Role]:
        unknown = [name for name in self._options.roles if name not in self._names]
        if unknown:
            raise IntakeRefused(f"--role names '{unknown[0]}'; the outputs are {', '.join(self._names)}.")
        return self._options.roles

    def _is_label(self, name: str) -> bool:
        array = self._arrays.get(name)
        if array is None:
            return True
        return array.size == len(array) and (not self._labels or set(array.ravel().tolist()) <= set(self._labels))

    def _are_shares(self, name: str) -> bool:
        if name not in self._arrays:
            return False
        table = self._arrays[name].reshape(len(self._arrays[name]), -1)
        if not np.isfinite(table).all() or (table < -_SUM_TOLERANCE).any() or (table > 1 + _SUM_TOLERANCE).any():
            return False
        if table.shape[1] == 1:
            return len(self._labels) == 2 and len(table) >= _ROWS_FOR_PROOF and self._array_of_label_agrees(table)
        fits = not self._labels or table.shape[1] == len(self._labels)
        return fits and bool(np.allclose(table.sum(axis=1), 1, atol=_SUM_TOLERANCE))

    def _array_of_label_agrees(self, table: Array) -> bool:
        """A label beside a single share must be the second class exactly where the share is above one half."""
        label = next((name for name in self._words if name in self._arrays), None)
        if label is None:
            return True
        return bool(((self._arrays[label].ravel() == self._labels[1]) == (table[:, 0] > 0.5)).all())

    def _width(self, name: str) -> int:
        array = self._arrays.get(name)
        return 1 if array is None else int(np.prod(array.shape[1:]))
