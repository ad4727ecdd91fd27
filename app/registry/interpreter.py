"""What a model's outputs mean: from raw arrays to ``prediction``, ``probability`` and ``probabilities``.

The numbers are the runtime's own, only laid out; ``tolist`` widens float32 to a Python float, which is exact.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.errors import InvalidInput
from app.registry.manifest import Manifest, Role
from app.tensors import Array, all_true

_MAP_COLUMNS_FAILED = "the model's map output does not hold the manifest's labels"


class Interpreter:
    """Compiled once per loaded version from its manifest and the runtime's output names, in order."""

    def __init__(self, manifest: Manifest, output_names: Sequence[str]) -> None:
        self._names = list(output_names)
        self._labels = manifest.labels
        self._keys = [str(label) for label in manifest.labels]
        self._column = {label: at for at, label in enumerate(manifest.labels)}
        positive = manifest.positive_label
        self._positive = None if positive is None else self._column[positive]
        self._probability_name = manifest.probability_name
        self._by_role = {role: self._named(manifest, role) for role in ("label", "probabilities", "logits", "value")}
        told = {name for name in self._by_role.values() if name}
        self._extra = [name for name in self._names if name not in told]
        self._first = "" if told else self._extra[0]

    def _named(self, manifest: Manifest, role: Role) -> str | None:
        return next((item.name for item in manifest.outputs if item.role == role), None)

    def arrays(self, outputs: Sequence[Any]) -> dict[str, Array]:
        """Outputs by name, each with the row as its first axis.

        A list of label -> probability maps, one per row, becomes a matrix with one column per label. A list of arrays,
        one per target of a model that answers several, becomes one array of shape (rows, targets, ...).

        Raises:
            ValueError: a map lacks one of the manifest's labels, or the arrays differ in shape.
        """
        return {
            name: self._from_list(value) if isinstance(value, list) else value
            for name, value in zip(self._names, outputs, strict=True)
        }

    def _from_list(self, items: list[Any]) -> Array:
        if items and not isinstance(items[0], Mapping):
            return np.stack(items, axis=1)
        try:
            return np.array([[row[label] for label in self._labels] for row in items], dtype=np.float32)
        except KeyError:
            raise ValueError(_MAP_COLUMNS_FAILED) from None

    def rows(self, outputs: Mapping[str, Array], path: str) -> list[dict[str, Any]]:
        """One mapping per row, ready for JSON.

        Raises:
            InvalidInput: the model has no finite answer for a row; JSON has no way to say NaN.
        """
        self.refuse_gaps(outputs, path)
        answers = self._answers(outputs)
        for name in self._extra:
            for answer, value in zip(answers, _squeezed(outputs[name]).tolist(), strict=True):
                answer.setdefault("outputs", {})[name] = value
        return answers

    def refuse_gaps(self, outputs: Mapping[str, Array], path: str) -> None:
        """Raises InvalidInput for rows with an output that is not finite."""
        for array in outputs.values():
            if array.dtype.kind == "f" and not all_true(np.isfinite(array)):
                self._refuse(array, path)

    def _answers(self, outputs: Mapping[str, Array]) -> list[dict[str, Any]]:
        table = self._table(outputs)
        predicted = self._predicted(outputs, table)
        if table is None:
            return [{"prediction": value} for value in predicted]
        lists = table.tolist()
        triples = zip(predicted, self._chosen(predicted, lists), self._by_label(lists), strict=True)
        name = self._probability_name
        if name is None:
            return [
                {"prediction": value, "probability": share, "probabilities": shares} for value, share, shares in triples
            ]
        return [
            {"prediction": value, "probability": share, name: share, "probabilities": shares}
            for value, share, shares in triples
        ]

    def _by_label(self, lists: list[list[float]]) -> list[dict[str, float]]:
        """Probabilities by label. Two labels are the usual case, and worth doing without a loop for each row."""
        if len(self._keys) == 2:
            first, second = self._keys
            return [{first: one, second: other} for one, other in lists]
        return [dict(zip(self._keys, row)) for row in lists]  # noqa: B905

    def _chosen(self, predicted: Sequence[Any], lists: list[list[float]]) -> list[float]:
        """The probability that is answered by itself: of the positive label, else of the predicted one."""
        if self._positive is not None:
            return [row[self._positive] for row in lists]
        column = self._column
        return [
            row[column[value]] if value in column else max(row) for value, row in zip(predicted, lists, strict=True)
        ]

    def _table(self, outputs: Mapping[str, Array]) -> Array | None:
        """Probabilities of shape (rows, labels), None for a model that has none."""
        if name := self._by_role["probabilities"]:
            return _two_sided(outputs[name], len(self._labels))
        if name := self._by_role["logits"]:
            return _softmax(outputs[name], len(self._labels))
        return None

    def _predicted(self, outputs: Mapping[str, Array], table: Array | None) -> list[Any]:
        name = self._by_role["label"] or self._by_role["value"]
        if name is None and table is not None:
            return [self._labels[at] for at in table.argmax(axis=1)]
        values: list[Any] = _squeezed(outputs[name or self._first]).tolist()
        return values

    def _refuse(self, array: Array, path: str) -> None:
        finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        rows = np.flatnonzero(~finite)[:20].tolist()
        raise InvalidInput({path.format(i=row): ["the model has no finite answer for these values"] for row in rows})


def _squeezed(array: Array) -> Array:
    """A column of shape (rows, 1) as (rows,)."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _two_sided(array: Array, labels: int) -> Array:
    """A network with one sigmoid output answers only P(second label): the first is the rest."""
    single = array.reshape(len(array), -1)
    return np.concatenate([1 - single, single], axis=1) if labels == 2 and single.shape[1] == 1 else single


def _softmax(array: Array, labels: int) -> Array:
    single = array.reshape(len(array), -1)
    if labels == 2 and single.shape[1] == 1:
        with np.errstate(over="ignore"):  # where exp overflows, the share is 0, as it should be
            return _two_sided(1 / (1 + np.exp(-single)), 2)
    grown = np.exp(single - single.max(axis=1, keepdims=True))
    shares: Array = grown / grown.sum(axis=1, keepdims=True)
    return shares
